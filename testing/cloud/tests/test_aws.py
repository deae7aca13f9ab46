"""The documented APIs: moto and s3s-fs behind the front, with keys of accounts that exist."""

import json
import secrets
import socket
import ssl
import time
import unittest
import urllib.parse
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from unittest.mock import patch

import botocore.auth
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from cotenant_cloud import state as cloud

from .clients import STATE, aws, new_key

TRUST = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]})
AMI = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"


class Case(unittest.TestCase):
    """What several tests need."""

    @contextmanager
    def refused(self, *codes: str):
        """The block ends in one of these errors."""
        with self.assertRaises(ClientError) as caught:
            yield
        self.assertIn(caught.exception.response["Error"]["Code"], codes)


def another_secret(key: dict) -> dict:
    """The same key with its secret changed in one character."""
    last = "a" if key["secret_access_key"][-1] != "a" else "b"
    return {**key, "secret_access_key": key["secret_access_key"][:-1] + last}


class Signatures(Case):
    """Who is let in."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.key = new_key()

    def signed(self, body: str, service: str = "sts") -> dict:
        """Headers of a request to STS."""
        request = AWSRequest("POST", "https://sts.amazonaws.com/", data=body, headers={"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"})
        SigV4Auth(Credentials(self.key["access_key_id"], self.key["secret_access_key"]), service, cloud.REGION).add_auth(request)
        return dict(request.headers)

    def send(self, body: str, headers: dict) -> requests.Response:
        session = requests.Session()
        session.trust_env = False
        return session.post("https://sts.amazonaws.com/", data=body, headers=headers, verify=str(STATE.ca), timeout=30)

    def test_key_is_of_its_account(self) -> None:
        self.assertEqual(aws("sts", self.key).get_caller_identity()["Account"], self.key["account"])

    def test_wrong_secret(self) -> None:
        wrong = another_secret(self.key)
        with self.refused("SignatureDoesNotMatch"):
            aws("iam", wrong).list_users()
        with self.refused("AuthFailure"):
            aws("ec2", wrong).describe_instances()
        with self.refused("SignatureDoesNotMatch"):
            aws("s3", wrong).list_buckets()

    def test_unknown_key(self) -> None:
        unknown = {**self.key, "access_key_id": "AKIA" + "Z" * 16}
        with self.refused("InvalidClientTokenId"):
            aws("iam", unknown).list_users()
        with self.refused("403", "AccessDenied"):
            aws("s3", unknown).list_buckets()

    def test_body_that_was_changed(self) -> None:
        body = "Action=GetCallerIdentity&Version=2011-06-15"
        headers = self.signed(body)
        self.assertEqual(self.send(body, headers).status_code, 200)
        self.assertEqual(self.send(body + "&x=y", headers).status_code, 403)

    def test_body_in_an_encoding_of_its_own(self) -> None:
        body = "Version=2011-06-15&Action=GetCallerIdentit%79&Unused=a%20b%7e"
        self.assertEqual(self.send(body, self.signed(body)).status_code, 200)

    def test_request_without_a_body(self) -> None:
        self.assertEqual(aws("lambda", self.key).list_functions()["Functions"], [])
        with self.refused("InvalidSignatureException", "SignatureDoesNotMatch", "403"):
            aws("lambda", another_secret(self.key)).list_functions()

    def test_no_signature(self) -> None:
        answer = self.send("Action=GetCallerIdentity&Version=2011-06-15", {})
        self.assertEqual((answer.status_code, "MissingAuthenticationToken" in answer.text), (403, True))

    def test_header_that_names_another_account(self) -> None:
        other, body = new_key(), "Action=GetCallerIdentity&Version=2011-06-15"
        answer = self.send(body, {**self.signed(body), "x-moto-account-id": other["account"]})
        self.assertIn(self.key["account"], answer.text)

    def test_requests_for_s3_do_not_reach_moto(self) -> None:
        body = "Action=GetCallerIdentity&Version=2011-06-15"
        self.assertEqual(self.send(body, self.signed(body, "s3")).status_code, 403)

    def test_administration_is_out_of_reach(self) -> None:
        session = requests.Session()
        session.trust_env = False
        for path in ("/moto-api/data.json", "/latest/meta-data/", "/moto-api/reset"):
            self.assertEqual(session.get(f"https://iam.amazonaws.com{path}", verify=str(STATE.ca)).status_code, 404)

    def test_deleted_key(self) -> None:
        key = new_key()
        iam, s3 = aws("iam", key), aws("s3", key)
        second = iam.create_access_key(UserName="owner")["AccessKey"]
        second = {"access_key_id": second["AccessKeyId"], "secret_access_key": second["SecretAccessKey"]}
        s3.list_buckets()
        aws("iam", second).delete_access_key(UserName="owner", AccessKeyId=key["access_key_id"])
        with self.refused("InvalidClientTokenId"):
            iam.list_users()
        with self.refused("403", "AccessDenied"):
            s3.list_buckets()
        aws("s3", second).list_buckets()

    def test_inactive_key(self) -> None:
        key = new_key()
        aws("iam", key).create_access_key(UserName="owner")
        aws("iam", key).update_access_key(UserName="owner", AccessKeyId=key["access_key_id"], Status="Inactive")
        with self.refused("InvalidClientTokenId"):
            aws("iam", key).list_users()
        with self.refused("403", "AccessDenied"):
            aws("s3", key).list_buckets()

    def test_third_key(self) -> None:
        iam = aws("iam", new_key())
        iam.create_access_key(UserName="owner")
        with self.refused("LimitExceeded"):
            iam.create_access_key(UserName="owner")

    def test_token_of_a_role(self) -> None:
        key = new_key()
        iam = aws("iam", key)
        role = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
        iam.attach_role_policy(RoleName="reader", PolicyArn="arn:aws:iam::aws:policy/AmazonS3FullAccess")
        given = aws("sts", key).assume_role(RoleArn=role, RoleSessionName="reading")["Credentials"]
        token = {"access_key_id": given["AccessKeyId"], "secret_access_key": given["SecretAccessKey"]}
        aws("s3", token, aws_session_token=given["SessionToken"]).list_buckets()
        with self.refused("403", "AccessDenied"):
            aws("s3", token, aws_session_token="x" + given["SessionToken"]).list_buckets()
        with self.refused("AccessDenied"):
            aws("iam", token, aws_session_token=given["SessionToken"]).list_users()

    def role_token(self, key: dict, name: str, **settings: object) -> tuple[dict, str]:
        """A token of a role that may use S3 and look at IAM."""
        iam = aws("iam", key)
        try:
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
        except iam.exceptions.EntityAlreadyExistsException:
            pass
        for policy in ("AmazonS3FullAccess", "IAMReadOnlyAccess"):
            iam.attach_role_policy(RoleName=name, PolicyArn=f"arn:aws:iam::aws:policy/{policy}")
        role = iam.get_role(RoleName=name)["Role"]["Arn"]
        given = aws("sts", key, checked=False).assume_role(RoleArn=role, RoleSessionName="session", **settings)["Credentials"]
        return {"access_key_id": given["AccessKeyId"], "secret_access_key": given["SecretAccessKey"]}, given["SessionToken"]

    def test_token_from_before_a_time(self) -> None:
        key = new_key()
        old, old_token = self.role_token(key, "worker")
        aws("iam", old, aws_session_token=old_token).list_users()
        time.sleep(1.1)
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        condition = {"DateLessThan": {"aws:TokenIssueTime": now}}
        denied = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition}]})
        aws("iam", key).put_role_policy(RoleName="worker", PolicyName="before", PolicyDocument=denied)
        aws("iam", key).put_user_policy(UserName="owner", PolicyName="before", PolicyDocument=denied)
        with self.refused("AccessDenied"):
            aws("iam", old, aws_session_token=old_token).list_users()
        with self.refused("403", "AccessDenied"):
            aws("s3", old, aws_session_token=old_token).list_buckets()
        new, new_token = self.role_token(key, "worker")
        aws("iam", new, aws_session_token=new_token).list_users()
        aws("s3", new, aws_session_token=new_token).list_buckets()

    def test_token_that_has_expired(self) -> None:
        token, session = self.role_token(new_key(), "worker", DurationSeconds=1)
        limit = time.monotonic() + 60
        while time.monotonic() < limit:
            try:
                aws("iam", token, aws_session_token=session).list_users()
            except ClientError as error:
                self.assertEqual(error.response["Error"]["Code"], "InvalidClientTokenId")
                break
            time.sleep(0.2)
        else:
            self.fail("a token of one second is good for a minute")
        with self.refused("403", "AccessDenied"):
            aws("s3", token, aws_session_token=session).list_buckets()


class Objects(Case):
    """S3."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.key = new_key()
        cls.bucket = f"b{secrets.token_hex(6)}"
        cls.s3 = aws("s3", cls.key)
        cls.s3.create_bucket(Bucket=cls.bucket)

    def test_presigned_address(self) -> None:
        session = requests.Session()
        session.trust_env = False
        session.verify = str(STATE.ca)
        put = self.s3.generate_presigned_url("put_object", {"Bucket": self.bucket, "Key": "in"}, ExpiresIn=60)
        get = self.s3.generate_presigned_url("get_object", {"Bucket": self.bucket, "Key": "in"}, ExpiresIn=60)
        self.assertEqual(session.put(put, data=b"what is in it").status_code, 200)
        self.assertEqual(session.get(get).content, b"what is in it")
        self.assertEqual(session.get(get.replace("/in?", "/out?")).status_code, 403)
        self.assertEqual(session.get(urllib.parse.urlsplit(get)._replace(query="").geturl()).status_code, 403)

    def test_accounts_do_not_see_each_other(self) -> None:
        with self.refused("NoSuchBucket"):
            aws("s3", new_key()).list_objects_v2(Bucket=self.bucket)

    def test_clock_that_is_wrong(self) -> None:
        past = datetime.now(timezone.utc) - timedelta(hours=1)
        with patch.object(botocore.auth, "get_current_datetime", lambda: past):
            with self.refused("RequestTimeTooSkewed", "AccessDenied"):
                self.s3.list_buckets()

    def test_large_object(self) -> None:
        body = secrets.token_bytes(3 << 20)
        self.s3.put_object(Bucket=self.bucket, Key="large", Body=body)
        self.assertEqual(self.s3.get_object(Bucket=self.bucket, Key="large")["Body"].read(), body)


