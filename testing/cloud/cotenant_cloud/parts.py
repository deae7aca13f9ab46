"""The programs that make up the cloud, in the order in which they are started, and how one sees that each is ready."""

import http.client
import os
import pathlib
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from . import state as cloud
from .install import FOLDER
from .processes import Process, start
from .progress import CloudError, say
from .state import State

# How long a part may take until it answers; the machine may be busy with other things.
PATIENCE = 120.0


@dataclass(frozen=True)
class Part:
    """A program: what it is for, its command line, and a test that succeeds once it answers."""

    name: str
    purpose: str
    command: Sequence[object]
    ready: Callable[[State], bool]


def all_parts(state: State) -> list[Part]:
    """Every part; later ones use earlier ones."""
    address, python = state.address, state.python
    gunicorn = [state.venv / "bin" / "gunicorn", "--workers", "1", "--threads", "4", "--no-control-socket", "--access-logfile", "-"]
    mail = ["--ip", address, "--smtp", cloud.SMTP, "--web", cloud.MAILDEV, "--hide-extensions", "STARTTLS"]
    return [
        Part("names", "host names", [python, "-m", "servers.names"], knows_names),
        Part("aws", "IAM, STS, EC2, SSM, SageMaker: moto", [python, "-m", "servers.aws"], listens(cloud.MOTO)),
        Part("storage", "S3: one s3s-fs for each access key", [python, "-m", "servers.storage"], listens(cloud.STORAGE)),
        Part("maildev", "the mail server", [state.maildev / "node_modules" / ".bin" / "maildev", *mail], listens(cloud.MAILDEV)),
        Part("mail", "mailboxes", [python, "-m", "servers.mail"], listens(cloud.MAIL)),
        Part("signin", "sign-up and sign-in", [*gunicorn, "--bind", f"{address}:{cloud.SIGNIN}", "servers.signin.wsgi"], serves(cloud.SIGNIN)),
        Part("front", "TLS 1.3 before all of them: nginx", ["nginx", "-p", state.run, "-c", state.run / "nginx.conf"], answers),
        Part(
            "console",
            "the console, which signs in by OpenID Connect",
            [*with_hosts(state), *gunicorn, "--bind", f"{address}:{cloud.CONSOLE}", "servers.console.wsgi"],
            serves(cloud.CONSOLE),
        ),
        Part("runner", "runs what instances are given", [python, "-m", "servers.runner"], lambda state: (state.instances / "ready").exists()),
    ]


def environment(state: State) -> dict[str, str]:
    """What every part is told."""
    return {
        "COTENANT_CLOUD_STATE": str(state.path),
        "PYTHONPATH": str(FOLDER),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        # requests, which django-allauth calls the sign-in site with.
        "REQUESTS_CA_BUNDLE": str(state.ca),
        "NO_PROXY": "*",
        "PATH": os.environ["PATH"],
    }


def with_hosts(state: State) -> list[object]:
    """The words before a command that sees the cloud's host names, in a mount namespace of its own; this machine's files stay as they are."""
    capabilities = ["--cap-add", "ALL"] if os.geteuid() == 0 else []
    return ["bwrap", "--dev-bind", "/", "/", "--ro-bind", state.hosts, "/etc/hosts", "--ro-bind", state.resolver, "/etc/resolv.conf", *capabilities, "--"]


def launch(state: State, part: Part) -> Process:
    """Starts a part and waits until it answers."""
    say(f"starts {part.name}: {part.purpose}")
    process = start(state, part.name, part.command, environment(state))
    limit = time.monotonic() + PATIENCE
    while not part.ready(state):
        if not process.lives():
            raise CloudError(f"{part.name} ended\n{last_lines(state.logs / part.name)}")
        if time.monotonic() > limit:
            raise CloudError(f"{part.name} does not answer\n{last_lines(state.logs / part.name)}")
        time.sleep(0.1)
    # Somebody else may have answered in its place.
    if not process.lives():
        raise CloudError(f"{part.name} ended\n{last_lines(state.logs / part.name)}")
    return process


def taken_ports(state: State) -> list[int]:
    """Ports of the cloud at which somebody listens before it is there; a part could be taken for ready that is somebody else."""
    ports = (state.port, cloud.MOTO, cloud.STORAGE, cloud.SIGNIN, cloud.CONSOLE, cloud.MAIL, cloud.MAILDEV, cloud.SMTP)
    return [port for port in ports if listens(port)(state)]


def last_lines(log: pathlib.Path) -> str:
    """The end of a part's log."""
    try:
        return log.with_name(log.name + ".log").read_text(errors="replace")[-3000:]
    except FileNotFoundError:
        return ""


def listens(port: int) -> Callable[[State], bool]:
    """Somebody accepts connections at a port."""

    def test(state: State) -> bool:
        try:
            socket.create_connection((state.address, port), 1).close()
        except OSError:
            return False
        return True

    return test


def knows_names(state: State) -> bool:
    """The server of names answers; the query is one for the root, which it refuses."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(1)
        asking.connect((state.address, cloud.NAMES))
        try:
            asking.send(b"\0\1\0\0\0\1\0\0\0\0\0\0\0\0\1\0\1")
            return bool(asking.recv(512))
        except OSError:
            return False


def serves(port: int) -> Callable[[State], bool]:
    """Somebody answers HTTP at a port, whatever the answer: gunicorn listens before its program is there."""

    def test(state: State) -> bool:
        connection = http.client.HTTPConnection(state.address, port, timeout=5)
        try:
            connection.request("GET", "/")
            connection.getresponse()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return True

    return test


def answers(state: State) -> bool:
    """The front answers over TLS under its own authority: moto refuses what has no signature."""
    context = ssl.create_default_context(cafile=str(state.ca))
    try:
        raw = socket.create_connection((state.address, state.port), 1)
        connection = http.client.HTTPConnection("iam.amazonaws.com")
        connection.sock = context.wrap_socket(raw, server_hostname="iam.amazonaws.com")
        connection.request("GET", "/")
        return connection.getresponse().status == 403
    except (OSError, http.client.HTTPException):
        return False
