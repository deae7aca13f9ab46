

# The second part: fetches what was agreed on, opens it, runs the script, seals what comes of it, and gives it to each party alone.
#
# `run.py MANIFEST_URL MANIFEST_SHA256 MINUTES`, as root, with a line `PARTY KEY` for each party on standard input. The boot script that calls it ends the
# machine when it ends, and a timer does so before that if need be.

import http.client  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import pathlib  # noqa: E402
import re  # noqa: E402
import signal  # noqa: E402
import ssl  # noqa: E402
import stat  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
import urllib.parse  # noqa: E402

# A name of a party, of a file, of a run.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
URL = re.compile(rf"https://{LABEL}(\.{LABEL})*(:(?P<port>[0-9]{{1,5}}))?/[A-Za-z0-9/._~%?&=+,:@;!$*-]*")
SHA256 = re.compile(r"[0-9a-f]{64}")
MOST_MANIFEST, MOST_SMALL, MOST_LOG, MOST_RESULT = 1 << 18, 1 << 16, 1 << 20, 1 << 28
# The job's user and group, which nothing else on the machine has.
JOB = 64001
# Seconds: that a server may be silent, between questions for a stop, kept for what is told at the end, and of it for the machine's own end.
SILENT, POLL, KEPT, LAST = 60, 5, 120, 10
TRIES = 5


def connection(url: str) -> tuple[http.client.HTTPSConnection, str]:
    """To a URL's host, and what to ask it for. Redirections are not followed, as nothing here does."""
    parts = urllib.parse.urlsplit(url)
    server = http.client.HTTPSConnection(parts.hostname, parts.port or 443, timeout=SILENT, context=ssl.create_default_context())
    return server, parts.path + ("?" + parts.query if parts.query else "")


def is_url(text: object) -> bool:
    """Whether it is a URL with a host and a port that can be."""
    found = URL.fullmatch(text) if isinstance(text, str) else None
    return found is not None and int(found["port"] or 443) <= 65535


def for_all(parties: list[Party], act: Callable[[Party], None], seconds: float) -> None:
    """Does it for all at once. Who takes longer, or fails, keeps no other from it."""
    threads = [threading.Thread(target=act, args=(party,), daemon=True) for party in parties]
    end = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))


def again(what: str, act: Callable[[], None]) -> None:
    """Does it, some times over if a server or the way to it fails."""
    for attempt in range(TRIES):
        try:
            return act()
        except (OSError, http.client.HTTPException) as error:
            if attempt == TRIES - 1:
                raise Wrong(f"{what}: {error if isinstance(error, OSError) else type(error).__name__}") from error
            time.sleep(2**attempt)


def get(url: str, most: int, take: Callable[[bytes], object]) -> None:
    """Gives the body of an answer 200 to `take`, part by part."""
    server, target = connection(url)
    try:
        server.request("GET", target, headers={"Accept-Encoding": "identity"})
        answer = server.getresponse()
        if answer.status != 200:
            raise OSError(f"status {answer.status}")
        while data := answer.read(CHUNK):
            most -= len(data)
            if most < 0:
                raise Wrong("a server sends more than was agreed on")
            take(data)
    finally:
        server.close()


def fetch(what: str, about: dict, path: pathlib.Path) -> None:
    """Writes what is at a URL to a new file, if it has the size and the digest that were agreed on."""

    def once() -> None:
        digest = hashlib.sha256()
        with path.open("wb") as file:
            get(about["url"], about["bytes"], lambda data: (file.write(data), digest.update(data)))
            size = file.tell()
        if size < about["bytes"]:
            raise OSError("the answer was cut short, or is shorter than was agreed on")
        if digest.hexdigest() != about["sha256"]:
            raise Wrong(f"{what} is not what was agreed on: its SHA-256 is {digest.hexdigest()}, its size {size}")

    again(f"{what} cannot be fetched", once)


def put(url: str, size: int, parts: Callable[[], Iterable[bytes]]) -> None:
    """Puts a body to a URL."""

    def once() -> None:
        server, target = connection(url)
        try:
            server.putrequest("PUT", target, skip_accept_encoding=True)
            server.putheader("Content-Length", str(size))
            server.endheaders()
            for part in parts():
                server.send(part)
            answer = server.getresponse()
            answer.read(MOST_SMALL)
            if not 200 <= answer.status < 300:
                raise OSError(f"status {answer.status}")
        finally:
            server.close()

    again("a party's storage does not take what it is to have", once)


