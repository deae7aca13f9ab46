"""Questions to the process that runs moto, over a socket in the state that only its owner may use. No client of the cloud comes here."""

import http.client
import json
import socket
from typing import Any

from .progress import CloudError
from .state import State


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a socket of the file system."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def ask(state: State, method: str, path: str) -> Any:
    """The answer as JSON; nothing if what is asked for does not exist."""
    connection = UnixConnection(str(state.aws_socket))
    try:
        connection.request(method, path, headers={"Content-Length": "0"})
        answer = connection.getresponse()
        body = answer.read()
    except OSError as error:
        raise CloudError(f"the cloud does not answer: {error}; see `cotenant-cloud status`") from error
    finally:
        connection.close()
    if answer.status == 404:
        return None
    if answer.status != 200:
        raise CloudError(f"the cloud answers {answer.status}: {body[:500].decode(errors='replace')}")
    return json.loads(body)
