"""The command line: `up`, `down`, `status`, and what parties, people and tests need of a cloud that runs."""

import argparse
import ipaddress
import json
import os
import pathlib
import shutil
import sys

from . import install, parts, people, processes, state as cloud
from .certificates import make
from .front import configuration
from .progress import CloudError, say, step
from .state import State


def main() -> int:
    """Runs one command; 1 if it could not do what was asked, with the reason on standard error."""
    arguments = parser().parse_args()
    state = State(arguments.state)
    try:
        if arguments.running and not any(process.lives() for process in processes.read(state)):
            raise CloudError(f"no cloud of {state.path} runs; see `cotenant-cloud up`, and --state for one elsewhere")
        result = arguments.run(state, arguments)
    except CloudError as error:
        say(f"error: {error}")
        return 1
    except PermissionError as error:
        say(f"error: {error.filename} belongs to another user; run this as the user that ran `cotenant-cloud up`")
        return 1
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    if isinstance(result, int):
        return result
    try:
        print(json.dumps(result, indent=2) if arguments.json else text(result), flush=True)
    except BrokenPipeError:
        # Whoever read it has read enough. Python would complain once more when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def parser() -> argparse.ArgumentParser:
    """All commands and options."""
    top = argparse.ArgumentParser(prog="cotenant-cloud", description="A stand-in cloud made of real software, on a loopback address.")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--state", type=pathlib.Path, default=cloud.default_path(), help="where all of it lies (%(default)s)")
    common.add_argument("--json", action="store_true", help="print the result as JSON")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: object, help: str, running: bool = False) -> argparse.ArgumentParser:
        """A command, perhaps one for which a cloud has to run."""
        made = commands.add_parser(name, help=help, description=help, parents=[common])
        made.set_defaults(run=run, running=running)
        return made

    made = command("up", up, "install what is missing, start the cloud, say where it is")
    made.add_argument("--address", type=loopback, default="127.77.0.1", help="the loopback address that it takes (%(default)s)")
    made.add_argument("--port", type=int, default=443, help="the port of its front (%(default)s)")
    command("install", lambda state, _: installed(state), "install what is missing, and start nothing")
    made = command("down", down, "end exactly what `up` started")
    made.add_argument("--purge", action="store_true", help="delete everything below the state, too; Debian packages stay")
    command("status", status, "say where the cloud is and which parts run")
    made = command("exec", execute, "run a command that sees the cloud's host names", running=True)
    made.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND ARGUMENT...")
    made = command("account", people.account, "open an account that somebody has already, with an access key", running=True)
    made.add_argument("name", help="what to call its key file")
    made = command("captcha", people.captcha, "what is written on a CAPTCHA's image (for tests that have no eyes)", running=True)
    made.add_argument("key", help="the CAPTCHA's key")
    made = command("phone", people.phone, "the newest text message to a phone (nobody has a phone here)", running=True)
    made.add_argument("number", help="the number as it was given")
    return top


def loopback(text_: str) -> str:
    """An address in 127.0.0.0/8; other people's machines are none of this cloud's business."""
    if not ipaddress.IPv4Address(text_).is_loopback:
        raise argparse.ArgumentTypeError("the cloud listens on a loopback address only (127.x.y.z)")
    return text_


def installed(state: State) -> dict:
    """Installs; needs root as it makes a file system."""
    if os.geteuid() != 0:
        why = "it installs packages, takes port 443, and makes sandboxes with users of their own"
        raise CloudError(f"run this as root, best in a container or a virtual machine: {why}")
    install.install(state)
    return {"state": str(state.path), "installed": True}


def up(state: State, arguments: argparse.Namespace) -> dict:
    """Brings up everything, or nothing."""
    if any(process.lives() for process in processes.read(state)):
        raise CloudError(f"a cloud of {state.path} runs already; see `cotenant-cloud status`")
    installed(state)
    shutil.rmtree(state.run, ignore_errors=True)
    for folder in (state.run, state.logs, state.objects, state.instances):
        folder.mkdir(mode=0o700)
    state.write_settings(arguments.address, arguments.port)
    taken = parts.taken_ports(state)
    if taken:
        raise CloudError(f"somebody else listens on {arguments.address} at port {', '.join(map(str, taken))} already; --address names another address")
    with step("makes certificates"):
        make(state)
    state.hosts.write_text(hosts(state.address))
    state.resolver.write_text(f"nameserver {state.address}\n" + pathlib.Path("/etc/resolv.conf").read_text())
    (state.run / "nginx.conf").write_text(configuration(state))
    try:
        for part in parts.all_parts(state):
            parts.launch(state, part)
        people.open_account(state, "admin")
    except BaseException:
        end_all(state)
        raise
    return status(state, arguments)


def hosts(address: str) -> str:
    """A hosts file with every name of the cloud but those of buckets, and this machine's own (hosts(5))."""
    own = pathlib.Path("/etc/hosts").read_text()
    names = (*cloud.SITE_HOSTS, *cloud.S3_HOSTS, *cloud.API_HOSTS)
    return own.rstrip("\n") + "\n" + "".join(f"{address} {name}\n" for name in names)


def down(state: State, arguments: argparse.Namespace) -> dict:
    """Ends the processes; with `--purge` deletes what they left."""
    ended = end_all(state)
    if arguments.purge:
        install.purge(state)
    return {"ended": ended, "purged": arguments.purge}


def end_all(state: State) -> list[str]:
    """The parts that were alive, in the order in which they were ended: the last that was started first."""
    ended = []
    for process in reversed(processes.read(state)):
        if processes.end(process):
            say(f"ended {process.part}")
            ended.append(process.part)
    if ended:
        processes.write(state, [])
    return ended


def status(state: State, _: argparse.Namespace) -> dict:
    """Where things are, and which parts live."""
    known = processes.read(state)
    alive = {process.part: process.lives() for process in known}
    result: dict = {"state": str(state.path), "up": bool(known) and all(alive.values()), "parts": alive}
    if known:
        result |= {
            "address": state.address,
            "port": state.port,
            "ca": str(state.ca),
            "hosts": str(state.hosts),
            "admin_key": str(state.keys / "admin.json"),
            "sites": {"signup": cloud.SIGNUP_HOST, "signin": cloud.SIGNIN_HOST, "console": cloud.CONSOLE_HOST, "mailbox": cloud.MAIL_HOST},
            "pids": {process.part: process.pid for process in known},
        }
    return result


def execute(state: State, arguments: argparse.Namespace) -> int:
    """Becomes the command."""
    words = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not words:
        raise CloudError("exec: which command?")
    line = [str(word) for word in [*parts.with_hosts(state), *words]]
    sys.stdout.flush()
    os.execvp(line[0], line)


def text(result: dict) -> str:
    """A result as lines for people."""

    def of(value: object) -> str:
        if isinstance(value, dict):
            return ", ".join(f"{name} {of(part)}" for name, part in value.items()) or "nothing"
        if isinstance(value, list):
            return ", ".join(map(of, value)) or "nothing"
        return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)

    return "\n".join(f"{name.replace('_', ' ')}: {of(value)}" for name, value in result.items())