def manifest_of(data: bytes) -> dict:
    """What was agreed on, each part of it looked at."""

    def demand(holds: object, what: str) -> None:
        if not holds:
            raise Wrong(f"the manifest is none: {what}")

    def thing(about: dict, what: str) -> None:
        demand(isinstance(about, dict) and set(about) == {"url", "bytes", "sha256"}, what)
        demand(is_url(about["url"]), f"URL of {what}")
        demand(type(about["bytes"]) is int and about["bytes"] >= 0, f"size of {what}")
        demand(isinstance(about["sha256"], str) and SHA256.fullmatch(about["sha256"]), f"SHA-256 of {what}")

    def names(all: list, what: str) -> None:
        demand(all == sorted(set(all)) and all(isinstance(name, str) and NAME.fullmatch(name) for name in all), what)

    try:
        found = json.loads(data)
        demand(found["cotenant-run"] == 1 and NAME.fullmatch(found["run"]), "form")
        demand(type(found["seconds"]) is int and 0 < found["seconds"] <= 86400, "seconds")
        thing(found["script"], "the script")
        demand([party["name"] for party in found["parties"]] == sorted({party["name"] for party in found["parties"]}), "parties")
        for party in found["parties"]:
            demand(NAME.fullmatch(party["name"]) and type(party["log"]) is bool, "a party")
            thing(party["addresses"], "addresses")
            inputs = [each["name"] for each in party["inputs"]]
            demand(inputs == sorted(set(inputs)) and all(NAME.fullmatch(name) for name in inputs), "inputs")
            for each in party["inputs"]:
                thing({key: value for key, value in each.items() if key != "name"}, "an input")
            outputs = party["outputs"]
            demand(outputs == sorted(set(outputs)) and all(NAME.fullmatch(name) for name in outputs), "outputs")
        return found
    except (KeyError, TypeError, ValueError) as error:
        raise Wrong(f"the manifest is none: {type(error).__name__}") from error


def addresses_of(data: bytes, party: dict) -> dict:
    """Where a party wants what it is to have."""
    try:
        found = json.loads(data)
        urls = [found["status"], found["log"], found["stop"], *(found["outputs"][name] for name in party["outputs"])]
        if not all(is_url(url) for url in urls):
            raise Wrong(f"an address of {party['name']} is no URL")
        return found
    except (KeyError, TypeError, ValueError) as error:
        raise Wrong(f"the addresses of {party['name']} are none") from error


def keys_of(lines: Iterable[str], parties: list[dict]) -> dict[str, bytes]:
    """The run key of each party."""
    keys = {}
    for line in lines:
        name, _, digits = line.strip().partition(" ")
        if name and SHA256.fullmatch(digits):
            keys[name] = bytes.fromhex(digits)
    if set(keys) != {party["name"] for party in parties}:
        raise Wrong("the keys are not those of the parties in the manifest")
    return keys


class Party:
    """One party, and what it is told."""

    def __init__(self, about: dict, seal: Seal, manifest: bytes) -> None:
        self.about, self.seal, self.manifest, self.name = about, seal, manifest, about["name"]
        self.addresses: dict = {}
        self.told = 0

    def find_addresses(self, place: pathlib.Path) -> None:
        """Fetches and opens them."""
        if self.about["addresses"]["bytes"] > MOST_SMALL:
            raise Wrong(f"the addresses of {self.name} are too long")
        path = place / f"{self.name}.addresses"
        fetch(f"the addresses of {self.name}", self.about["addresses"], path)
        with path.open("rb") as file:
            data = b"".join(self.seal.opened(file, "addresses", "addresses", b""))
        self.addresses = addresses_of(data, self.about)

    def give(self, kind: str, name: str, url: str, size: int, data: Callable[[], Iterable[bytes]]) -> None:
        """Seals something and delivers it."""
        put(url, sealed_size(size), lambda: self.seal.sealed(data(), kind, name, self.manifest))

    def tell(self, standing: dict) -> None:
        """How the run stands. A party that cannot be told does not keep the others from theirs."""
        if not self.addresses:
            return
        data = json.dumps({"run": self.seal.run, "number": self.told, "time": int(time.time()), **standing}).encode()
        self.told += 1
        try:
            self.give("status", "status", self.addresses["status"], len(data), lambda: [data])
        except Exception as error:
            say(f"{self.name} cannot be told: {error if isinstance(error, Wrong) else type(error).__name__}")

    def has_stopped(self) -> bool:
        """Whether this party has put its word at its stop URL; anything else there, or nothing, is no word."""
        found = bytearray()
        try:
            get(self.addresses["stop"], MOST_SMALL, found.extend)
        except Exception:
            return False
        return hmac.compare_digest(bytes(found).strip(), self.seal.stop())


