"""Where everything of one cloud lies, and at which addresses its parts listen.

STATE/
  tools/      what was installed: stays over `down`
  authority/  the certificate authority: stays, so that parties need not be told a new one each time
  run/        what this run made: databases, keys, logs, sockets; emptied by `up`
"""

import json
import os
import pathlib

# Ports on the cloud's own address, which nothing else uses; the front's port is the user's choice.
MOTO, STORAGE, SIGNIN, CONSOLE, MAIL, MAILDEV, SMTP, NAMES = 5000, 5001, 5002, 5003, 5004, 5005, 5025, 53

REGION = "us-east-1"
# The other regions of the partition, as moto lists them: a tenant's audit asks each.
OTHER_REGIONS = (
    *("af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2", "ap-southeast-1"),
    *("ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "ca-central-1", "ca-west-1"),
    *("eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3", "il-central-1"),
    *("me-central-1", "me-south-1", "mx-central-1", "sa-east-1", "us-east-2", "us-west-1", "us-west-2"),
)
SIGNUP_HOST, SIGNIN_HOST, CONSOLE_HOST, MAIL_HOST = "signup.cloud.example", "signin.cloud.example", "console.cloud.example", "api.mail.example"
MAIL_DOMAIN = "mail.example"
S3_HOSTS = ("s3.amazonaws.com", f"s3.{REGION}.amazonaws.com")
API_HOSTS = (
    "iam.amazonaws.com",
    "sts.amazonaws.com",
    *(f"{service}.{REGION}.amazonaws.com" for service in ("sts", "ec2", "ssm", "kms", "logs", "secretsmanager", "servicequotas", "api.sagemaker")),
    "organizations.us-east-1.amazonaws.com",
)
SITE_HOSTS = (SIGNUP_HOST, SIGNIN_HOST, CONSOLE_HOST, MAIL_HOST)


def default_path() -> pathlib.Path:
    """`$XDG_STATE_HOME/cotenant-cloud`, by the XDG base directory specification's default if that is not set."""
    home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return pathlib.Path(home) / "cotenant-cloud"


class State:
    """Paths below one folder, and the settings that `up` wrote into it."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path.resolve()
        self.tools = self.path / "tools"
        self.venv = self.tools / "venv"
        self.python = self.venv / "bin" / "python"
        self.maildev = self.tools / "maildev"
        self.s3s_fs = self.tools / "bin" / "s3s-fs"
        self.image = self.tools / "image"
        self.authority = self.path / "authority"
        self.ca = self.authority / "ca.pem"
        self.run = self.path / "run"
        self.logs = self.run / "logs"
        self.hosts = self.run / "hosts"
        self.resolver = self.run / "resolv.conf"
        self.keys = self.run / "keys"
        self.front_socket = self.run / "front.sock"
        self.aws_socket = self.run / "aws.sock"
        self.objects = self.run / "objects"
        self.instances = self.run / "instances"
        self.processes = self.run / "processes.json"
        self.site_database = self.run / "signin.sqlite3"
        self.text_messages = self.run / "text-messages"

    @classmethod
    def of_server(cls) -> "State":
        """The state that a server was started for."""
        return cls(pathlib.Path(os.environ["COTENANT_CLOUD_STATE"]))

    def write_settings(self, address: str, port: int) -> None:
        """Keeps what `up` was told."""
        (self.run / "settings.json").write_text(json.dumps({"address": address, "port": port}))

    @property
    def settings(self) -> dict:
        """What `up` was told; no file, no cloud."""
        return json.loads((self.run / "settings.json").read_text())

    @property
    def address(self) -> str:
        """The loopback address of every part."""
        return self.settings["address"]

    @property
    def port(self) -> int:
        """The port of the front."""
        return self.settings["port"]

    def secret_file(self, path: pathlib.Path, text: str) -> pathlib.Path:
        """Writes a file that only its owner may read."""
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        return path
