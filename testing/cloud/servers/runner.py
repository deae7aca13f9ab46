"""Runs what instances are given: asks moto twice a second, makes a machine for each new instance, and ends the machine of each that is to be no more.

An instance of which nothing is known runs its user data once. When the machine ends by itself, moto hears of it and does what the instance's
InstanceInitiatedShutdownBehavior says. A machine that was stopped is not started again.
"""

import json
import os
import signal
import subprocess
import sys
import time
from types import FrameType

from cotenant_cloud.internal import ask
from cotenant_cloud.progress import CloudError
from cotenant_cloud.state import State

from . import machine, namespaces

SECONDS = 0.5


class Runner:
    """The machines, by instance."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.machines: dict[str, subprocess.Popen[bytes]] = {}
        self.seen: set[str] = set()

    def turn(self) -> None:
        """Compares what there is with what there is to be."""
        for instance in ask(self.state, "GET", "/instances"):
            name, running = instance["id"], instance["state"] == "running"
            if running and name not in self.seen:
                self.seen.add(name)
                self.begin(instance)
            elif name in self.machines and not running:
                self.end(name)
            elif name in self.machines and self.machines[name].poll() is not None:
                del self.machines[name]
                done = ask(self.state, "POST", f"/shutdowns/{instance['account']}/{instance['region']}/{name}")
                log(f"{name} has ended by itself: {done['state']}")

    def begin(self, instance: dict) -> None:
        """Makes a machine. Its role's credentials are fetched before, as the machine comes here no more."""
        instance["role"] = ask(self.state, "POST", f"/roles/{instance['account']}/{instance['region']}/{instance['id']}")
        folder = machine.prepare(self.state, instance)
        with (folder / "console.log").open("wb") as console:
            command = [sys.executable, "-m", "servers.machine", str(folder)]
            self.machines[instance["id"]] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        log(f"{instance['id']} runs; its console is {folder / 'console.log'}")

    def end(self, name: str) -> None:
        """Ends a machine at once; all that is in it has its process id namespace and ends with it."""
        process = self.machines.pop(name)
        process.kill()
        process.wait()
        log(f"{name} was ended")

    def end_all(self) -> None:
        """Ends every machine."""
        for name in list(self.machines):
            self.end(name)


def log(text: str) -> None:
    """One line."""
    print(text, flush=True)


def main() -> None:
    """Goes on until it is told to end."""
    state = State.of_server()
    if namespaces.run_inside(namespaces.CLONE_NEWNET, lambda: None) != 0:
        sys.exit("machines cannot be made here: they need user namespaces with 65536 users (a container may have to be allowed them)")
    runner = Runner(state)

    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit

    signal.signal(signal.SIGTERM, stop)
    (state.instances / "ready").write_text(json.dumps({"pid": os.getpid()}))
    try:
        while True:
            try:
                runner.turn()
            except CloudError as error:
                log(str(error))
            time.sleep(SECONDS)
    finally:
        runner.end_all()


if __name__ == "__main__":
    main()
