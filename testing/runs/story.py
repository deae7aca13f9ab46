"""Runs on the stand-in cloud, from nothing to results: `just run-story`, as root.

Parties with a daemon each, on the real engine; each with its own account for storage; one account whose key only the vault has, and which is deleted from the
disk of who brought it. Each example is run, its results are opened by each party, and compared with a plain computation over all data in one place.
"""

import hashlib
import json
import os
import pathlib
import random
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

from cotenant_cloud import state as cloud
from cotenant_cloud.state import State
from tests.clients import aws, new_key
from tests.test_aws import AMI

STATE = State.of_server()
ROOT = pathlib.Path(__file__).resolve().parents[2]
COTENANT = os.environ.get("COTENANT", str(ROOT / "target/release/cotenant"))
EXAMPLES = ROOT / "examples"
HOST = f"ec2.{cloud.REGION}.amazonaws.com"
# Seconds until something must have happened on a busy machine.
PATIENCE = 300


def until(what: str, found) -> object:
    """Waits until it is there."""
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit:
        result = found()
        if result:
            return result
        time.sleep(0.3)
    raise AssertionError(f"{what} did not happen in {PATIENCE} s")


class Party:
    """A member: a home, a daemon, an account of its own with a bucket."""

    def __init__(self, folder: pathlib.Path, name: str) -> None:
        self.name, self.home, self.process = name, folder / name, None
        self.key = new_key()
        self.s3 = aws("s3", self.key)
        self.bucket = f"{name}-{secrets.token_hex(4)}"
        self.s3.create_bucket(Bucket=self.bucket)
        self.run("init", "--name", name)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        config = self.home / "cotenant.toml"
        lines = [
            f'listen = "127.0.0.1:{port}"' if line.startswith("listen =") else 'address = "off"' if line.startswith("address =") else line
            for line in config.read_text().splitlines()
        ]
        config.write_text("\n".join(lines) + "\n")
        shutil.copy(STATE.ca, self.home / "roots.pem")
        with (folder / f"{name}.log").open("wb") as log:
            self.process = subprocess.Popen([COTENANT, "serve", "--home", self.home], stdout=log, stderr=log)
        until(f"the daemon of {name}", lambda: self.process.poll() is not None or (self.home / "api.sock").exists())
        assert self.process.poll() is None, (folder / f"{name}.log").read_text()

    def environment(self) -> dict:
        """With the key of its own storage."""
        names = {"AWS_ACCESS_KEY_ID": self.key["access_key_id"], "AWS_SECRET_ACCESS_KEY": self.key["secret_access_key"]}
        return {**os.environ, **names}

    def begin(self, *words: object, stdin: int = subprocess.DEVNULL) -> subprocess.Popen:
        """A command of this party."""
        command = [COTENANT, *map(str, words), "--home", str(self.home)]
        return subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment())

    def run(self, *words: object) -> str:
        """What it prints; it has to succeed."""
        return self.end(self.begin(*words))

    def end(self, process: subprocess.Popen) -> str:
        out, error = process.communicate(timeout=PATIENCE)
        if process.returncode != 0:
            raise AssertionError(f"{self.name}: {process.args}: {error.decode()}")
        return out.decode()

    def json(self, *words: object) -> object:
        return json.loads(self.run(*words, "--json"))

    @property
    def storage(self) -> str:
        """Where its objects go."""
        return f"https://{self.bucket}.s3.{cloud.REGION}.amazonaws.com/runs"

    def asked(self, begun: subprocess.Popen) -> dict:
        """The operation that waits for this party, which another one proposes with this command."""
        found = until("a proposal", lambda: begun.poll() is not None or next((one for one in self.json("pending") if one["undecided"]), None))
        assert found is not True, begun.communicate()
        return found

    def offer(self, folder: pathlib.Path, run: str, inputs: dict[str, pathlib.Path], outputs: list[str]) -> pathlib.Path:
        """Its offer to a run, in a file."""
        given = [word for name, path in inputs.items() for word in ("--input", f"{path}={name}")]
        wanted = [word for name in outputs for word in ("--output", name)]
        place = ["--storage", self.storage, "--ca", STATE.ca]
        path = folder / f"{self.name}.{run}.json"
        path.write_text(self.run("run", "offer", run, *given, *wanted, *place))
        return path

    def status(self, run: str) -> dict | None:
        """How a run stands, once the machine has told this party."""
        process = self.begin("run", "status", run, "--json")
        out, error = process.communicate(timeout=PATIENCE)
        if process.returncode != 0:
            assert b"told nothing yet" in error, error
            return None
        return json.loads(out)


