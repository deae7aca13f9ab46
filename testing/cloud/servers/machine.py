"""One instance: a sandbox made by bubblewrap, with users, processes and a network of its own, in which its user data runs.

Two processes: the outer one has this system's users and only waits, so that its end is the end of all; the inner one is root of a user namespace whose
users do not exist outside. The network has loopback alone. At the cloud's address the inner process listens and passes bytes on to the front's socket
in the file system, so TLS goes through; at 169.254.169.254 it answers as the metadata service does, at 127.0.0.53 it knows the cloud's host names.
Nothing else can be reached.

The root file system is the image, which the machine's root does not own and cannot change, with a copy of /etc and empty places in memory.
"""

import encodings.idna  # noqa: F401  (loaded by name later, when this program's files are out of reach)
import json
import os
import pathlib
import resource
import shutil
import socket
import socketserver
import subprocess
import sys
import threading

from cotenant_cloud import state as cloud
from cotenant_cloud.state import State

from . import imds, names, namespaces

IMAGE, OWN = pathlib.Path("/mnt"), pathlib.Path("/media")
METADATA_ADDRESS, RESOLVER = "169.254.169.254", "127.0.0.53"
# Bytes that each place in memory may have, and that a file may have.
MEMORY = 512 << 20
EMPTY = ("/tmp", "/run", "/var/tmp", "/var/lib/cloud", "/var/log", "/root", "/home", "/opt", "/srv")
POWER = pathlib.Path(__file__).with_name("power.py")
# After its user data an instance goes on, until somebody ends it.
BOOT = """
cp /etc/cloud-user-data /var/lib/cloud/user-data && chmod 700 /var/lib/cloud/user-data && cd / && /var/lib/cloud/user-data
echo "user data ended: $?"
exec sleep infinity
"""


def prepare(state: State, instance: dict) -> pathlib.Path:
    """The instance's folder: what the machine is told, and its /etc."""
    folder = state.instances / instance["id"]
    folder.mkdir()
    told = {key: instance[key] for key in ("account", "region", "id", "image", "type", "private_ip", "user_data", "tokens_required", "metadata", "role")}
    told |= {"address": state.address, "port": state.port, "image_folder": str(state.image), "front": str(state.front_socket)}
    state.secret_file(folder / "instance.json", json.dumps(told))
    etc = folder / "etc"
    shutil.copytree(state.image / "etc", etc, symlinks=True)
    data = imds.user_data(instance)
    (etc / "cloud-user-data").write_bytes(data if data.startswith(b"#!") else b"#!/bin/sh\n:\n")
    (etc / "hosts").write_text(f"127.0.0.1 localhost {instance['id']}\n")
    (etc / "resolv.conf").write_text(f"nameserver {RESOLVER}\n")
    (etc / "hostname").write_text(instance["id"] + "\n")
    with (etc / "ssl/certs/ca-certificates.crt").open("a") as trusted:
        trusted.write(state.ca.read_text())
    for path in (etc, *etc.rglob("*")):
        os.chown(path, namespaces.FIRST_ID, namespaces.FIRST_ID, follow_symlinks=False)
    (etc / "cloud-user-data").chmod(0o700)
    return folder


def main() -> None:
    """The outer process: mounts what the inner one needs, makes it, and ends as it ends."""
    folder = pathlib.Path(sys.argv[1])
    told = json.loads((folder / "instance.json").read_text())
    namespaces.end_with_parent()
    namespaces.unshare(namespaces.CLONE_NEWNS)
    namespaces.make_mounts_private()
    # The way to the state may be closed to others than root: the inner process sees it at places that every system has.
    front = folder / "front.sock"
    front.touch()
    namespaces.bind(pathlib.Path(told["front"]), front)
    power = folder / "power.py"
    shutil.copy(POWER, power)
    power.chmod(0o755)
    namespaces.bind(pathlib.Path(told["image_folder"]), IMAGE)
    rebind(folder)
    sys.exit(namespaces.run_inside(namespaces.CLONE_NEWNET, lambda: inner(told)))


def rebind(folder: pathlib.Path) -> None:
    """The instance's folder at its place, with the mounts below it."""
    flags = namespaces.MS_BIND | namespaces.MS_REC
    namespaces.checked(namespaces.LIBC.mount(bytes(folder), bytes(OWN), None, flags, None), "mount")


def inner(told: dict) -> None:
    """The inner process: network, metadata, way to the front, sandbox."""
    namespaces.end_with_parent()
    os.chdir("/")
    for words in (["link", "set", "lo", "up"], ["address", "add", f"{METADATA_ADDRESS}/32", "dev", "lo"]):
        subprocess.run(["ip", *words], check=True)
    serve(imds.server((METADATA_ADDRESS, 80), told))
    serve(names.server((RESOLVER, cloud.NAMES), told["address"]))
    serve(way_to_front((told["address"], told["port"])))
    subprocess.Popen(bubblewrap(told["id"]), preexec_fn=limits).wait()


def limits() -> None:
    """What a machine may take at most."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * MEMORY, 2 * MEMORY))
    resource.setrlimit(resource.RLIMIT_NPROC, (1024, 1024))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(5)


def bubblewrap(name: str) -> list[str]:
    """The sandbox's command line."""
    words = ["bwrap", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--hostname", name, "--die-with-parent", "--new-session"]
    words += ["--ro-bind", str(IMAGE), "/", "--bind", str(OWN / "etc"), "/etc", "--proc", "/proc", "--dev", "/dev"]
    for place in EMPTY:
        words += ["--size", str(MEMORY), "--tmpfs", place]
    words += ["--chmod", "1777", "/tmp", "--chmod", "1777", "/var/tmp", "--perms", "0755", "--size", str(MEMORY), "--tmpfs", "/usr/local/sbin"]
    for program in ("shutdown", "poweroff", "halt"):
        words += ["--ro-bind", str(OWN / "power.py"), f"/usr/local/sbin/{program}"]
    words += ["--cap-add", "ALL", "--clearenv", "--setenv", "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    return [*words, "--setenv", "HOME", "/root", "--", "/bin/sh", "-c", BOOT]


def serve(server: socketserver.BaseServer) -> None:
    """In a thread of its own."""
    threading.Thread(target=server.serve_forever, daemon=True).start()


def way_to_front(address: tuple[str, int]) -> socketserver.BaseServer:
    """Passes the bytes of each connection on to the front, and back."""

    class Passing(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as front:
                front.connect(str(OWN / "front.sock"))
                back = threading.Thread(target=copy, args=(front, self.request), daemon=True)
                back.start()
                copy(self.request, front)
                back.join()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        request_queue_size = 64

    return Server(address, Passing)


def copy(source: socket.socket, target: socket.socket) -> None:
    """All bytes, then the end of them."""
    try:
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


if __name__ == "__main__":
    main()
