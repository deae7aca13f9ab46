"""The instance metadata service, at 169.254.169.254 inside a machine: version 2 with tokens, and version 1 where HttpTokens does not require them.

After the AWS documentation, "Use the Instance Metadata Service to access instance metadata": `PUT /latest/api/token` gives a token for 1 to 21600 seconds,
not to what a proxy passes on (X-Forwarded-For); 401 without a token where one is required or with one that is wrong; 403 where the service is turned off.
"""

import base64
import json
import secrets
import socketserver
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LONGEST = 21600


def user_data(instance: dict) -> bytes:
    """What the instance was given."""
    return base64.b64decode(instance["user_data"] or "")


def documents(instance: dict) -> dict[str, bytes]:
    """All that can be read, by address."""
    role = instance["role"]
    identity = {"accountId": instance["account"], "imageId": instance["image"], "instanceId": instance["id"], "instanceType": instance["type"]}
    identity |= {"privateIp": instance["private_ip"], "region": instance["region"], "availabilityZone": instance["region"] + "a", "version": "2017-09-30"}
    texts = {
        "meta-data/ami-id": instance["image"],
        "meta-data/hostname": instance["id"],
        "meta-data/instance-id": instance["id"],
        "meta-data/instance-type": instance["type"],
        "meta-data/local-ipv4": instance["private_ip"],
        "meta-data/placement/availability-zone": instance["region"] + "a",
        "meta-data/placement/region": instance["region"],
        "dynamic/instance-identity/document": json.dumps(identity, indent=2),
    }
    if role:
        about = {"Code": "Success", "InstanceProfileArn": role["profile"]}
        texts["meta-data/iam/info"] = json.dumps(about)
        texts["meta-data/iam/security-credentials"] = texts["meta-data/iam/security-credentials/"] = role["role"]
        texts[f"meta-data/iam/security-credentials/{role['role']}"] = json.dumps(role["credentials"], indent=2)
    found = {f"/latest/{path}": text.encode() for path, text in texts.items()}
    names = sorted({path.split("/")[1] + ("/" if path.count("/") > 1 else "") for path in texts if path.startswith("meta-data/")})
    found["/latest/meta-data/"] = found["/latest/meta-data"] = "\n".join(names).encode()
    if instance["user_data"]:
        found["/latest/user-data"] = user_data(instance)
    return found


def server(address: tuple[str, int], instance: dict) -> socketserver.BaseServer:
    """A server for one instance."""
    found, tokens = documents(instance), dict[str, float]()

    class Metadata(BaseHTTPRequestHandler):
        server_version = "EC2ws"

        def do_PUT(self) -> None:
            seconds = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
            if self.path != "/latest/api/token":
                return self.answer(404)
            if not instance["metadata"] or "X-Forwarded-For" in self.headers:
                return self.answer(403)
            if not seconds.isdecimal() or not 1 <= int(seconds) <= LONGEST:
                return self.answer(400)
            token = secrets.token_urlsafe(42)
            tokens[token] = time.monotonic() + int(seconds)
            self.answer(200, token.encode(), seconds)

        def do_GET(self) -> None:
            token = self.headers.get("X-aws-ec2-metadata-token")
            if not instance["metadata"]:
                return self.answer(403)
            if (token is None and instance["tokens_required"]) or (token is not None and tokens.get(token, 0) < time.monotonic()):
                return self.answer(401)
            body = found.get(self.path)
            self.answer(404) if body is None else self.answer(200, body)

        def answer(self, status: int, body: bytes = b"", seconds: str | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(body)))
            if seconds:
                self.send_header("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", seconds)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """A machine's console is for what runs in it."""

    return ThreadingHTTPServer(address, Metadata)