class TenCalls(Case):
    """The requests of the paper's Table 3 (Secure Agents), under their names there."""

    def test_all(self) -> None:
        key = new_key()
        iam, ec2 = aws("iam", key), aws("ec2", key)
        role = iam.create_role(RoleName="Sage", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]  # CreateIamRole
        for policy in ("AmazonSageMakerFullAccess", "AmazonS3FullAccess"):  # AttachSagePolicy, AttachS3Policy
            iam.attach_role_policy(RoleName="Sage", PolicyArn=f"arn:aws:iam::aws:policy/{policy}")
        bucket = f"flexroom-{secrets.token_hex(6)}"
        aws("s3", key).create_bucket(Bucket=bucket)  # CreateS3Bucket
        image = aws("ssm", key).get_parameter(Name=AMI)["Parameter"]["Value"]  # GetAmiID
        self.assertEqual(ec2.describe_key_pairs()["KeyPairs"], [])  # CheckKeyPair
        self.assertIn("PRIVATE KEY", ec2.create_key_pair(KeyName="k")["KeyMaterial"])  # CreateKeyPair
        group = ec2.create_security_group(GroupName="g", Description="none in")["GroupId"]  # CreateSecurityGroup
        started = ec2.run_instances(  # StartEC2Instance
            ImageId=image, InstanceType="t3.micro", MinCount=1, MaxCount=1, KeyName="k", SecurityGroupIds=[group], UserData="#!/bin/sh\n:\n"
        )["Instances"][0]
        job = aws("sagemaker", key).create_training_job(  # CreateSagemakerJob
            TrainingJobName="j",
            RoleArn=role,
            AlgorithmSpecification={"TrainingImage": "i", "TrainingInputMode": "File"},
            OutputDataConfig={"S3OutputPath": f"s3://{bucket}/out"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            StoppingCondition={"MaxRuntimeInSeconds": 60},
        )
        self.assertIn(key["account"], job["TrainingJobArn"])
        ec2.terminate_instances(InstanceIds=[started["InstanceId"]])


class Regions(Case):
    """Other regions than the one where everything is."""

    def test_each_answers_and_has_its_own_instances(self) -> None:
        key = new_key()
        home = aws("ec2", key)
        home.run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1)
        for region in ("eu-west-1", "ap-southeast-2"):
            self.assertEqual(aws("ec2", key, region=region).describe_instances()["Reservations"], [])
        self.assertEqual(len(home.describe_instances()["Reservations"]), 1)

    def test_all_that_are_listed_have_names(self) -> None:
        listed = {region["RegionName"] for region in aws("ec2", new_key()).describe_regions()["Regions"]}
        others = {region for region in listed if not region.startswith(("cn-", "us-gov-"))} - {cloud.REGION}
        self.assertEqual(others, set(cloud.OTHER_REGIONS))


class Front(unittest.TestCase):
    """TLS."""

    def connect(self, **settings: object) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=str(STATE.ca))
        for name, value in settings.items():
            setattr(context, name, value)
        raw = socket.create_connection(("iam.amazonaws.com", STATE.port), 10)
        return context.wrap_socket(raw, server_hostname="iam.amazonaws.com")

    def test_tls_13_with_aes_128(self) -> None:
        with self.connect() as made:
            self.assertEqual((made.version(), made.cipher()[0]), ("TLSv1.3", "TLS_AES_128_GCM_SHA256"))

    def test_tls_12(self) -> None:
        with self.assertRaises(ssl.SSLError):
            self.connect(maximum_version=ssl.TLSVersion.TLSv1_2)


if __name__ == "__main__":
    unittest.main()
