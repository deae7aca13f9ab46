"""Mailboxes with addresses and passwords of their own, over maildev, which takes in mail for everybody and knows one login.

Requests and answers have the shape of the mailbox service of the paper (Secure Agents, section 5.1): `POST /accounts` makes a box, `POST /token` gives
a token for it, `GET /messages` and `GET /messages/ID` read it. Boxes are forgotten when this program ends.
"""

import hashlib
import http.client
import json
import re
import secrets
import threading
import urllib.parse
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cotenant_cloud.state import MAIL, MAIL_DOMAIN, MAILDEV, State

ADDRESS = re.compile(rf"[a-z0-9][a-z0-9._-]{{0,63}}@{re.escape(MAIL_DOMAIN)}")
LONGEST = 65536


@dataclass
class Box:
    """One mailbox; its password is kept as a hash."""

    address: str
    salt: bytes
    hash: bytes
    id: str = field(default_factory=lambda: secrets.token_hex(12))


def hash_of(password: str, salt: bytes) -> bytes:
    """scrypt (RFC 7914)."""
    return hashlib.scrypt(password.encode(), salt=salt, n=2**12, r=8, p=1)


class Boxes:
    """All boxes and the tokens that were given out."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.lock = threading.Lock()
        self.boxes: dict[str, Box] = {}
        self.tokens: dict[str, Box] = {}

    def make(self, address: str, password: str) -> Box | None:
        """A new box; none if there is one with this address."""
        salt = secrets.token_bytes(16)
        box = Box(address, salt, hash_of(password, salt))
        with self.lock:
            return box if self.boxes.setdefault(address, box) is box else None

    def token(self, address: str, password: str) -> tuple[str, Box] | None:
        """A token for a box; none if the password is another."""
        box = self.boxes.get(address)
        if box is None or not secrets.compare_digest(box.hash, hash_of(password, box.salt)):
            return None
        token = secrets.token_urlsafe(32)
        self.tokens[token] = box
        return token, box

    def mail(self, box: Box) -> list[dict]:
        """What maildev has for a box, oldest first."""
        connection = http.client.HTTPConnection(self.state.address, MAILDEV, timeout=10)
        connection.request("GET", "/email?" + urllib.parse.urlencode({"headers.to": box.address}))
        found = json.loads(connection.getresponse().read())
        connection.close()
        return [message for message in found if any(to["address"].lower() == box.address for to in message["to"])]


def summary(message: dict) -> dict:
    """A message in a list."""
    name = {"id": message["id"], "subject": message["subject"], "createdAt": message["date"], "seen": bool(message.get("read"))}
    return name | {"from": message["from"][0], "to": message["to"], "intro": (message.get("text") or "")[:80]}


def handler(boxes: Boxes) -> type[BaseHTTPRequestHandler]:
    """The requests of the service."""

    class Mailbox(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == "/domains":
                return self.answer(200, listing([{"id": "1", "domain": MAIL_DOMAIN, "isActive": True}]))
            box = boxes.tokens.get(self.headers.get("Authorization", "").removeprefix("Bearer "))
            if box is None:
                return self.answer(401, {"message": "no valid token"})
            if self.path == "/me":
                return self.answer(200, {"id": box.id, "address": box.address})
            messages = boxes.mail(box)
            if self.path == "/messages":
                return self.answer(200, listing([summary(message) for message in reversed(messages)]))
            for message in messages:
                if self.path == f"/messages/{message['id']}":
                    html = [message["html"]] if message.get("html") else []
                    return self.answer(200, summary(message) | {"text": message.get("text", ""), "html": html})
            self.answer(404, {"message": "not found"})

        def do_POST(self) -> None:
            try:
                asked = json.loads(self.rfile.read(min(int(self.headers.get("Content-Length", 0)), LONGEST)))
                address, password = str(asked["address"]).lower(), str(asked["password"])
            except (ValueError, KeyError, TypeError):
                return self.answer(400, {"message": "address and password are wanted as JSON"})
            if self.path == "/accounts":
                if not ADDRESS.fullmatch(address) or len(password) < 8:
                    return self.answer(422, {"message": f"an address ends with @{MAIL_DOMAIN}, a password has 8 characters at least"})
                box = boxes.make(address, password)
                return self.answer(201, {"id": box.id, "address": box.address}) if box else self.answer(422, {"message": "this address is used"})
            if self.path == "/token":
                given = boxes.token(address, password)
                return self.answer(200, {"token": given[0], "id": given[1].id}) if given else self.answer(401, {"message": "wrong"})
            self.answer(404, {"message": "not found"})

        def answer(self, status: int, body: object) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Mailbox


def listing(members: list) -> dict:
    """A list in the vocabulary that the service uses (Hydra)."""
    return {"hydra:member": members, "hydra:totalItems": len(members)}


def main() -> None:
    """Serves until it is ended."""
    state = State.of_server()
    ThreadingHTTPServer((state.address, MAIL), handler(Boxes(state))).serve_forever()


if __name__ == "__main__":
    main()
