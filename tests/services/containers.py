"""Real container runtimes for tests: installed into a folder below build/ by the scripts beside this file."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import pytest

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build" / "services"
#: Seconds; a first installation fetches some fifty megabytes.
PATIENCE = 300


@dataclass(frozen=True)
class Installed:
    """A runtime: its program, what its environment must hold, and a tiny image as a folder and as a file."""

    program: Path
    image: Path
    file: Path
    environment: Mapping[str, str] = field(default_factory=dict)


def install(name: str) -> Path:
    """Run a script; skip what needs it, or in CI fail, when the script fails."""
    folder = BUILD / name
    argv = [str(HERE / f"{name}.sh"), str(folder)]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as wrong:
        missing(name, str(wrong))
    if done.returncode:
        missing(name, " ".join(done.stderr.split()[-60:]))
    return folder


def missing(name: str, why: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"{name} could not be installed: {why}")
    pytest.skip(f"not tested, {name} could not be installed: {why}")


def use_apptainer() -> Installed:
    folder = install("apptainer")
    return Installed(folder / "usr/bin/apptainer", folder / "image", folder / "image.sif")


def use_podman() -> Installed:
    if os.geteuid():
        pytest.skip("not tested: podman of an ordinary user needs subordinate ids in /etc/subuid, and newuidmap")
    folder, images = install("podman"), install("apptainer")
    names = {"CONTAINERS_CONF": "containers.conf", "CONTAINERS_STORAGE_CONF": "storage.conf"}
    variables = {name: str(folder / file) for name, file in names.items()}
    return Installed(folder / "usr/bin/podman", images / "image", images / "image.sif", variables)
