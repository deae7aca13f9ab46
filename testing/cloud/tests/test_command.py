"""The command: what it says, whose files it writes, what it ends."""

import json
import os
import socket
import stat
import struct
import subprocess
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

from cotenant_cloud import processes
from cotenant_cloud.progress import CloudError
from cotenant_cloud.state import State
from servers import names

from .clients import COMMAND, STATE, ask_command


class Command(unittest.TestCase):
    """With the cloud that runs."""

    def refused(self, *words: str) -> str:
        """What is said of a command that cannot be done."""
        done = subprocess.run([*COMMAND, *words, "--state", STATE.path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        return done.stderr

    def test_status_names_parts_and_places(self) -> None:
        told = ask_command("status")
        self.assertTrue(told["up"])
        self.assertEqual(set(told["parts"].values()), {True})
        for place in ("ca", "hosts", "admin_key"):
            self.assertTrue(os.path.exists(told[place]), place)

    def test_up_twice(self) -> None:
        self.assertIn("runs already", self.refused("up"))

    def test_keys_are_for_their_owner_alone(self) -> None:
        made = ask_command("account", "owner-alone")
        self.assertEqual(stat.S_IMODE(os.stat(made["file"]).st_mode), 0o600)
        self.assertNotIn("secret", json.dumps(made))
        self.assertEqual(stat.S_IMODE(os.stat(STATE.run).st_mode), 0o700)

    def test_unknown_captcha(self) -> None:
        self.assertIn("no such CAPTCHA", self.refused("captcha", "0" * 40))

    def test_no_cloud(self) -> None:
        for words in (["exec", "--", "true"], ["account", "a"], ["captcha", "x"], ["phone", "1"]):
            done = subprocess.run([*COMMAND, words[0], "--state", "/no/such/state", *words[1:]], stderr=subprocess.PIPE, text=True)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, "no cloud of /no/such/state runs")

    def test_names_of_buckets(self) -> None:
        found = socket.getaddrinfo("some-bucket.s3.us-east-1.amazonaws.com", 443, socket.AF_INET, socket.SOCK_STREAM)
        self.assertEqual(found[0][4][0], STATE.address)


class Names(unittest.TestCase):
    """Answers of the server of names (RFC 1035)."""

    def ask(self, name: str, kind: int = 1) -> tuple[int, int, bytes]:
        """The response code, how many records, and the bytes behind the question."""
        question = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0" + struct.pack("!HH", kind, 1)
        told = names.answer(struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + question, "127.1.2.3")
        number, flags, _, records = struct.unpack_from("!HHHH", told)
        self.assertEqual((number, flags & 0x8000), (7, 0x8000))
        return flags & 15, records, told[12 + len(question) :]

    def test_names_of_the_cloud(self) -> None:
        for name in ("s3.amazonaws.com", "Bucket.s3.us-east-1.amazonaws.com", "signup.cloud.example", "ec2.eu-west-1.amazonaws.com"):
            code, records, rest = self.ask(name)
            self.assertEqual((code, records, rest[-4:]), (0, 1, bytes([127, 1, 2, 3])), name)

    def test_other_types_of_these_names(self) -> None:
        self.assertEqual(self.ask("s3.amazonaws.com", 28), (0, 0, b""))

    def test_other_names(self) -> None:
        for name in ("example.com", "amazonaws.com", "nots3.amazonaws.com", "ec2.no-where-1.amazonaws.com"):
            self.assertEqual(self.ask(name), (names.REFUSED, 0, b""), name)

    def test_what_is_no_query(self) -> None:
        for data in (b"", b"\0" * 5, struct.pack("!HHHHHH", 7, 0x8100, 1, 0, 0, 0) + b"\0\0\1\0\1", b"\0" * 12 + b"\x3fabc"):
            self.assertIsNone(names.answer(data, "127.0.0.1"))


class Processes(unittest.TestCase):
    """What is ended is what was started."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.state = State(Path(folder.name))
        self.state.logs.mkdir(parents=True)
        self.process = processes.start(self.state, "sleeper", ["sleep", "600"], {})
        self.addCleanup(lambda: processes.end(self.process))

    def test_another_process_under_the_same_id_is_left_alone(self) -> None:
        self.assertFalse(processes.end(replace(self.process, started=self.process.started + 1)))
        self.assertTrue(self.process.lives())

    def test_the_one_that_was_started_is_ended(self) -> None:
        self.assertEqual(processes.read(self.state), [self.process])
        self.assertTrue(processes.end(self.process))
        self.assertFalse(self.process.lives())
        self.assertFalse(processes.end(self.process))

    def test_program_that_does_not_exist(self) -> None:
        with self.assertRaises(CloudError):
            processes.start(self.state, "nothing", ["/no/such/program"], {})


if __name__ == "__main__":
    unittest.main()
