"""Parties' storage for tests: an HTTPS server that keeps what is put to it, and a certificate that nobody else believes."""

import contextlib
import http.server
import pathlib
import ssl
import subprocess
import threading
import time


def certificate(folder: pathlib.Path) -> pathlib.Path:
    """A certificate for 127.0.0.1 and its key, in one file."""
    path = folder / "server.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=storage"]
    made = [*command, "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", folder / "certificate.pem"]
    subprocess.run(made, check=True, stderr=subprocess.DEVNULL)
    path.write_text((folder / "key.pem").read_text() + (folder / "certificate.pem").read_text())
    return path


class Storage:
    """What is at which path; which paths were asked for; which send their readers elsewhere, or a byte a second."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.objects: dict[str, bytes] = {}
        self.puts: list[str] = []
        self.elsewhere: dict[str, str] = {}
        self.slow: set[str] = set()
        storage = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if self.path in storage.slow:
                    self.send_response(200)
                    self.send_header("Content-Length", "1000")
                    self.end_headers()
                    with contextlib.suppress(OSError):
                        for _ in range(1000):
                            time.sleep(1)
                            self.wfile.write(b"x")
                    return None
                if self.path in storage.elsewhere:
                    self.send_response(302)
                    self.send_header("Location", storage.elsewhere[self.path])
                    self.send_header("Content-Length", "0")
                    return self.end_headers()
                self.answer(200, storage.objects[self.path]) if self.path in storage.objects else self.answer(404, b"")

            def do_PUT(self) -> None:
                storage.objects[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
                storage.puts.append(self.path)
                self.answer(200, b"")

            def answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:
                """Nothing."""

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate(folder))
        self.ca = folder / "certificate.pem"
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path: str) -> str:
        """Of an object."""
        return f"https://127.0.0.1:{self.server.server_address[1]}{path}"

    def close(self) -> None:
        """Ends the server."""
        self.server.shutdown()
        self.server.server_close()
