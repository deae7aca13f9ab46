"""What the command says while it works, on standard error: standard output is for results."""

import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager


class CloudError(Exception):
    """What went wrong, for a person, in one sentence."""


def say(text: str) -> None:
    """One line."""
    print(f"cotenant-cloud: {text}", file=sys.stderr, flush=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    """Says what begins, and how long it took if that was more than a moment."""
    say(text)
    start = time.monotonic()
    yield
    if time.monotonic() - start > 2:
        say(f"  {time.monotonic() - start:.0f} s")


def call(command: Sequence[object], why: str, cwd: pathlib.Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Runs a program to its end; its output only shows when it fails."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=cwd, env=env)
    except FileNotFoundError:
        raise CloudError(f"{why}: there is no program {words[0]}") from None
    if done.returncode != 0:
        raise CloudError(f"{why}: {words[0]} ended with {done.returncode}\n{done.stdout[-4000:]}")
    return done.stdout