class Job:
    """The script, as a user of its own, without a network, in namespaces that end with it."""

    # A namespace without a network has what is in files all the same: a service of the machine that listens at a path would be a way out, as a resolver of names
    # is. So the script sees none of the places where services have their sockets. Where the kernel lets it, it sees no other process either.
    #
    # The first process of the namespace is root's, so that the kernel ends it, and all of them, with `unshare`: a process that changes its user is forgotten.
    FIRST = """
    for place in /run /var/run /tmp /dev/shm /var/lib /var/spool /var/cache /home /srv /mnt /media; do
        case "$place" in /tmp|/dev/shm) mode=1777 ;; *) mode=755 ;; esac
        test ! -d "$place" || test -L "$place" || mount -t tmpfs -o size=64m,mode="$mode" none "$place" || exit 1
    done
    mount -t proc none /proc 2>/dev/null
    prlimit --nproc=1024 -- setpriv --reuid="$0" --regid="$0" --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all -- "$@"; exit "$?"
    """

    def __init__(self, place: pathlib.Path, script: pathlib.Path) -> None:
        work = place / "work"
        work.mkdir()
        os.chown(work, JOB, JOB)
        alone = ["unshare", "--net", "--ipc", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child=SIGKILL", "--", "sh", "-c", self.FIRST, str(JOB)]
        named = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(work), "USER": "job", "LOGNAME": "job", "LANG": "C.UTF-8"}
        named |= {"COTENANT_INPUTS": str(place / "inputs"), "COTENANT_OUTPUTS": str(place / "outputs")}
        self.log = bytearray()
        self.process = subprocess.Popen(
            [*alone, "python3", str(script)],
            cwd=work,
            env=named,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=0o077,
            preexec_fn=dies_first,
        )
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self) -> None:
        """What it prints, as far as it is kept: a script that prints without end is not kept waiting."""
        while data := self.process.stdout.read1(CHUNK):
            self.log += data[: MOST_LOG - len(self.log)]

    def wait(self, seconds: float, stopped: Callable[[], str | None]) -> dict:
        """How it ended: by itself, by its time, or by a party's word."""
        end = time.monotonic() + seconds
        while self.process.poll() is None:
            who = stopped()
            if who is not None or time.monotonic() > end:
                self.end()
                return {"standing": "stopped", "by": who} if who is not None else {"standing": "late", "seconds": int(seconds)}
            time.sleep(0.1)
        self.end()
        return {"standing": "done" if self.process.returncode == 0 else "failed", "exit": self.process.returncode}

    def end(self) -> None:
        """Ends all of it."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.reader.join(5)


def dies_first() -> None:
    """Where memory ends, this goes before what has to tell of it."""
    pathlib.Path("/proc/self/oom_score_adj").write_text("1000")


class Run:
    """One run from the manifest to the end."""

    def __init__(self, place: pathlib.Path, data: bytes, lines: Iterable[str], end: float) -> None:
        self.place, self.end = place, end
        self.manifest = manifest_of(data)
        digest, crypto = hashlib.sha256(data).digest(), Crypto()
        keys = keys_of(lines, self.manifest["parties"])
        seals = {name: Seal(crypto, key, self.manifest["run"], name) for name, key in keys.items()}
        self.parties = [Party(about, seals[about["name"]], digest) for about in self.manifest["parties"]]
        self.stopper: str | None = None
        self.over = threading.Event()

    def all(self) -> None:
        """The run. Whatever becomes of it, each party that can be told is told."""
        begun, job = time.monotonic(), None
        try:
            for party in self.parties:
                party.find_addresses(self.place)
            self.tell({"standing": "begun"})
            for party in self.parties:
                threading.Thread(target=self.listen, args=(party,), daemon=True).start()
            script = self.prepare()
            standing = {"standing": "stopped", "by": self.stopper}
            if self.stopper is None:
                self.tell({"standing": "runs"})
                job = Job(self.place, script)
                standing = job.wait(min(self.manifest["seconds"], self.end - KEPT - time.monotonic()), lambda: self.stopper)
        except Wrong as error:
            standing = {"standing": "failed", "why": str(error)}
        except Exception as error:  # A fault here is told like any other failure; its text might have data in it.
            standing = {"standing": "failed", "why": f"a fault of the machine's program: {type(error).__name__}"}
        self.over.set()
        standing["took"] = int(time.monotonic() - begun)
        log = bytes(job.log) if job else b""
        for_all(self.parties, lambda party: self.finish(party, dict(standing), log), self.end - LAST - time.monotonic())

    def tell(self, standing: dict) -> None:
        for_all(self.parties, lambda party: party.tell(standing), SILENT)

    def listen(self, party: Party) -> None:
        """Asks a party's stop URL, again and again."""
        while not self.over.wait(POLL):
            if party.has_stopped():
                self.stopper = self.stopper or party.name

    def prepare(self) -> pathlib.Path:
        """Script and inputs, in the clear and for reading alone; a place for what comes out. The script's path."""
        script = self.place / "script.py"
        fetch("the script", self.manifest["script"], script)
        for kind in ("inputs", "outputs"):
            (self.place / kind).mkdir()
        for party in self.parties:
            inputs, outputs = self.place / "inputs" / party.name, self.place / "outputs" / party.name
            inputs.mkdir()
            outputs.mkdir()
            os.chown(outputs, JOB, JOB)
            for about in party.about["inputs"]:
                sealed = self.place / "sealed"
                fetch(f"{party.name}:{about['name']}", about, sealed)
                with sealed.open("rb") as source, (inputs / about["name"]).open("xb") as file:
                    for data in party.seal.opened(source, "input", about["name"], b""):
                        file.write(data)
                sealed.unlink()
        return script

    def finish(self, party: Party, standing: dict, log: bytes) -> None:
        """A party's results, if the script came to its end; its log, if it is to have one; and how it ended."""
        if standing["standing"] == "done":
            standing["outputs"] = {name: self.deliver(party, name) for name in party.about["outputs"]}
        if party.about["log"] and party.addresses:
            try:
                party.give("log", "log", party.addresses["log"], len(log), lambda: [log[at : at + CHUNK] for at in range(0, len(log), CHUNK)])
            except Exception as error:
                standing["log"] = str(error) if isinstance(error, Wrong) else type(error).__name__
        party.tell(standing)

    def deliver(self, party: Party, name: str) -> str:
        """Delivers a result; in a word, what became of it. The script, which made it, gets nothing read that it could not read itself."""
        folder = os.open(self.place / "outputs" / party.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            found = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        except OSError:
            return "not made"
        finally:
            os.close(folder)
        about = os.fstat(found)
        if not stat.S_ISREG(about.st_mode) or about.st_nlink != 1 or about.st_uid != JOB:
            os.close(found)
            return "not a file of the script's own"
        with open(found, "rb", closefd=True) as file:
            if about.st_size > MOST_RESULT:
                return f"longer than {MOST_RESULT} bytes"

            def data() -> Iterator[bytes]:
                file.seek(0)
                return chunks(file, about.st_size)

            try:
                party.give("output", name, party.addresses["outputs"][name], about.st_size, data)
                return "delivered"
            except Exception as error:
                return str(error) if isinstance(error, Wrong) else type(error).__name__


def say(text: str) -> None:
    """For the console, which is nobody's: nothing secret."""
    print(f"cotenant run: {text}", flush=True)


def main() -> None:
    """Fetches the manifest, and does what it says."""
    url, digest, minutes = sys.argv[1:]
    end = time.monotonic() + 60 * float(minutes)
    os.umask(0o022)
    place = pathlib.Path(tempfile.mkdtemp(dir="/var/tmp"))
    place.chmod(0o711)
    found = bytearray()

    def once() -> None:
        found.clear()
        get(url, MOST_MANIFEST, found.extend)

    try:
        again("the manifest cannot be fetched", once)
        if hashlib.sha256(found).hexdigest() != digest:
            raise Wrong("the manifest is not the one that was agreed on")
        Run(place, bytes(found), sys.stdin, end).all()
    except Wrong as error:
        sys.exit(f"cotenant run: {error}")


if __name__ == "__main__":
    main()
