"""Clients that know of the cloud what any user does: host names, the authority's certificate, and keys they were given."""

import base64
import json
import os
import re
import secrets
import struct
import subprocess
import sys
import time
from dataclasses import dataclass
from html import unescape

import boto3
import requests
from botocore.config import Config
from jwcrypto.jwe import JWE
from jwcrypto.jwk import JWK

from cotenant_cloud import state as cloud
from cotenant_cloud.state import State

STATE = State.of_server()
SIGNUP, SIGNIN, CONSOLE, MAIL = (f"https://{host}" for host in cloud.SITE_HOSTS)
COMMAND = [sys.executable, f"{os.environ['PYTHONPATH']}/cotenant-cloud"]


def ask_command(*words: str) -> dict:
    """What the command prints as JSON."""
    done = subprocess.run([*COMMAND, *words, "--state", STATE.path, "--json"], check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def new_key() -> dict:
    """An access key of a new account."""
    made = ask_command("account", f"test-{secrets.token_hex(6)}")
    with open(made["file"]) as file:
        return json.load(file)


def aws(service: str, key: dict, checked: bool = True, region: str = cloud.REGION, **settings: object):
    """A client of boto3; one that does not check by itself what it is asked to send, if that is wanted."""
    version = "s3v4" if service == "s3" else None
    config = Config(signature_version=version, retries={"total_max_attempts": 1}, parameter_validation=checked)
    names = {"aws_access_key_id": key["access_key_id"], "aws_secret_access_key": key["secret_access_key"]}
    return boto3.client(service, region_name=region, verify=str(STATE.ca), config=config, **names, **settings)


def xxtea_encrypt(data: bytes, key: bytes) -> bytes:
    """XXTEA (Wheeler, Needham: Correction to xtea, 1998) with little-endian words; the site has the other direction."""
    count, mask = len(data) // 4, 0xFFFFFFFF
    words, keys, total = list(struct.unpack(f"<{count}I", data)), struct.unpack("<4I", key), 0
    last = words[-1]
    for _ in range(6 + 52 // count):
        total = (total + 0x9E3779B9) & mask
        turn = (total >> 2) & 3
        for at in range(count):
            following = words[(at + 1) % count]
            mixed = ((last >> 5 ^ following << 2) + (following >> 3 ^ last << 4)) ^ ((total ^ following) + (keys[at & 3 ^ turn] ^ last))
            words[at] = last = (words[at] + mixed) & mask
    return struct.pack(f"<{count}I", *words)


@dataclass
class Page:
    """What a client needs of a page: keys and the token against forged requests."""

    password_key: JWK
    metadata_key: bytes

    @classmethod
    def of(cls, text: str) -> "Page":
        """Reads the meta tags."""
        found = {name: unescape(value) for name, value in re.findall(r'<meta name="([a-z-]+)" content="([^"]*)">', text)}
        return cls(JWK.from_json(found["encryption-key"]), bytes.fromhex(found["metadata-key"]))

    def metadata1(self, **other: object) -> str:
        """Made afresh for each request."""
        told = json.dumps({"id": secrets.token_hex(16), "time": int(time.time() * 1000), "client": "test", **other}).encode()
        return base64.b64encode(xxtea_encrypt(told + b" " * (-len(told) % 4), self.metadata_key)).decode()

    def encrypted(self, password: str, algorithm: str = "RSA-OAEP-256") -> str:
        """The password as JWE."""
        token = JWE(password.encode(), json.dumps({"alg": algorithm, "enc": "A256GCM"}))
        token.add_recipient(self.password_key)
        return token.serialize(compact=True)


class Browser:
    """Cookies, and what Django wants of a form: its token and where it comes from."""

    def __init__(self) -> None:
        self.session = requests.Session()
        # Neither proxies nor certificates of the environment.
        self.session.trust_env = False
        self.session.verify = str(STATE.ca)

    def get(self, address: str, **settings: object) -> requests.Response:
        """Follows nothing."""
        return self.session.get(address, allow_redirects=False, timeout=30, **settings)

    def post(self, address: str, /, **form: str) -> requests.Response:
        """A form with the token."""
        site = "/".join(address.split("/")[:3])
        token = self.session.cookies.get("csrftoken", domain=site.removeprefix("https://"))
        headers = {"X-CSRFToken": token or "", "Referer": site + "/", "Origin": site}
        return self.session.post(address, data=form, headers=headers, allow_redirects=False, timeout=30)

    def cookie(self, address: str, name: str = "aws-creds") -> str | None:
        """The value that goes to a site."""
        return self.session.cookies.get(name, domain=address.removeprefix("https://"))
