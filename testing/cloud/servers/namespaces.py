"""Namespaces of Linux, by the calls that Python's library lacks before 3.12 (unshare(2), mount(2), user_namespaces(7))."""

import ctypes
import os
import pathlib
import signal
from collections.abc import Callable

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
PR_SET_PDEATHSIG = 1

# Users of a machine are users that this system does not have: 0 inside is this number outside.
FIRST_ID = 1_000_000
IDS = 65_536

LIBC = ctypes.CDLL(None, use_errno=True)


def checked(result: int, what: str) -> None:
    """Raises what went wrong in the call before."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """New namespaces for this process."""
    checked(LIBC.unshare(flags), "unshare")


def make_mounts_private() -> None:
    """Mounts of this namespace are nobody else's from now on."""
    checked(LIBC.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "mount")


def bind(source: pathlib.Path, target: pathlib.Path) -> None:
    """`target` shows what is at `source`."""
    checked(LIBC.mount(bytes(source), bytes(target), None, MS_BIND, None), f"mount {source}")


def run_inside(flags: int, work: Callable[[], None]) -> int:
    """Does `work` as the first user of a new user namespace, with other new namespaces by `flags`; its exit status. Who makes it has to be root.

    The process outside gives the namespace its users, as a process cannot give itself other users than its own.
    """
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        try:
            unshare(CLONE_NEWUSER | flags)
            os.write(ready[1], b"x")
            os.close(go[1])
            if os.read(go[0], 1):
                become_root()
                work()
                os._exit(0)
        except BaseException as error:
            print(f"this machine could not be made: {error!r}", flush=True)
        os._exit(1)
    os.close(ready[1])
    try:
        if os.read(ready[0], 1):
            for kind in ("uid_map", "gid_map"):
                pathlib.Path(f"/proc/{child}/{kind}").write_text(f"0 {FIRST_ID} {IDS}\n")
            os.write(go[1], b"x")
    except OSError as error:
        print(f"a user namespace cannot be given its users: {error!r}", flush=True)
    finally:
        # Without a word from here the child gives up.
        for end in (ready[0], *go):
            os.close(end)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) & 0xFF


def become_root() -> None:
    """The first user of this namespace."""
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def end_with_parent() -> None:
    """The kernel kills this process when the thread that made it ends. To be asked for after users have changed, which takes it back."""
    checked(LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL), "prctl")
