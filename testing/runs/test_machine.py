"""The machine's part of a run (crates/cotenant/src/run/machine) as a program of its own, against a storage that is a real HTTPS server.

`python3 -m unittest discover -s testing/runs`, as root: scripts get namespaces and a user of their own.
"""

import hashlib
import importlib.util
import io
import json
import os
import pathlib
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from server import Storage  # noqa: E402

PARTS = pathlib.Path(__file__).resolve().parents[2] / "crates/cotenant/src/run/machine"
PLACE = tempfile.TemporaryDirectory()
MACHINE = pathlib.Path(PLACE.name) / "run.py"
MACHINE.write_text((PARTS / "seal.py").read_text() + (PARTS / "run.py").read_text())
spec = importlib.util.spec_from_file_location("machine", MACHINE)
machine = importlib.util.module_from_spec(spec)
spec.loader.exec_module(machine)

RUN = "r1"
# Copies what alice gave to bob, by way of the places that scripts have.
COPY = """
import os, pathlib
i, o = pathlib.Path(os.environ["COTENANT_INPUTS"]), pathlib.Path(os.environ["COTENANT_OUTPUTS"])
(o / "bob/out").write_bytes((i / "alice/in").read_bytes()[::-1])
print("said")
"""


def described(storage: Storage, path: str, data: bytes) -> dict:
    """A stored object as a manifest lists it."""
    storage.objects[path] = data
    return {"url": storage.url(path), "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


class Party:
    """A party with a run key and a place in the storage."""

    def __init__(self, name: str, storage: Storage, inputs: dict[str, bytes], outputs: list[str], **other: str) -> None:
        self.name, self.storage, self.key = name, storage, secrets.token_bytes(32)
        self.seal = machine.Seal(machine.Crypto(), self.key, RUN, name)
        self.addresses = {kind: storage.url(f"/{name}/{kind}") for kind in ("status", "log", "stop")} | other
        self.addresses["outputs"] = {output: storage.url(f"/{name}/outputs/{output}") for output in outputs}
        sealed = self.sealed(json.dumps(self.addresses).encode(), "addresses", "addresses")
        given = [{"name": each, **described(storage, f"/{name}/{each}", self.sealed(data, "input", each))} for each, data in sorted(inputs.items())]
        addresses = described(storage, f"/{name}/addresses", sealed)
        self.about = {"name": name, "addresses": addresses, "inputs": given, "outputs": outputs, "log": True}

    def sealed(self, data: bytes, kind: str, name: str) -> bytes:
        return b"".join(self.seal.sealed(machine.chunks(io.BytesIO(data), len(data)), kind, name, b""))

    def opened(self, path: str, kind: str, name: str, manifest: bytes) -> bytes | None:
        """An object from the machine; none if it is not there."""
        found = self.storage.objects.get(f"/{self.name}/{path}")
        if found is None:
            return None
        return b"".join(self.seal.opened(io.BytesIO(found), kind, name, hashlib.sha256(manifest).digest()))

    def status(self, manifest: bytes) -> dict:
        return json.loads(self.opened("status", "status", "status", manifest))


class Machine(unittest.TestCase):
    """Alice has data, bob gets a result."""

    def setUp(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.storage = Storage(pathlib.Path(self.folder.name))
        self.addCleanup(self.folder.cleanup)
        self.addCleanup(self.storage.close)
        self.data = secrets.token_bytes(200_000)
        self.alice = Party("alice", self.storage, {"in": self.data}, [])
        self.bob = Party("bob", self.storage, {}, ["out"])
        self.manifest = b""

    def agreed(self, script: str, seconds: int = 60) -> dict:
        """The manifest of a run of this script."""
        told = described(self.storage, "/script", script.encode())
        return {"cotenant-run": 1, "run": RUN, "seconds": seconds, "script": told, "parties": [self.alice.about, self.bob.about]}

    def run_machine(self, agreed: dict, minutes: float = 5, digest: str | None = None) -> subprocess.CompletedProcess:
        """Runs it to its end."""
        self.manifest = json.dumps(agreed).encode()
        about = described(self.storage, "/manifest", self.manifest)
        keys = "".join(f"{party.name} {party.key.hex()}\n" for party in (self.alice, self.bob))
        command = [sys.executable, MACHINE, about["url"], digest or about["sha256"], str(minutes)]
        environment = {**os.environ, "SSL_CERT_FILE": str(self.storage.ca)}
        return subprocess.run(command, input=keys, text=True, capture_output=True, env=environment, timeout=120)

    def result(self) -> bytes | None:
        return self.bob.opened("outputs/out", "output", "out", self.manifest)

    def log(self) -> str:
        return self.alice.opened("log", "log", "log", self.manifest).decode()

    def tried(self, code: str) -> str:
        """What a script logs."""
        self.run_machine(self.agreed(f"import os, socket, pathlib, subprocess, time\n{code}\n"))
        return self.log()

    def test_a_result_goes_to_its_party_alone(self) -> None:
        done = self.run_machine(self.agreed(COPY))
        self.assertEqual((done.returncode, self.result()), (0, self.data[::-1]), done)
        self.assertEqual(self.log(), "said\n")
        status = self.bob.status(self.manifest)
        self.assertEqual((status["standing"], status["exit"], status["outputs"]), ("done", 0, {"out": "delivered"}))
        # Nobody else opens it: not alice with her key, not bob as another object, another run's, or another manifest's.
        found = self.storage.objects["/bob/outputs/out"]
        digest = hashlib.sha256(self.manifest).digest()
        other_run = machine.Seal(machine.Crypto(), self.bob.key, "r2", "bob")
        for seal, kind, name, manifest in (
            (self.alice.seal, "output", "out", digest),
            (self.bob.seal, "log", "out", digest),
            (self.bob.seal, "output", "in", digest),
            (self.bob.seal, "output", "out", bytes(32)),
            (other_run, "output", "out", digest),
        ):
            with self.assertRaises(machine.Wrong):
                list(seal.opened(io.BytesIO(found), kind, name, manifest))

    def test_every_cut_or_change_of_a_sealed_object_is_found(self) -> None:
        sealed = self.alice.sealed(self.data, "input", "in")
        whole = machine.CHUNK + machine.TAG
        head = len(machine.MAGIC) + machine.SALT
        cuts = [sealed[:size] for size in (0, head - 1, head, head + 5, head + whole, head + 2 * whole, len(sealed) - 1)]
        changes = [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in (0, head - 1, head, head + whole, len(sealed) - 1)]
        swapped = sealed[:head] + sealed[head + whole : head + 2 * whole] + sealed[head : head + whole] + sealed[head + 2 * whole :]
        for wrong in (*cuts, *changes, swapped, sealed + b"x", sealed[:head] + sealed[head + whole :]):
            with self.assertRaises(machine.Wrong):
                list(self.alice.seal.opened(io.BytesIO(wrong), "input", "in", b""))
        for size in (0, 1, machine.CHUNK - 1, machine.CHUNK, machine.CHUNK + 1):
            data = secrets.token_bytes(size)
            sealed = self.alice.sealed(data, "input", "in")
            self.assertEqual(b"".join(self.alice.seal.opened(io.BytesIO(sealed), "input", "in", b"")), data)
            self.assertEqual(len(sealed), machine.sealed_size(size))

    def test_a_sealed_object_of_another_implementation(self) -> None:
        # Computed by the package cryptography, as in crates/cotenant/src/run/seal.rs.
        seal = machine.Seal(machine.Crypto(), bytes([7] * 32), "r1", "alice")
        sealed = machine.MAGIC + bytes([9] * 32) + bytes.fromhex("e454ad7a2a2f1aa2f3b42d117c05eee0644226ae")
        self.assertEqual(list(seal.opened(io.BytesIO(sealed), "input", "in", b"")), [b"data"])
        self.assertEqual(seal.stop().decode(), "0ff063cad20c73101f11ea921d1242ef2681a9b0eafea5ab4595494b6b6f563b")

    def test_another_manifest_than_was_agreed_on_does_nothing(self) -> None:
        done = self.run_machine(self.agreed(COPY), digest="0" * 64)
        self.assertIn("not the one that was agreed on", done.stderr)
        self.assertEqual(self.storage.puts, [])

    def test_a_swapped_script_does_not_run(self) -> None:
        agreed = self.agreed(COPY)
        self.storage.objects["/script"] = COPY.replace("::-1", "::+1").encode()
        self.run_machine(agreed)
        self.assertIsNone(self.result())
        self.assertIn("the script is not what was agreed on", self.alice.status(self.manifest)["why"])

    def test_a_swapped_input_is_not_opened(self) -> None:
        agreed = self.agreed(COPY)
        self.storage.objects["/alice/in"] = self.alice.sealed(b"x" * len(self.data), "input", "in")
        self.run_machine(agreed)
        self.assertIn("alice:in is not what was agreed on", self.bob.status(self.manifest)["why"])
        self.assertIsNone(self.result())

    def test_an_input_under_another_key_is_not_opened(self) -> None:
        # Agreed on by all, and sealed by bob in alice's name.
        self.alice.about["inputs"] = [{"name": "in", **described(self.storage, "/alice/in", self.bob.sealed(b"forged", "input", "in"))}]
        self.run_machine(self.agreed(COPY))
        self.assertIn("not sealed under alice's key", self.bob.status(self.manifest)["why"])

    def test_an_input_that_cannot_be_reached(self) -> None:
        agreed = self.agreed(COPY)
        del self.storage.objects["/alice/in"]
        self.run_machine(agreed)
        self.assertIn("alice:in cannot be fetched: status 404", self.bob.status(self.manifest)["why"])

    def test_no_redirection_is_followed(self) -> None:
        agreed = self.agreed(COPY)
        self.storage.elsewhere["/alice/in"] = self.storage.url("/there")
        self.storage.objects["/there"] = self.storage.objects["/alice/in"]
        self.run_machine(agreed)
        self.assertIn("status 302", self.bob.status(self.manifest)["why"])

    def test_an_endless_script_is_ended(self) -> None:
        self.run_machine(self.agreed("import os\nwhile True: print(os.getpid())\n", seconds=2))
        self.assertEqual(self.bob.status(self.manifest)["standing"], "late")
        self.assertIsNone(self.result())
        self.assertEqual(len(self.log()), machine.MOST_LOG)

    def test_what_a_script_leaves_behind_ends_with_it(self) -> None:
        mark = secrets.token_hex(8)
        code = f"""
import shutil
shutil.copy("/bin/sleep", "{mark}")
started = [subprocess.Popen(["./{mark}", "600"], start_new_session=alone) for alone in (True, False)]
print(all(child.poll() is None for child in started))
"""
        self.assertEqual(self.tried(code), "True\n")
        left = [path for path in pathlib.Path("/proc").glob("[0-9]*/cmdline") if mark.encode() in path.read_bytes()]
        self.assertEqual(left, [])

    def test_one_party_stops_it(self) -> None:
        def stop() -> None:
            while "/bob/status" not in self.storage.objects:
                time.sleep(0.1)
            # Words that are none: another's, and one of another run.
            self.storage.objects["/alice/stop"] = self.bob.seal.stop()
            time.sleep(7)
            self.assertEqual(self.bob.status(self.manifest)["standing"], "runs")
            self.storage.objects["/bob/stop"] = self.bob.seal.stop()

        thread = threading.Thread(target=stop)
        thread.start()
        self.run_machine(self.agreed("import time\ntime.sleep(60)\n"))
        thread.join()
        status = self.alice.status(self.manifest)
        self.assertEqual((status["standing"], status["by"]), ("stopped", "bob"))

    def test_a_script_has_no_network(self) -> None:
        port = self.storage.server.server_address[1]
        code = f"""
for address in (("127.0.0.1", {port}), ("169.254.169.254", 80), ("1.1.1.1", 443)):
    try:
        socket.create_connection(address, 3)
        print("reached", address)
    except OSError as error:
        print("no")
"""
        self.assertEqual(self.tried(code), "no\n" * 3)

    def test_a_script_reaches_no_service_of_the_machine(self) -> None:
        """One listens at a path, or in the namespace of names without one, for every user."""
        places = [tempfile.mkdtemp(dir=folder) for folder in ("/run", "/tmp", "/dev/shm")]
        for place in places:
            self.addCleanup(shutil.rmtree, place)
            os.chmod(place, 0o755)
        names = [*(place + "/socket" for place in places), "\0of a service"]
        for name in names:
            service = socket.socket(socket.AF_UNIX)
            self.addCleanup(service.close)
            service.bind(name)
            service.listen()
            if name[0] == "/":
                os.chmod(name, 0o666)
            with socket.socket(socket.AF_UNIX) as reached:
                reached.connect(name)
        code = f"""
for name in {names!r}:
    try:
        socket.socket(socket.AF_UNIX).connect(name)
        print("reached", repr(name))
    except OSError:
        print("no")
"""
        self.assertEqual(self.tried(code), "no\n" * len(names))

    def test_a_script_is_nobody(self) -> None:
        code = """
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
no_capability = all(int(status[kind], 16) == 0 for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"))
print(os.getuid(), os.getgid(), os.getgroups(), no_capability, status["NoNewPrivs"].strip())
for path in ("/etc/shadow", f"/proc/{os.getppid()}/mem", "/root"):
    try:
        open(path, "rb").read(1) if not os.path.isdir(path) else os.listdir(path)
        print("read", path)
    except OSError:
        print("no")
for path in (os.environ["COTENANT_INPUTS"] + "/alice/in", os.environ["COTENANT_OUTPUTS"] + "/x", "/etc/x"):
    try:
        open(path, "wb").write(b"x")
        print("wrote", path)
    except OSError:
        print("no")
"""
        lines = self.tried(code).splitlines()
        self.assertEqual(lines[0], "64001 64001 [] True 1")
        self.assertEqual(lines[1:], ["no"] * 6)

    def test_a_script_has_so_many_processes(self) -> None:
        code = """
children = 0
try:
    while children < 5000:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        children += 1
except OSError:
    pass
print(900 < children < 1024)
"""
        self.assertEqual(self.tried(code), "True\n")

    def test_a_result_is_a_file_of_the_script(self) -> None:
        secret = pathlib.Path(self.folder.name) / "root's"
        secret.write_text("secret")
        secret.chmod(0o600)
        code = f"""
out = os.environ["COTENANT_OUTPUTS"] + "/bob/out"
os.symlink("{secret}", out)
"""
        self.tried(code)
        self.assertEqual((self.bob.status(self.manifest)["outputs"], self.result()), ({"out": "not made"}, None))
        self.tried('os.mkfifo(os.environ["COTENANT_OUTPUTS"] + "/bob/out")')
        self.assertEqual(self.bob.status(self.manifest)["outputs"], {"out": "not a file of the script's own"})
        self.tried('os.mkdir(os.environ["COTENANT_OUTPUTS"] + "/bob/out")')
        self.assertEqual(self.bob.status(self.manifest)["outputs"], {"out": "not a file of the script's own"})
        self.tried('open(os.environ["COTENANT_OUTPUTS"] + "/bob/out", "wb").truncate(1 << 40)')
        self.assertEqual(self.bob.status(self.manifest)["outputs"], {"out": f"longer than {1 << 28} bytes"})

    def test_a_party_that_cannot_be_told_keeps_no_other_from_theirs(self) -> None:
        """Alice, who comes first, has a log that nobody can deliver, and a place for stops that answers a byte at a time."""
        self.storage.slow.add("/alice/stop")
        self.alice = Party("alice", self.storage, {"in": self.data}, [], log="https://127.0.0.1:1/log")
        done = self.run_machine(self.agreed(COPY))
        self.assertEqual((done.returncode, self.result(), self.bob.status(self.manifest)["standing"]), (0, self.data[::-1], "done"), done)

        def stop() -> None:
            while "/bob/status" not in self.storage.puts:
                time.sleep(0.1)
            self.storage.objects["/bob/stop"] = self.bob.seal.stop()

        self.storage.puts.clear()
        thread = threading.Thread(target=stop)
        thread.start()
        self.run_machine(self.agreed("import time\ntime.sleep(60)\n"))
        thread.join()
        self.assertEqual(self.bob.status(self.manifest)["by"], "bob")

    def test_addresses_are_of_hosts_and_ports_that_can_be(self) -> None:
        for bad in ("https://127.0.0.1:99999/x", "https://a..b/x", "https://-a/x", "https://" + "a" * 64 + "/x", "https:///x", "http://a/x"):
            with self.subTest(bad):
                self.assertFalse(machine.is_url(bad))
                self.alice = Party("alice", self.storage, {"in": self.data}, [], log=bad)
                self.run_machine(self.agreed(COPY))
                status = self.bob.status(self.manifest) if self.bob.opened("status", "status", "status", self.manifest) else None
                self.assertEqual((status, self.result()), (None, None))

    def test_a_script_that_fails_gives_no_result(self) -> None:
        self.run_machine(self.agreed(COPY + "raise SystemExit(3)\n"))
        status = self.bob.status(self.manifest)
        self.assertEqual((status["standing"], status["exit"], self.result()), ("failed", 3, None))

    def test_a_forged_result_does_not_open(self) -> None:
        self.run_machine(self.agreed(COPY))
        manifest = hashlib.sha256(self.manifest).digest()
        forged = self.alice.seal.sealed([b"forged"], "output", "out", manifest)
        self.storage.objects["/bob/outputs/out"] = b"".join(forged)
        with self.assertRaises(machine.Wrong):
            self.result()

    def test_a_manifest_has_one_form(self) -> None:
        good = self.agreed(COPY)
        machine.manifest_of(json.dumps(good).encode())

        def with_change(change) -> dict:
            other = json.loads(json.dumps(good))
            change(other)
            return other

        changes = (
            lambda m: m.update({"cotenant-run": 2}),
            lambda m: m.update(run="../r"),
            lambda m: m.update(seconds=0),
            lambda m: m.update(seconds=True),
            lambda m: m.pop("script"),
            lambda m: m["script"].update(url="http://127.0.0.1/"),
            lambda m: m["script"].update(url="https://h/a b"),
            lambda m: m["script"].update(url="https://h/a'b"),
            lambda m: m["script"].update(sha256="0" * 63),
            lambda m: m["script"].update(bytes=-1),
            lambda m: m["parties"].reverse(),
            lambda m: m["parties"].append(m["parties"][1]),
            lambda m: m["parties"][0]["inputs"][0].update(name="../../etc/x"),
            lambda m: m["parties"][0]["inputs"][0].update(extra=1),
            lambda m: m["parties"][1].update(outputs=["a/b"]),
            lambda m: m["parties"][1].update(outputs=["b", "a"]),
            lambda m: m["parties"][1].update(log=1),
        )
        for number, change in enumerate(changes):
            with self.subTest(number), self.assertRaises(machine.Wrong):
                machine.manifest_of(json.dumps(with_change(change)).encode())


if __name__ == "__main__":
    unittest.main()
