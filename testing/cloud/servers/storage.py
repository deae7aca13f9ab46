"""Which s3s-fs answers a request to S3: there is one for each access key, as each knows one key, on the files of the key's account.

nginx asks here for every request (its auth_request) before it passes it on. A key that was deleted, made inactive or has expired, and a wrong session
token, are refused here; signature, clock and payload hash are what s3s-fs checks. Buckets of different accounts do not see each other.
"""

import ctypes
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, HTTPServer

from cotenant_cloud.internal import ask
from cotenant_cloud.state import S3_HOSTS, STORAGE, State

KEY_IN_HEADER = re.compile(r"AWS4-HMAC-SHA256 Credential=([A-Z0-9]{16,32})/")
PR_SET_PDEATHSIG = 1
# Seconds until a new s3s-fs must listen.
PATIENCE = 20.0


class Stores:
    """The s3s-fs that run, by access key."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.running: dict[str, tuple[subprocess.Popen[bytes], int]] = {}

    def backend(self, key_id: str, token: str | None) -> str | None:
        """Address and port of the one for a key; none if the key is no good."""
        key = ask(self.state, "GET", f"/keys/{key_id}")
        if not isinstance(key, dict):
            self.end(key_id)
            return None
        if key["token"] != token:
            return None
        process, port = self.running.get(key_id, (None, 0))
        if process is None or process.poll() is not None:
            process, port = self.start(key_id, key["secret"], key["account"])
            self.running[key_id] = (process, port)
        return f"{self.state.address}:{port}"

    def start(self, key_id: str, secret: str, account: str) -> tuple[subprocess.Popen[bytes], int]:
        """Starts one and waits until it listens."""
        folder = self.state.objects / account
        folder.mkdir(exist_ok=True)
        with socket.socket() as probe:
            probe.bind((self.state.address, 0))
            port = probe.getsockname()[1]
        domains = [word for host in S3_HOSTS for word in ("--domain", host)]
        command = [self.state.s3s_fs, "--host", self.state.address, "--port", port, "--access-key", key_id, "--secret-key", secret, *domains, folder]
        libc = ctypes.CDLL(None)
        process = subprocess.Popen([str(word) for word in command], preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))
        limit = time.monotonic() + PATIENCE
        while time.monotonic() < limit and process.poll() is None:
            try:
                socket.create_connection((self.state.address, port), 1).close()
                break
            except OSError:
                time.sleep(0.02)
        return process, port

    def end(self, key_id: str) -> None:
        """Ends the one for a key that is no more."""
        process, _ = self.running.pop(key_id, (None, 0))
        if process is not None:
            process.kill()
            process.wait()


def key_of(authorization: str, target: str) -> tuple[str | None, str | None]:
    """Access key id and session token of a request: of its header, or of a presigned address."""
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(target).query)
    match = KEY_IN_HEADER.match(authorization)
    if match:
        return match[1], None
    credential = query.get("X-Amz-Credential", [""])[0].split("/")[0]
    token = query.get("X-Amz-Security-Token", [None])[0]
    return (credential if credential.isalnum() else None), token


def handler(stores: Stores) -> type[BaseHTTPRequestHandler]:
    """Answers nginx: 204 with the backend, or 403."""

    class Lookup(BaseHTTPRequestHandler):
        def answer(self) -> None:
            key_id, token = key_of(self.headers.get("Authorization", ""), self.headers.get("X-Original-URI", ""))
            token = self.headers.get("X-Amz-Security-Token", token)
            backend = stores.backend(key_id, token) if key_id else None
            self.send_response(204 if backend else 403)
            if backend:
                self.send_header("X-Backend", backend)
            self.end_headers()

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer

        def log_message(self, format: str, *arguments: object) -> None:
            """Only what is refused."""
            if "403" in arguments:
                sys.stderr.write("refused: " + self.headers.get("X-Original-URI", "") + "\n")

    return Lookup


def main() -> None:
    """Serves until it is ended, one question after the other; the stores end with this thread, as they asked the kernel for."""
    state = State.of_server()
    HTTPServer((state.address, STORAGE), handler(Stores(state))).serve_forever()


if __name__ == "__main__":
    main()
