#!/usr/bin/env python3
"""The rules of the house that the compiler does not check, for the workspace in the current directory.

Arrows: which crate may use which, from `cargo metadata`; dev-dependencies are free. Unsafe code: every crate forbids it but core, whose one module of it is
named here. Hash domains: every keyed-derivation context stands in one file, so that no two uses can collide. Prints each offence; exit status 1 if any.
"""

import json
import pathlib
import re
import subprocess
import sys

# A crate that ships -> those it may use.
ALLOWED = {
    "cotenant-core": set(),
    "cotenant-circuit": {"cotenant-core"},
    "cotenant-mpc": {"cotenant-circuit", "cotenant-core"},
    "cotenant-net": {"cotenant-core"},
    "cotenant-tls": set(),
    "cotenant-agent": {"cotenant-tls", "cotenant-mpc", "cotenant-net", "cotenant-circuit", "cotenant-core"},
    "cotenant": {"cotenant-agent", "cotenant-tls", "cotenant-mpc", "cotenant-net", "cotenant-circuit", "cotenant-core"},
}
UNSAFE_CRATE = "cotenant-core"
UNSAFE_FOLDER = "crates/core/src/simd/"
DOMAINS_FILE = "crates/core/src/domain.rs"


def arrows(packages, ships):
    """Normal and build dependencies of what ships, on crates of the workspace."""
    ours = {p["name"] for p in packages}
    for package in packages:
        name = package["name"]
        if not ships(package):
            continue
        if name not in ALLOWED:
            yield f"{name}: a crate that ships must be listed in .ci/arrows.py"
            continue
        for dependency in package["dependencies"]:
            used = dependency["name"]
            if dependency["kind"] != "dev" and used in ours and used not in ALLOWED[name]:
                yield f"{name} must not depend on {used}"


def roots(packages):
    """Every library and program of the workspace forbids unsafe code in its root file."""
    for package in packages:
        for target in package["targets"]:
            if not {"lib", "bin", "proc-macro"} & set(target["kind"]):
                continue
            text = pathlib.Path(target["src_path"]).read_text()
            wanted = "deny" if package["name"] == UNSAFE_CRATE else "forbid"
            if f"#![{wanted}(unsafe_code)]" not in text:
                yield f"{package['name']}: {target['name']} lacks #![{wanted}(unsafe_code)]"


def sources(root):
    """The keyword in code, and contexts of derived keys, outside their files. Comments do not count."""
    for path in sorted(p for part in ("crates", "testing") for p in (root / part).rglob("*.rs")):
        name = path.relative_to(root).as_posix()
        for number, line in enumerate(path.read_text().splitlines(), 1):
            code = line.split("//", 1)[0]
            if re.search(r"\bunsafe\b", code) and not name.startswith(UNSAFE_FOLDER):
                yield f"{name}:{number}: unsafe code"
            if re.search(r"\b(new_)?derive_key\(", code) and name != DOMAINS_FILE:
                yield f"{name}:{number}: a hash domain that {DOMAINS_FILE} does not list"


def main():
    command = ["cargo", "metadata", "--no-deps", "--format-version", "1", "--locked"]
    metadata = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    root, packages = pathlib.Path(metadata["workspace_root"]), metadata["packages"]
    ships = lambda package: (root / "crates") in pathlib.Path(package["manifest_path"]).parents
    offences = [*arrows(packages, ships), *roots(packages), *sources(root)]
    print("\n".join(offences) if offences else f"{len(packages)} crates keep the rules")
    return 1 if offences else 0


sys.exit(main())
