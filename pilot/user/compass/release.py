"""Where a job's software lies: a release in the experiment's tree on CVMFS, and the programs in it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Optional

from pilot.contract import naming
from pilot.contract.codec import ContractError
from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.contract.queue import QueueData
from pilot.errors import JobFailed

#: What a release is set up from; the first that is there. A declared environment needs no shell.
DECLARED = "environment"
SETUPS = (DECLARED, "coral/setup.sh", "environment.sh", "setup.sh")
#: In a folder above the release: the environment that several releases share, those of the generators for instance.
SHARED = "sw/environment.sh"
#: Where programs lie in a release; one that is not there is looked for on the payload's PATH.
PLACES: Mapping[str, tuple[str, ...]] = {
    "coral.exe": ("phast/coral/coral.exe",),
    "phast": ("phast/phast",),
    "ddd": ("coral/src/DaqDataDecoding/examples/how-to/ddd",),
    "TGEANT": ("tgeant/bin/TGEANT",),
}


def release_of(spec: JobSpec, queue: QueueData) -> Optional[Path]:
    """Say where a job's release must be; ``None`` for a job that needs none.

    ``homepackage`` is the root of the software area and the folders below it in one (home and path), ``swRelease`` the
    release's own folder (soft). One that does not begin with a slash lies below the first folder of the queue's
    ``appdir``, which may list folders by release (``/sw|nightlies^/sw/nightlies``).

    Raises:
        JobFailed: the parts make no path of the experiment's kind (BAD_JOB_DEFINITION), or the queue has no ``appdir``
            (BAD_QUEUE_CONFIGURATION).
    """
    if not spec.home_package:
        return None
    if spec.home_package.startswith("/"):
        return Path(_area(spec.home_package, "", spec.release))
    folder = queue.appdir.partition("|")[0].strip()
    if not folder:
        words = f"homepackage: {spec.home_package!r} lies below appdir, and queue {queue.name} has none; set it"
        raise JobFailed(ErrorCode.BAD_QUEUE_CONFIGURATION, words)
    path = "" if spec.home_package in (".", "./") else spec.home_package
    return Path(_area(f"{folder.rstrip('/')}/", path, spec.release))


def _area(home: str, path: str, soft: str) -> str:
    try:
        return naming.software_area(home, path, soft)
    except ContractError as wrong:
        words = f"homepackage and swRelease say where the software is: {wrong}"
        raise JobFailed(ErrorCode.BAD_JOB_DEFINITION, words) from wrong


def check(release: Path) -> None:
    """Look whether a release is there.

    Raises:
        JobFailed: it is not (NO_SOFTWARE_DIR); the words name the first folder that is missing.
    """
    if release.is_dir():
        return
    missing = next((folder for folder in (*reversed(release.parents), release) if not folder.is_dir()), release)
    why = "the release is not there" if missing == release else f"{missing} is not there; is CVMFS mounted?"
    raise JobFailed(ErrorCode.NO_SOFTWARE_DIR, f"{release}: {why}")


def setup_of(release: Path, named: str) -> Path:
    """Answer what a release is set up from: what the site names, or the first of the usual files, or the shared one.

    Raises:
        JobFailed: there is none (SETUP_FAILURE).
    """
    usual = [release / name for name in SETUPS] + [folder / SHARED for folder in release.parents]
    for path in [release / named] if named else usual:
        if path.is_file():
            return path
    looked = named or f"{' nor '.join(SETUPS)}, nor {SHARED} above it,"
    raise JobFailed(ErrorCode.SETUP_FAILURE, f"{release}: there is no {looked} to set it up from")


def program(name: str, release: Optional[Path], search: str, *, image: str = "") -> str:
    """Find a program: in its place in the release, else on a search path, or by its name in a container's image.

    Raises:
        JobFailed: it is nowhere, or cannot be executed (PAYLOAD_NOT_STARTED).
    """
    places = [release / place for place in PLACES.get(name, ())] if release else []
    for path in (*map(str, places), *([] if image else [name])):
        if found := shutil.which(path, path=search):
            return found
    if image:  # the runtime says when the image has none
        return name
    looked = ", ".join([*map(str, places), f"the payload's PATH ({search})"])
    raise JobFailed(ErrorCode.PAYLOAD_NOT_STARTED, f"{name}: there is no such program in {looked}")
