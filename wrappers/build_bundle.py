"""Builds the pilot bundle: one zip with the pilot and the libraries it needs, the same bytes for the same commit.

Run by ``make bundle``. The libraries are the wheels that ``requirements/pilot.txt`` names by hash. Nothing that is
compiled for one version of Python goes in (each of them has a pure part), so that one bundle serves Python 3.9 and
newer on x86-64; psutil's library keeps to the stable interface. Members are stored, not compressed: compressed bytes
would depend on the machine's zlib.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements" / "pilot.txt"
#: The least Python that the bundle serves, and what worker nodes are.
TARGET = (
    *("--python-version", "3.9", "--implementation", "cp", "--abi", "cp39", "--abi", "abi3", "--abi", "none"),
    *("--platform", "manylinux2014_x86_64", "--platform", "manylinux_2_28_x86_64", "--platform", "any"),
)
#: What of a wheel nobody reads.
NEEDLESS = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
#: What of the pilot is run or read.
OURS = (".py", ".json", ".yaml", ".typed")
START = """import sys

from pilot.cli import main

sys.exit(main())
"""

Member = tuple[str, bytes]


class BundleError(Exception):
    """The bundle cannot be built; the words say why, and what to do."""


def fetch(wheels: Path, lock: Path = LOCK) -> list[Path]:
    """Bring the locked wheels into a folder, and verify their hashes. What an earlier lock had brought is removed."""
    wheels.mkdir(parents=True, exist_ok=True)
    locked = lock.read_text()
    for old in wheels.glob("*.whl"):
        if f"sha256:{hashlib.sha256(old.read_bytes()).hexdigest()}" not in locked:
            old.unlink()
    names = {line.split("==")[0].replace("-", "_").lower() for line in locked.splitlines() if "==" in line}
    if {wheel.name.split("-")[0].lower() for wheel in wheels.glob("*.whl")} != names:
        argv = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", "download"]
        options = ["--no-deps", "--only-binary", ":all:", "--require-hashes", *TARGET]
        where = ["-d", str(wheels), "-r", str(lock)]
        done = subprocess.run([*argv, *options, *where], check=False, capture_output=True, text=True)
        if done.returncode:
            raise BundleError(f"the libraries could not be fetched; is the package index reachable?\n{done.stderr}")
    return sorted(wheels.glob("*.whl"))


def members(wheels: Sequence[Path], source: Path = ROOT) -> Iterator[Member]:
    """Give name and content of everything that belongs into the bundle."""
    yield "__main__.py", START.encode()
    yield "LICENSE", source.joinpath("LICENSE").read_bytes()
    for path in source.joinpath("pilot").rglob("*"):
        if path.suffix in OURS and path.is_file():
            yield path.relative_to(source).as_posix(), path.read_bytes()
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as packed:
            yield from ((name, packed.read(name)) for name in packed.namelist() if belongs(name))


def belongs(name: str) -> bool:
    """Say whether a wheel's member goes into the bundle."""
    if name.endswith("/") or "/tests/" in name:
        return False
    if name.endswith(".so"):
        return name.endswith(".abi3.so")
    return not (".dist-info/" in name and name.rpartition("/")[2] in NEEDLESS)


def write(target: Path, content: Sequence[Member]) -> str:
    """Write the bundle, atomically, and answer its SHA-256."""
    names = sorted(name for name, _ in content)
    if doubled := [name for name, after in pairwise(names) if name == after]:
        raise BundleError(f"two libraries bring {doubled[0]}; leave one of them out")
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(target.name + ".part")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as bundle:
        for name, inside in sorted(content):
            member = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            member.create_system, member.external_attr = 3, 0o100644 << 16
            bundle.writestr(member, inside)
    digest = hashlib.sha256(unfinished.read_bytes()).hexdigest()
    unfinished.replace(target)
    return digest


def main() -> int:
    """Build the bundle; print its hash and where it lies, as ``sha256sum`` does."""
    parser = argparse.ArgumentParser(description="Build the pilot bundle.")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "pilot.pyz", help="the file to write")
    parser.add_argument("--wheels", type=Path, default=ROOT / "build" / "wheels", help="where fetched wheels are kept")
    options = parser.parse_args()
    try:
        digest = write(options.output, list(members(fetch(options.wheels))))
    except BundleError as wrong:
        sys.stderr.write(f"make bundle: {wrong}\n")
        return 1
    sys.stdout.write(f"{digest}  {options.output}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
