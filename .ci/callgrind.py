#!/usr/bin/env python3
"""Instructions of a fixed session of the engine, counted by callgrind (Valgrind), against those written down here.

Two parties in one process run the example `instructions` of testing/bench, once for one evaluation of a circuit and once for several: the first run is
mostly what a session takes before any gate, the difference is what an AND gate takes of both parties together. Valgrind has AVX2 and AES-NI and nothing
wider, so the widest code is guarded by the counts that tests pin. The counts are the same at every run. Exit status 1 if one is off by more than the
tolerance, in either direction: a change for the better is written down too. With --show it only prints what it counts.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

# level of vector code -> millions of instructions of a session with one evaluation, instructions of each AND more; of tests' builds, both parties
WANTED = {
    "avx2": (816.9, 17378.5),
    "portable": (2570.2, 289492.2),
}
TOLERANCE = 0.03
# Software AES is slow under Valgrind.
EVALUATIONS = {"avx2": 6, "portable": 3}
ANDS = 6400


def program():
    """The example, built as tests are; its path."""
    command = ["cargo", "build", "--locked", "--workspace", "--example", "instructions", "--message-format=json-render-diagnostics"]
    # Incremental builds cut the code into other pieces, which costs some percent of instructions.
    env = os.environ | {"CARGO_INCREMENTAL": "0"}
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=env).stdout.splitlines()
    built = [message["executable"] for message in map(json.loads, lines) if message.get("executable")]
    return pathlib.Path(built[-1])


def instructions(path, level, evaluations):
    """Of the whole process, and the file that says what each function took, beside the program."""
    profile = path.with_name(f"callgrind.{level}.{evaluations}")
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}", str(path), level, str(evaluations)]
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if ran.returncode != 0:
        sys.exit(f"callgrind: {' '.join(command)} failed:\n{ran.stderr}")
    if not ran.stdout.startswith(f"{ANDS * evaluations} AND gates"):
        sys.exit(f"callgrind: the session is another one than was counted before: {ran.stdout}")
    return int(re.search(r"Collected : (\d+)", ran.stderr).group(1)), profile


def main():
    if shutil.which("valgrind") is None:
        sys.exit("callgrind: valgrind is missing; it is in the Debian package valgrind")
    path, offences = program(), []
    for level, wanted in WANTED.items():
        several = EVALUATIONS[level]
        (one, _), (more, profile) = instructions(path, level, 1), instructions(path, level, several)
        found = (one / 1e6, (more - one) / (several - 1) / ANDS)
        for what, now, before in zip(("a session with one evaluation, millions", "an AND gate more"), found, wanted):
            print(f"{level:8}  {what:39}  {now:9.1f} counted  {before:9.1f} written down")
            if abs(now - before) > TOLERANCE * before:
                offences.append(f"{level}: {what}: {before:.1f} instructions written down, {now:.1f} counted; `callgrind_annotate {profile}` shows of what")
    if offences and "--show" not in sys.argv[1:]:
        print("callgrind: off by more than the tolerance; if that is meant, write the new count down in .ci/callgrind.py", file=sys.stderr)
        sys.exit("\n".join(offences))


main()
