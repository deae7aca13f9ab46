"""The machine image: the root file system of every instance, a small Debian with what scripts in the examples use."""

import pathlib
import platform
import shutil

from .progress import call, step
from .state import State

RELEASE = "bookworm"
PACKAGES = "python3,python3-boto3,python3-cryptography,curl,ca-certificates,openssl,procps"
PYTHON = "3.11"
REQUIREMENTS = pathlib.Path(__file__).resolve().parent.parent / "image" / "requirements.txt"


def make(state: State) -> None:
    """Packages of Debian by mmdebstrap, then packages of Python for the release's version of it."""
    with step("makes the machine image: Debian with Python, boto3 and curl (mmdebstrap, about 320 MB, a minute or two)"):
        shutil.rmtree(state.image, ignore_errors=True)
        command = ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", f"--include={PACKAGES}", RELEASE, state.image]
        call(command, "the machine image cannot be made")
        (state.image / "var/lib/cloud").mkdir()
    with step("puts numpy, scikit-learn and DuckDB into the image (pip, about 280 MB)"):
        platforms = [word for version in ("2014", "_2_28") for word in ("--platform", f"manylinux{version}_{platform.machine()}")]
        target = state.image / f"usr/local/lib/python{PYTHON}/dist-packages"
        pip = [state.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
        wheels = ["--only-binary", ":all:", "--implementation", "cp", "--python-version", PYTHON, *platforms, "--target", target]
        call([*pip, *wheels, "--require-hashes", "-r", REQUIREMENTS], "Python packages cannot be put into the image")