def found_room(parties: list[Party]) -> None:
    """A room of all, who all have to take part."""
    first, *others = parties
    first.run("room", "new", "room", "--as", first.name, "--members", len(parties), "--ca", STATE.ca)
    for other in others:
        invitation = first.json("room", "invite")["text"]
        phrase = other.json("room", "join", invitation, "--as", other.name)["join"]["phrase"]
        first.run("room", "confirm", "--phrase", phrase)
        other.run("room", "confirm", "--phrase", phrase)
    for other in others:
        proposal = until("the parameters", lambda: other.json("room", "show")["proposal"])
        other.run("room", "sign", "--digest", proposal["digest"])
    for party in parties:
        until("the room", lambda: party.json("room", "show")["epoch"] == 1)


class Runs(unittest.TestCase):
    """The examples, between two parties."""

    names = ("bank-a", "bank-b")

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="cotenant-runs-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.parties = []
        for name in cls.names:
            party = Party(cls.folder, name)
            cls.addClassCleanup(party.process.wait)
            cls.addClassCleanup(party.process.terminate)
            cls.parties.append(party)
        found_room(cls.parties)
        tenant = new_key()
        cls.key_id = tenant["access_key_id"]
        cls.ec2 = aws("ec2", tenant)
        cls.image = aws("ssm", tenant).get_parameter(Name=AMI)["Parameter"]["Value"]
        use = f"sigv4:{cloud.REGION}/ec2@{HOST}"
        put = cls.parties[0].begin("vault", "put", "cloud/key", "--kind", "base64", "--use", use, stdin=subprocess.PIPE)
        put.stdin.write(tenant["secret_access_key"].encode())
        put.stdin.close()
        put.stdin = None
        cls.approved(put, lambda party, shown: party.run("approve", shown["number"], "--digest", shown["digest"]))

    @classmethod
    def approved(cls, begun: subprocess.Popen, approve) -> str:
        """What the first has proposed, approved by the others."""
        for party in cls.parties[1:]:
            approve(party, party.asked(begun))
        return cls.parties[0].end(begun)

    def launch(self, run: str, script: pathlib.Path, offers: list[pathlib.Path], *more: object) -> str:
        """Proposes a run and has it approved; what the machine is called."""
        first = self.parties[0]
        words = [word for path in offers for word in ("--offer", path)]
        account = ["--key", "cloud/key", "--access-key-id", self.key_id, "--image", self.image, "--type", "t3.micro"]
        propose = ["run", script, *words, *account, "--storage", first.storage, *more]
        explained = first.json(*propose, "--explain")
        print(f"{run}: {explained['ands']} AND gates, and {explained['cheap_ands']} of a secret and what all know")
        begun = first.begin(*propose)

        def approve(party: Party, shown: dict) -> None:
            print(party.run("run", "review", shown["number"]), end="")
            party.run("run", "approve", shown["number"], "--digest", shown["digest"])

        began = time.monotonic()
        self.approved(begun, approve)
        print(f"{run}: approved and launched in {time.monotonic() - began:.1f} s")
        found = self.ec2.describe_instances(Filters=[{"Name": "instance-state-name", "Values": ["running", "terminated", "shutting-down"]}])
        machines = [machine for reservation in found["Reservations"] for machine in reservation["Instances"]]
        self.assertTrue(machines, "EC2 knows of the machine")
        return max(machines, key=lambda machine: machine["LaunchTime"])["InstanceId"]

    def ended(self, party: Party, run: str) -> dict:
        """The last word of the machine."""
        return until(f"the end of {run}", lambda: (told := party.status(run)) and told["standing"] not in ("begun", "runs") and told)

    def is_gone(self, machine: str) -> None:
        """It has ended by itself."""
        state = lambda: self.ec2.describe_instances(InstanceIds=[machine])["Reservations"][0]["Instances"][0]["State"]["Name"]  # noqa: E731
        until("the machine's end", lambda: state() == "terminated")

    def test_circular_transfers(self) -> None:
        example = EXAMPLES / "circular-transfers"
        data = self.folder / "circular"
        data.mkdir()
        subprocess.run(["python3", example / "make_data.py", data], check=True)
        run = "circular-1"
        offers = [party.offer(data, run, {"transfers.csv": data / f"{party.name}.csv"}, ["cycles.csv"]) for party in self.parties]
        machine = self.launch(run, example / "circular.py", offers)
        for party in self.parties:
            told = self.ended(party, run)
            self.assertEqual((told["standing"], told["outputs"]), ("done", {"cycles.csv": "delivered"}), told)
            results = data / f"{party.name}.results"
            party.run("run", "results", run, "--into", results)
            plain = subprocess.run(["python3", example / "plain.py", data, party.name], check=True, stdout=subprocess.PIPE).stdout
            self.assertEqual((results / "cycles.csv").read_bytes(), plain)
            self.assertGreater(len(plain.splitlines()), 5, "there is something to find")
            self.assertIn("12 circles among 400 accounts of 2 banks", party.run("run", "logs", run))
        self.is_gone(machine)
        self.nothing_readable_was_stored(data)

    def results(self, run: str, script: pathlib.Path, data: pathlib.Path, offers: list[pathlib.Path], name: str) -> list[bytes]:
        """Runs a script to its end; the result of this name, by parties."""
        machine = self.launch(run, script, offers)
        for party in self.parties:
            told = self.ended(party, run)
            self.assertEqual(told["standing"], "done", (told, party.run("run", "logs", run)))
            party.run("run", "results", run, "--into", data / f"{party.name}.results")
        self.is_gone(machine)
        return [(data / f"{party.name}.results" / name).read_bytes() for party in self.parties]

    def test_hospitals(self) -> None:
        example, data, run = EXAMPLES / "hospitals", self.folder / "hospitals", "hospitals-1"
        data.mkdir()
        subprocess.run(["python3", example / "make_data.py", data, *self.names], check=True)
        offers = [party.offer(data, run, {"patients.csv": data / f"{party.name}.csv"}, ["model.json"]) for party in self.parties]
        found = [json.loads(text) for text in self.results(run, example / "train.py", data, offers, "model.json")]
        plain = json.loads(subprocess.run(["python3", example / "plain.py", data, *self.names], check=True, stdout=subprocess.PIPE).stdout)
        for model in found:
            self.assertEqual(model["records"], plain["records"])
            for ours, theirs in zip([*model["weights"].values(), model["intercept"]], [*plain["weights"], plain["intercept"]]):
                self.assertAlmostEqual(ours, theirs, places=3)
            self.assertGreater(model["own_accuracy"], 0.6)
        self.nothing_readable_was_stored(data)

    def test_lift(self) -> None:
        data, run, chance = self.folder / "lift", "lift-1", random.Random(1)
        data.mkdir()
        arms = {f"p{number}": chance.choice(("test", "control")) for number in range(2000)}
        buys = [person for person, arm in arms.items() if chance.random() < (0.12 if arm == "test" else 0.08)]
        sales = [(person, chance.randrange(100, 9000)) for person in [*buys, *buys[::3], *(f"other{number}" for number in range(300))]]
        (data / "audience.csv").write_text("person,arm\n" + "".join(f"{person},{arm}\n" for person, arm in arms.items()))
        (data / "sales.csv").write_text("person,cents\n" + "".join(f"{person},{cents}\n" for person, cents in sales))
        offers = [party.offer(data, run, {name: data / name}, ["lift.csv"]) for party, name in zip(self.parties, ("audience.csv", "sales.csv"))]
        count = lambda arm, among: sum(arms.get(person) == arm for person in among)  # noqa: E731
        spent = {arm: sum(cents for person, cents in sales if arms.get(person) == arm) for arm in ("control", "test")}
        wanted = [[arm, str(count(arm, arms)), str(count(arm, buys)), str(spent[arm])] for arm in ("control", "test")]
        lift = count("test", buys) / count("test", arms) / (count("control", buys) / count("control", arms)) - 1
        for found in self.results(run, EXAMPLES / "lift/lift.py", data, offers, "lift.csv"):
            rows = [line.split(",") for line in found.decode().splitlines()]
            self.assertEqual(rows[1:], [*wanted, ["lift", f"{lift:.4f}", "", ""]])
        self.nothing_readable_was_stored(data)

    def test_private_training(self) -> None:
        example, data = EXAMPLES / "private-training", self.folder / "private"
        data.mkdir()
        (data / "records.csv").write_text("x,y\n" + "".join(f"{x},{3 * x + 7 + (x % 5 - 2) / 10}\n" for x in range(100)))
        owner, trainer = self.parties
        points = [tuple(map(float, line.split(","))) for line in (data / "records.csv").read_text().splitlines()[1:]]
        xs, ys = (sum(point[k] for point in points) / 100 for k in (0, 1))
        slope = sum((x - xs) * (y - ys) for x, y in points) / sum((x - xs) ** 2 for x, _ in points)
        # One that does what it is for, and one that tries to get out, and tells by a number how often it could.
        attempts = """
import glob, os, json, socket, sys
could = 0
def tries(act):
    global could
    try:
        could += bool(act())
    except OSError:
        pass
tries(lambda: glob.glob("/var/tmp/*/inputs/*/*"))
tries(lambda: glob.glob("/var/tmp/*/outputs/*"))
tries(lambda: glob.glob("/proc/[0-9]*"))
tries(lambda: os.environ.get("COTENANT_OUTPUTS"))
tries(lambda: socket.create_connection(("169.254.169.254", 80), 2))
tries(lambda: os.system("umount /proc 2>/dev/null || mount -t proc none /proc 2>/dev/null") == 0)
print(json.dumps([could, len(sys.stdin.read())]))
"""
        (data / "attempts.py").write_text(attempts)
        for run, script, wanted in (
            ("private-1", example / "train.py", [round(slope, 3), round(ys - slope * xs, 3)]),
            ("private-2", data / "attempts.py", [0.0, float((data / "records.csv").stat().st_size)]),
        ):
            offers = [owner.offer(data, run, {"records.csv": data / "records.csv"}, ["model.json"]), trainer.offer(data, run, {"train.py": script}, ["model.json"])]
            for found in self.results(run, example / "agreed.py", data, offers, "model.json"):
                self.assertEqual(json.loads(found), wanted)

    def nothing_readable_was_stored(self, data: pathlib.Path) -> None:
        """No object of anybody's storage, and no line of a machine's console, has a line of the data."""
        lines = {line for path in data.glob("*.csv") for line in path.read_bytes().splitlines()[1:]}
        looked = 0
        for place in (STATE.objects, STATE.instances):
            for path in place.rglob("*"):
                if path.is_file() and "etc" not in path.relative_to(place).parts:
                    looked += 1
                    self.assertFalse(lines & set(path.read_bytes().splitlines()), path)
        self.assertGreater(looked, 5)

    def test_one_party_stops_a_run(self) -> None:
        data = self.folder / "stop"
        data.mkdir()
        script = data / "endless.py"
        script.write_text("import time\nwhile True:\n    time.sleep(1)\n")
        run = "stop-1"
        offers = [party.offer(data, run, {}, []) for party in self.parties]
        machine = self.launch(run, script, offers)
        last = self.parties[-1]
        until("the script's start", lambda: (told := last.status(run)) and told["standing"] == "runs")
        last.run("run", "stop", run)
        for party in self.parties:
            told = self.ended(party, run)
            self.assertEqual((told["standing"], told["by"]), ("stopped", last.name))
        self.is_gone(machine)

    def test_a_machine_does_nothing_but_the_agreed_program(self) -> None:
        # The boot script as it stands in the text of the call, with a program that is put in place of the agreed one.
        party, run = self.parties[0], "swapped-1"
        text = (ROOT / "crates/cotenant/src/run/run.http").read_text()
        lines = [line[4:] for line in text.splitlines() if line.startswith("#   ")]
        script = "".join(piece for line in lines for piece in line.split('"')[1::2]).replace("\\n", "\n")
        where = {"Bucket": party.bucket, "Key": "told"}
        put, get = (party.s3.generate_presigned_url(act, where, ExpiresIn=600) for act in ("put_object", "get_object"))
        program = f"import urllib.request as u; u.urlopen(u.Request({put!r}, data=b'it ran', method='PUT'))\n".encode()
        party.s3.put_object(Bucket=party.bucket, Key="program", Body=program)
        url = party.s3.generate_presigned_url("get_object", {"Bucket": party.bucket, "Key": "program"}, ExpiresIn=600)
        for digest, ran in ((hashlib.sha256(program).hexdigest(), True), (hashlib.sha256(b"the agreed one").hexdigest(), False)):
            party.s3.delete_object(**where)
            filled = {"minutes": "5", "program": url, "program-sha256": digest, "manifest": get, "manifest-sha256": digest, "pad": ""}
            data = script
            for name, value in filled.items():
                data = data.replace("{{" + name + "}}", value)
            made = self.ec2.run_instances(
                ImageId=self.image, MinCount=1, MaxCount=1, UserData=data, ClientToken=f"{run}-{ran}", InstanceInitiatedShutdownBehavior="terminate"
            )
            self.is_gone(made["Instances"][0]["InstanceId"])
            self.assertEqual("Contents" in party.s3.list_objects_v2(Bucket=party.bucket, Prefix="told"), ran)

    def test_another_manifest_is_not_approved(self) -> None:
        data = self.folder / "other"
        data.mkdir()
        script = data / "script.py"
        script.write_text("print(1)\n")
        run = "other-1"
        offers = [party.offer(data, run, {}, []) for party in self.parties]
        # Who proposes gives the other party's part another form than it has offered.
        changed = json.loads(offers[1].read_text())
        changed["part"]["log"] = False
        offers[1].write_text(json.dumps(changed))
        first, last = self.parties[0], self.parties[-1]
        words = [word for path in offers for word in ("--offer", path)]
        account = ["--key", "cloud/key", "--access-key-id", self.key_id, "--image", self.image]
        begun = first.begin("run", script, *words, *account, "--storage", first.storage)
        shown = last.asked(begun)
        refused = last.begin("run", "approve", shown["number"], "--digest", shown["digest"])
        _, error = refused.communicate(timeout=PATIENCE)
        self.assertIn(b"are not those that it has offered", error)
        # Without its key nothing is approved either.
        bare = last.begin("approve", shown["number"], "--digest", shown["digest"])
        _, error = bare.communicate(timeout=PATIENCE)
        self.assertIn(f"key-{last.name}".encode(), error)
        last.run("refuse", shown["number"], "not what we offered")
        begun.communicate(timeout=PATIENCE)
        self.assertNotEqual(begun.returncode, 0)


if __name__ == "__main__":
    unittest.main()
