"""Programs that go on when the command ends, and their end: exactly those that were started, known by process id and start time.

A process id is used again after its process has ended; together with the start time, field 22 of /proc/PID/stat (proc(5)), it names one process of this boot.
"""

import json
import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from .progress import CloudError
from .state import State

# How long a program may take to end before it is killed.
PATIENCE = 10.0
# Those that this command has started itself, whose end it has to ask for.
CHILDREN: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Process:
    """A program that was started: its part, process id and start time in clock ticks since boot."""

    part: str
    pid: int
    started: int

    def lives(self) -> bool:
        """Whether that very process runs."""
        return started_at(self.pid) == self.started


def started_at(pid: int) -> int | None:
    """The start time of the process that has this id now; none if there is none, or if it has ended and nobody has asked how."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the name in parentheses, which may have spaces and parentheses itself.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def start(state: State, part: str, command: Sequence[object], environment: Mapping[str, str]) -> Process:
    """Starts a program in a session of its own, with its log in the state, and writes it down before anything else happens."""
    words, whole = [str(word) for word in command], {**os.environ, **environment}
    with (state.logs / f"{part}.log").open("ab") as log:
        try:
            child = subprocess.Popen(words, cwd=state.run, env=whole, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        except OSError as error:
            raise CloudError(f"{part} cannot be started: {words[0]}: {error.strerror}") from error
    CHILDREN[child.pid] = child
    begun = started_at(child.pid)
    if begun is None:
        raise CloudError(f"{part} ended at once; see {state.logs / part}.log")
    process = Process(part, child.pid, begun)
    write(state, [*read(state), process])
    return process


def read(state: State) -> list[Process]:
    """What was started and has not been ended."""
    try:
        return [Process(**entry) for entry in json.loads(state.processes.read_text())]
    except FileNotFoundError:
        return []


def write(state: State, processes: Sequence[Process]) -> None:
    """Replaces the list in one step."""
    new = state.processes.with_suffix(".new")
    new.write_text(json.dumps([asdict(process) for process in processes]))
    new.replace(state.processes)


def end(process: Process) -> bool:
    """Ends a process and those of its session: asked first, then killed. False if it did not live."""
    if not process.lives():
        return False
    os.killpg(process.pid, signal.SIGTERM)
    limit = time.monotonic() + PATIENCE
    while process.lives() and time.monotonic() < limit:
        reap(process.pid)
        time.sleep(0.05)
    if process.lives():
        os.killpg(process.pid, signal.SIGKILL)
        while process.lives():
            reap(process.pid)
            time.sleep(0.05)
    return True


def reap(pid: int) -> None:
    """Takes the exit status of a child of this command; else it would stay as a zombie."""
    if pid in CHILDREN:
        CHILDREN[pid].poll()
