#!/usr/bin/env python3
"""Brings a cloud up if none runs in its state, runs the tests in its environment, ends it, and looks whether anything of it still runs.

`run.py [--state STATE] [ARGUMENTS OF unittest]`
"""

import argparse
import os
import pathlib
import subprocess
import sys

sys.dont_write_bytecode = True
FOLDER = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(FOLDER))

from cotenant_cloud import processes, state as cloud  # noqa: E402


def main() -> int:
    """The status of the tests, or 1 if something went wrong before or after."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--state", type=pathlib.Path, default=cloud.default_path())
    given, rest = parser.parse_known_args()
    state = cloud.State(given.state)
    command = [sys.executable, FOLDER / "cotenant-cloud"]
    own = not any(process.lives() for process in processes.read(state))
    if own and subprocess.run([*command, "up", "--state", state.path], stdout=subprocess.DEVNULL).returncode != 0:
        return 1
    known = processes.read(state)
    try:
        tests = [state.python, "-m", "unittest", *(rest or ["discover", "-s", FOLDER / "tests", "-t", FOLDER])]
        environment = {**os.environ, "COTENANT_CLOUD_STATE": str(state.path), "PYTHONPATH": str(FOLDER), "PYTHONDONTWRITEBYTECODE": "1"}
        status = subprocess.run([*command, "exec", "--state", state.path, "--", *tests], env=environment).returncode
    finally:
        if own:
            subprocess.run([*command, "down", "--state", state.path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    left = [process.part for process in known if own and process.lives()]
    if left:
        print(f"these parts were not ended: {', '.join(left)}", file=sys.stderr)
    return 1 if left else status


sys.exit(main())
