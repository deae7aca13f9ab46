"""What the cloud is made of, fetched from the registries that this machine is set up for, and only where it is missing.

Every version is pinned: Python packages and npm packages with hashes, the crate with its lock file, Debian packages by the release.
"""

import hashlib
import importlib.util
import os
import pathlib
import shutil
import sys
import tomllib
from collections.abc import Sequence

from . import image
from .progress import CloudError, call, say, step
from .state import State

FOLDER = pathlib.Path(__file__).resolve().parent.parent
S3S_FS = "0.14.1"

# Program -> the Debian package that has it.
PROGRAMS = {
    "bwrap": "bubblewrap",
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
    "nginx": "nginx-light",
    "npm": "npm",
    "openssl": "openssl",
}


def install(state: State) -> None:
    """Everything, one after the other; what is there is left alone."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    compiler(state)
    state.tools.mkdir(parents=True, exist_ok=True)
    debian_packages()
    python_packages(state)
    npm_packages(state)
    object_store(state)
    machine_image(state)


def compiler(state: State) -> None:
    """Looked for before anything is fetched: this alone is not installed here."""
    if not state.s3s_fs.exists() and shutil.which("cargo") is None:
        raise CloudError('there is no cargo on the PATH of this user; if another user has it: sudo env "PATH=$PATH" "HOME=$HOME" testing/cloud/cotenant-cloud up --state DIR')


def debian_packages() -> None:
    """Programs of the distribution, used as separate programs."""
    packages = sorted(package for program, package in PROGRAMS.items() if shutil.which(program) is None)
    if importlib.util.find_spec("ensurepip") is None:
        packages.append("python3-venv")
    if not packages:
        return
    if shutil.which("apt-get") is None:
        raise CloudError(f"these programs are missing, and there is no apt-get to install them: {', '.join(packages)}")
    with step(f"installs Debian packages: {' '.join(packages)}"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        call(["apt-get", "update", "-qq"], "the package lists cannot be fetched", env=environment)
        call(["apt-get", "install", "-qq", "-y", "--no-install-recommends", *packages], "Debian packages cannot be installed", env=environment)


def python_packages(state: State) -> None:
    """A virtual environment with the packages of requirements.txt, by hash."""
    wanted = FOLDER / "requirements.txt"
    if not outdated(state.venv, wanted):
        return
    with step("makes a Python environment: moto, django-allauth, django-simple-captcha, jwcrypto, boto3 (about 240 MB)"):
        shutil.rmtree(state.venv, ignore_errors=True)
        call([sys.executable, "-m", "venv", state.venv], "the Python environment cannot be made")
        pip = [state.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        call([*pip, "--require-hashes", "-r", wanted], "Python packages cannot be installed")
        is_current(state.venv, wanted)


def npm_packages(state: State) -> None:
    """maildev, by the lock file, without running what packages bring along."""
    wanted = FOLDER / "mailbox" / "package-lock.json"
    if not outdated(state.maildev, wanted):
        return
    with step("installs maildev (npm, about 40 MB)"):
        shutil.rmtree(state.maildev, ignore_errors=True)
        state.maildev.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(wanted.with_name(name), state.maildev)
        call(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], "npm packages cannot be installed", cwd=state.maildev)
        is_current(state.maildev, wanted)


def object_store(state: State) -> None:
    """s3s-fs, compiled here."""
    if state.s3s_fs.exists():
        return
    with step(f"compiles s3s-fs {S3S_FS} (cargo, some minutes)"):
        build = state.tools / "build"
        command = ["cargo", "install", "s3s-fs", "--version", S3S_FS, "--locked", "--features", "binary", "--root", state.tools]
        # Where rustup has no default, the compiler of the project; it is named, as a toolchain file is of the folder that it is in.
        environment = {"RUSTUP_TOOLCHAIN": toolchain(), **os.environ, "CARGO_TARGET_DIR": str(build)}
        call(command, "s3s-fs cannot be compiled", cwd=state.tools, env=environment)
        shutil.rmtree(build, ignore_errors=True)


def toolchain() -> str:
    """The release of Rust that this project is compiled with."""
    return tomllib.loads((FOLDER.parent.parent / "rust-toolchain.toml").read_text())["toolchain"]["channel"]


def machine_image(state: State) -> None:
    """What instances run on."""
    wanted = (FOLDER / "cotenant_cloud" / "image.py", image.REQUIREMENTS)
    if outdated(state.image, *wanted):
        image.make(state)
        is_current(state.image, *wanted)


def outdated(made: pathlib.Path, *sources: pathlib.Path) -> bool:
    """Whether something was not made, or was made from something else than these files."""
    try:
        return mark_of(made).read_text() != digest(sources)
    except FileNotFoundError:
        return True


def is_current(made: pathlib.Path, *sources: pathlib.Path) -> None:
    """Marks something as made whole from these files."""
    mark_of(made).write_text(digest(sources))


def mark_of(made: pathlib.Path) -> pathlib.Path:
    """The file beside it that says what it was made from."""
    return made.with_name(made.name + ".made-from")


def digest(paths: Sequence[pathlib.Path]) -> str:
    """SHA-256 of files."""
    return " ".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths)


def purge(state: State) -> None:
    """Deletes all that `up` made, and nothing that it did not make."""
    for path in (state.tools, state.authority, state.run):
        shutil.rmtree(path, ignore_errors=True)
    try:
        state.path.rmdir()
    except OSError:
        say(f"{state.path} stays: something else is in it")
