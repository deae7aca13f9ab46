"""What moto does not ask of a request and its key, and a tenant relies on.

A signature is of the bytes that were sent: moto would sign a form that it has read and written again, and for a request without body its headers.
A key has to be active and a token not expired. And it counts when a token was issued: by the condition `aws:TokenIssueTime` of policies, tokens are made
worthless that were given out before some time (AWS documentation, "Revoke IAM role temporary security credentials"). A long-lived key has no such
time, so a condition on it does not hold.
"""

import io
import json
import operator
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import flask
from botocore.awsrequest import AWSRequest
from moto.iam import access_control
from moto.iam.access_control import AssumedRoleAccessKey, CreateAccessKeyFailure, IAMPolicy, IAMRequest, IAMUserAccessKey, PermissionResult
from moto.iam.models import Policy
from moto.sts.models import sts_backends

BODY = "cotenant.body"
ISSUED = "aws:tokenissuetime"
DATES: dict[str, Callable[[datetime, datetime], bool]] = {
    "DateLessThan": operator.lt,
    "DateLessThanEquals": operator.le,
    "DateGreaterThan": operator.gt,
    "DateGreaterThanEquals": operator.ge,
}


class ExactRequest(IAMRequest):
    """A request whose signature is checked over what came."""

    def _create_aws_request(self) -> AWSRequest:
        request = super()._create_aws_request()
        request.data = flask.request.environ[BODY]
        return request


def keeping_bodies(application: Callable[..., Any]) -> Callable[..., Any]:
    """The same application, whose requests' bodies stay as they came."""

    def wrapped(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        environ[BODY] = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(environ[BODY])
        return application(environ, start_response)

    return wrapped


class UserKey(IAMUserAccessKey):
    """A user's key, while it is active."""

    def __init__(self, account_id: str, partition: str, access_key_id: str, headers: dict[str, str]) -> None:
        super().__init__(account_id, partition, access_key_id, headers)
        key = self.backend.get_user(self._owner_user_name).get_access_key_by_id(access_key_id)
        if key.status != "Active":
            raise CreateAccessKeyFailure(reason="InvalidId")

    def collect_policies(self) -> list[Any]:
        return [in_force(policy, None) for policy in super().collect_policies()]


class RoleKey(AssumedRoleAccessKey):
    """A token of a role, until it expires."""

    def __init__(self, account_id: str, partition: str, access_key_id: str, headers: dict[str, str]) -> None:
        super().__init__(account_id, partition, access_key_id, headers)
        role = sts_backends[account_id][partition].get_assumed_role_from_access_key(access_key_id)
        self.issued = as_utc(role.access_key.create_date)
        if as_utc(role.expiration) <= datetime.now(timezone.utc):
            raise CreateAccessKeyFailure(reason="InvalidId")

    def collect_policies(self) -> list[Any]:
        return [in_force(policy, self.issued) for policy in super().collect_policies()]


def install() -> None:
    """moto asks these from now on."""
    access_control.IAMRequest = ExactRequest
    access_control.IAMUserAccessKey = UserKey
    access_control.AssumedRoleAccessKey = RoleKey


def as_utc(time: datetime) -> datetime:
    """moto's times have no zone and mean UTC."""
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def in_force(policy: Any, issued: datetime | None) -> str:
    """The policy with those statements alone whose condition on the time of issue holds, which moto then judges by the rest."""
    document = json.loads(text_of(policy))
    statements = document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]
    document["Statement"] = [without_dates(statement) for statement in statements if holds(statement, issued)]
    return json.dumps(document)


def text_of(policy: Any) -> str:
    """A policy's text; moto has policies in three forms."""
    if isinstance(policy, Policy):
        return next(version.document for version in policy.versions if version.is_default)
    return policy if isinstance(policy, str) else policy["policy_document"]


def holds(statement: dict, issued: datetime | None) -> bool:
    """Whether the statement's conditions on the time of issue hold."""
    for name, values in statement.get("Condition", {}).items():
        compare = DATES.get(name.removesuffix("IfExists"))
        for key, time in values.items():
            if compare is None or key.lower() != ISSUED:
                continue
            if issued is None:
                if not name.endswith("IfExists"):
                    return False
            elif not compare(issued, as_utc(datetime.fromisoformat(time.replace("Z", "+00:00")))):
                return False
    return True


def without_dates(statement: dict) -> dict:
    """The statement without the conditions that were judged here."""
    conditions = {
        name: {key: value for key, value in values.items() if name.removesuffix("IfExists") not in DATES or key.lower() != ISSUED}
        for name, values in statement.get("Condition", {}).items()
    }
    kept = {name: values for name, values in conditions.items() if values}
    return {key: value for key, value in statement.items() if key != "Condition"} | ({"Condition": kept} if kept else {})


def denies(key: IAMUserAccessKey | AssumedRoleAccessKey, action: str) -> bool:
    """Whether a policy forbids the action outright."""
    return any(IAMPolicy(policy).is_action_permitted(action) == PermissionResult.DENIED for policy in key.collect_policies())
