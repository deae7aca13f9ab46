"""moto, with signatures and policies checked from the first request on, and a door for the other parts of this cloud.

The door is a socket in the file system with mode 0600. Through it the sign-up site opens accounts, the object store learns whose an access key
is, and the runner learns of instances; it reads and changes what moto has in memory, so that everything is seen through moto's own API as well.
"""

import json
import os
import re
import secrets
import socketserver
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler
from typing import Any

# Read when moto is imported.
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "0"
os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"

from moto.ec2.models import ec2_backends  # noqa: E402
from moto.iam import access_control  # noqa: E402
from moto.iam import models as iam  # noqa: E402
from moto.iam.models import iam_backends  # noqa: E402
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app  # noqa: E402
from moto.sts.models import sts_backends  # noqa: E402
from werkzeug.serving import run_simple  # noqa: E402

from cotenant_cloud.state import MOTO, REGION, State  # noqa: E402

from . import rules  # noqa: E402

PARTITION = "aws"
# The user whose keys stand for those of an account's owner: moto has no root user.
OWNER = "owner"
EVERYTHING = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
ROLE_HOURS = 6
# Of the managed policies those that clouds' tutorials attach: moto makes each of them anew for each account, and all of them are 15 MB.
SERVICES = "S3|EC2|SageMaker|SSM|Athena|Glue|ElasticMapReduce|DynamoDB|SQS|KMS|CloudWatchLogs"
POLICIES = re.compile(f"AdministratorAccess|PowerUserAccess|ReadOnlyAccess|SecurityAudit|IAM(FullAccess|ReadOnlyAccess)|(Amazon|AWS)?({SERVICES})[A-Za-z]*")

Answer = tuple[int, object]


def open_account() -> Answer:
    """A new account: twelve digits, and an owner who may do everything."""
    account = str(10**11 + secrets.randbelow(9 * 10**11))
    backend = iam_backends[account][PARTITION]
    backend.create_user(REGION, OWNER)
    backend.put_user_policy(OWNER, "everything", EVERYTHING)
    return 200, {"account": account}


def new_key(account: str) -> Answer:
    """An access key of an account's owner; two at most, as everywhere."""
    backend = iam_backends[account][PARTITION]
    if len(backend.list_access_keys(OWNER)) >= 2:
        return 409, {"error": "the owner of the account has two access keys already"}
    key = backend.create_access_key(OWNER)
    return 200, {"account": account, "access_key_id": key.access_key_id, "secret_access_key": key.secret_access_key}


def find_key(key_id: str) -> Answer:
    """Whose a key is, its secret and its token: of a user or of an assumed role, if it is good and nothing forbids S3 altogether."""
    for account, partitions in list(iam_backends.items()):
        for user in list(partitions[PARTITION].users.values()):
            for key in user.access_keys:
                if key.access_key_id == key_id:
                    return judged(account, key_id, key.secret_access_key, None)
    for account, backends in list(sts_backends.items()):
        role = backends[PARTITION].get_assumed_role_from_access_key(key_id)
        if role:
            return judged(account, key_id, role.secret_access_key, role.session_token)
    return 404, {"error": "no such key"}


def judged(account: str, key_id: str, secret: str, token: str | None) -> Answer:
    """A key that exists, as moto would judge it."""
    headers = {"X-Amz-Security-Token": token} if token else {}
    try:
        key = access_control.create_access_key(account, PARTITION, key_id, headers)
    except access_control.CreateAccessKeyFailure:
        return 404, {"error": "not active, or expired"}
    if rules.denies(key, "s3:GetObject"):
        return 404, {"error": "a policy denies S3"}
    return 200, {"account": account, "secret": secret, "token": token}


def instances() -> Answer:
    """Every instance of every account and region."""
    return 200, [
        describe(account, region, backend, instance)
        for account, regions in list(ec2_backends.items())
        for region, backend in list(regions.items())
        for instance in backend.all_instances()
    ]


def describe(account: str, region: str, backend: Any, instance: Any) -> dict:
    """What a machine's maker must know."""
    options = instance.metadata_options
    return {
        "account": account,
        "region": region,
        "id": instance.id,
        "image": instance.image_id,
        "type": instance.instance_type,
        "state": instance.state,
        "private_ip": instance.private_ip,
        "user_data": instance.user_data.as_bytes().decode() if instance.user_data else None,
        "tokens_required": options.http_tokens == "required",
        "metadata": options.http_endpoint != "disabled",
        "profile": profile_of(backend, instance.id),
    }


def profile_of(backend: Any, instance_id: str) -> str | None:
    """The ARN of the instance's profile."""
    association = backend.iam_instance_profile_associations.get(instance_id)
    return association.iam_instance_profile.arn if association else None


def shut_down(account: str, region: str, instance_id: str) -> Answer:
    """The machine has ended by itself: what InstanceInitiatedShutdownBehavior says."""
    backend = ec2_backends[account][region]
    instance = backend.get_instance(instance_id)
    if instance.instance_initiated_shutdown_behavior == "terminate":
        instance.terminate()
    else:
        instance.stop()
    return 200, {"state": instance.state}


def role_of(account: str, region: str, instance_id: str) -> Answer:
    """Credentials of the role in the instance's profile, as the metadata service gives them."""
    profile = profile_of(ec2_backends[account][region], instance_id)
    if profile is None:
        return 404, {"error": "no instance profile"}
    roles = iam_backends[account][PARTITION].get_instance_profile(profile.rsplit("/", 1)[-1]).roles
    if not roles:
        return 404, {"error": "no role in the instance profile"}
    assumed = sts_backends[account][PARTITION].assume_role(region, instance_id, roles[0].arn, "", ROLE_HOURS * 3600, "")
    now = datetime.now(timezone.utc)
    form = "%Y-%m-%dT%H:%M:%SZ"
    credentials = {
        "Code": "Success",
        "LastUpdated": now.strftime(form),
        "Type": "AWS-HMAC",
        "AccessKeyId": assumed.access_key_id,
        "SecretAccessKey": assumed.secret_access_key,
        "Token": assumed.session_token,
        "Expiration": (now + timedelta(hours=ROLE_HOURS)).strftime(form),
    }
    return 200, {"role": roles[0].name, "profile": profile, "credentials": credentials}


ROUTES: dict[tuple[str, str], Callable[..., Answer]] = {
    ("POST", "accounts"): open_account,
    ("POST", "access-keys"): new_key,
    ("GET", "keys"): find_key,
    ("GET", "instances"): instances,
    ("POST", "shutdowns"): shut_down,
    ("POST", "roles"): role_of,
}


class Door(BaseHTTPRequestHandler):
    """`METHOD /ROUTE/ARGUMENT/...`, answered as JSON."""

    def answer(self) -> None:
        name, *arguments = self.path.strip("/").split("/")
        route = ROUTES.get((self.command, name))
        status, answer = route(*arguments) if route else (404, {"error": "no such question"})
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer

    def log_message(self, format: str, *arguments: object) -> None:
        """What is asked here is no news."""


def main() -> None:
    """Serves both."""
    state = State.of_server()
    policies = json.loads(iam.aws_managed_policies_data)
    iam.aws_managed_policies_data = json.dumps({name: policy for name, policy in policies.items() if POLICIES.fullmatch(name)})
    rules.install()
    server = socketserver.UnixStreamServer(str(state.aws_socket), Door)
    state.aws_socket.chmod(0o600)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    application = rules.keeping_bodies(DomainDispatcherApplication(create_backend_app))
    run_simple(state.address, MOTO, application, threaded=True, request_handler=MotoRequestHandler)


if __name__ == "__main__":
    main()
