"""Instances: their user data runs, sees what an instance sees and nothing else, and they end when they are to."""

import json
import secrets
import time
import unittest
from collections.abc import Callable

from botocore.exceptions import ClientError

from .clients import aws, new_key
from .test_aws import AMI

TRUST = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]})
# Seconds until something must have happened; the machine that runs all this may be busy.
PATIENCE = 90
# Puts what a command prints, and how it ended, into an object.
PRELUDE = r"""#!/bin/bash
cat > /tmp/put.py <<'P'
import sys, boto3
boto3.client("s3", region_name="us-east-1").put_object(Bucket=sys.argv[1], Key=sys.argv[2], Body=sys.stdin.buffer.read())
P
put() { python3 /tmp/put.py BUCKET "$1"; }
M=http://169.254.169.254/latest
token() { curl -sf -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 60" $M/api/token; }
status() { curl -s -m 5 -o /dev/null -w '%{http_code}' "$@"; }
"""


class Machines(unittest.TestCase):
    """All with one account, whose instances have a role for S3."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.key = new_key()
        cls.iam, cls.ec2, cls.s3 = (aws(service, cls.key) for service in ("iam", "ec2", "s3"))
        cls.image = aws("ssm", cls.key).get_parameter(Name=AMI)["Parameter"]["Value"]
        cls.bucket = f"b{secrets.token_hex(6)}"
        cls.s3.create_bucket(Bucket=cls.bucket)
        cls.iam.create_role(RoleName="worker", AssumeRolePolicyDocument=TRUST)
        cls.iam.attach_role_policy(RoleName="worker", PolicyArn="arn:aws:iam::aws:policy/AmazonS3FullAccess")
        cls.iam.create_instance_profile(InstanceProfileName="workers")
        cls.iam.add_role_to_instance_profile(InstanceProfileName="workers", RoleName="worker")

    def run_instance(self, script: str, **settings: object) -> str:
        """An instance whose user data is this script; its id."""
        asked = {"IamInstanceProfile": {"Name": "workers"}, "MetadataOptions": {"HttpTokens": "required"}, **settings}
        data = PRELUDE.replace("BUCKET", self.bucket) + script
        made = self.ec2.run_instances(ImageId=self.image, InstanceType="t3.micro", MinCount=1, MaxCount=1, UserData=data, **asked)
        name = made["Instances"][0]["InstanceId"]
        self.addCleanup(self.ec2.terminate_instances, InstanceIds=[name])
        return name

    def wait(self, what: str, test: Callable[[], object]) -> object:
        """Until it is so."""
        limit = time.monotonic() + PATIENCE
        while time.monotonic() < limit:
            found = test()
            if found:
                return found
            time.sleep(0.2)
        self.fail(f"{what} did not happen")

    def object(self, name: str) -> str | None:
        """An object's text, once it is there."""
        try:
            return self.s3.get_object(Bucket=self.bucket, Key=name)["Body"].read().decode()
        except ClientError:
            return None

    def result(self, name: str) -> list[str]:
        """The words of an object, waited for."""
        return self.wait(f"object {name}", lambda: self.object(name)).split()

    def state(self, name: str) -> str:
        """What EC2 says of an instance."""
        return self.ec2.describe_instances(InstanceIds=[name])["Reservations"][0]["Instances"][0]["State"]["Name"]

    def test_user_data_runs_and_its_result_is_in_s3(self) -> None:
        name = self.run_instance('curl -sf -H "X-aws-ec2-metadata-token: $(token)" $M/meta-data/instance-id | put ran\n')
        self.assertEqual(self.result("ran"), [name])

    def test_what_examples_use_is_in_the_image(self) -> None:
        script = "import cryptography, numpy, sklearn.linear_model as m, duckdb; x = numpy.arange(4.0)[:, None]; "
        script += "print(round(m.LinearRegression().fit(x, 3 * x).coef_[0][0]), duckdb.sql('select 40 + 2').fetchall()[0][0])"
        self.run_instance(f'python3 -c "{script}" 2>&1 | put image-use\n')
        self.assertEqual(self.result("image-use"), ["3", "42"])

    def test_metadata_wants_a_token_where_it_is_required(self) -> None:
        forwarded = '$(status -X PUT -H "X-Forwarded-For: 1.2.3.4" -H "X-aws-ec2-metadata-token-ttl-seconds: 60" $M/api/token)'
        wrong = '$(status -H "X-aws-ec2-metadata-token: wrong" $M/meta-data/)'
        right = '$(status -H "X-aws-ec2-metadata-token: $(token)" $M/meta-data/)'
        no_time = "$(status -X PUT $M/api/token)"
        self.run_instance(f"echo $(status $M/meta-data/) {wrong} {forwarded} {no_time} {right} | put required\n")
        self.assertEqual(self.result("required"), ["401", "401", "403", "400", "200"])

    def test_metadata_turned_off(self) -> None:
        # Without metadata there are no credentials either: the address to put to was made before.
        address = self.s3.generate_presigned_url("put_object", {"Bucket": self.bucket, "Key": "off"}, ExpiresIn=600)
        script = f'echo $(status $M/meta-data/) | curl -sf -X PUT -H Content-Type: --data-binary @- "{address}"\n'
        self.run_instance(script, MetadataOptions={"HttpEndpoint": "disabled"})
        self.assertEqual(self.result("off"), ["403"])

    def test_metadata_without_token_where_it_is_optional(self) -> None:
        self.run_instance("curl -sf $M/meta-data/placement/region | put optional\n", MetadataOptions={"HttpTokens": "optional"})
        self.assertEqual(self.result("optional"), ["us-east-1"])

    def test_termination(self) -> None:
        name = self.run_instance("n=0; while :; do n=$((n+1)); echo $n | put beat; done\n")
        self.result("beat")
        self.ec2.terminate_instances(InstanceIds=[name])

        def is_still() -> bool:
            before = self.object("beat")
            time.sleep(3)
            return self.object("beat") == before

        self.wait("the end of the instance", is_still)

    def test_shutdown_from_inside_terminates_or_stops(self) -> None:
        for behaviour, end in (("terminate", "terminated"), ("stop", "stopped")):
            with self.subTest(behaviour):
                name = self.run_instance("shutdown -P now\n", InstanceInitiatedShutdownBehavior=behaviour)
                self.wait(f"state {end}", lambda: self.state(name) == end)

    def test_instance_goes_on_after_its_user_data(self) -> None:
        name = self.run_instance("echo done | put done; exit 3\n")
        self.result("done")
        self.assertEqual(self.state(name), "running")

    def test_nothing_but_the_front_can_be_reached(self) -> None:
        inside = "$(status https://s3.amazonaws.com/)"
        outside = "$(status http://127.77.0.1:5000/) $(status https://1.1.1.1/) $(status http://10.0.0.1/)"
        self.run_instance(f"echo {inside} {outside} | put reach\n")
        self.assertEqual(self.result("reach"), ["403", "000", "000", "000"])

    def test_image_stays_as_it_is(self) -> None:
        tries = ("touch /usr/bin/planted", "mount -o remount,rw /", "rm /usr/bin/python3", "chmod 777 /usr")
        done = "; ".join(f"{each} 2>/dev/null && echo did-{number}" for number, each in enumerate(tries))
        self.run_instance(f"({done}; echo end) | put image\n")
        self.assertEqual(self.result("image"), ["end"])

    def test_job_under_a_user_of_its_own_without_network(self) -> None:
        as_job = "setpriv --reuid job --regid job --clear-groups"
        script = f"useradd -m job; echo $({as_job} id -un) $({as_job} unshare -Urn curl -s -m 5 -o /dev/null -w '%{{http_code}}' https://s3.amazonaws.com/)"
        self.run_instance(f"({script}) | put job\n")
        self.assertEqual(self.result("job"), ["job", "000"])


if __name__ == "__main__":
    unittest.main()
