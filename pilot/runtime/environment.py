"""A payload's environment: an allow-list of the pilot's own, and what plugins and the site add."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.runtime.workdir import TEMPORARY

#: What a payload gets of the pilot's environment. No token, no proxy, no path to either; nothing of the pilot's Python.
#: HOME is kept, because set-up scripts of experiments and sites read from there.
ALLOWED = frozenset(
    [
        *("PATH", "LD_LIBRARY_PATH", "MANPATH", "HOME", "USER", "LOGNAME", "SHELL", "HOSTNAME"),
        *("LANG", "LANGUAGE", "TZ", "TERM"),
        *("MODULEPATH", "MODULESHOME", "LMOD_CMD", "LMOD_DIR", "LMOD_PKG"),
        *("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"),
        *("CVMFS", "CVMFS_MOUNT_DIR", "VO_COMPASS_SW_DIR"),
    ]
)
ALLOWED_BEGINNINGS = ("LC_",)
#: For a node whose pilot was started without one.
DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"


def payload_environment(
    pilot: Mapping[str, str], workdir: Path, additions: Iterable[Mapping[str, str]] = ()
) -> dict[str, str]:
    """Put together the whole environment of a payload.

    Args:
        pilot: The pilot's own environment, of which the allow-list is taken.
        workdir: The job's directory; temporary files go below it.
        additions: Plugins' answers, the least important first.

    Raises:
        JobFailed: an addition has a name or a value that no environment can hold (SETUP_FAILURE).
    """
    environment = {
        name: value for name, value in pilot.items() if name in ALLOWED or name.startswith(ALLOWED_BEGINNINGS)
    }
    environment.setdefault("PATH", DEFAULT_PATH)
    environment["TMPDIR"] = str(workdir / TEMPORARY)
    environment["PWD"] = str(workdir)
    for addition in additions:
        for name, value in addition.items():
            _check(name, value)
            environment[name] = value
    return environment


def _check(name: str, value: object) -> None:
    if not name or "=" in name or "\0" in name:
        raise JobFailed(ErrorCode.SETUP_FAILURE, f"{name!r} cannot be the name of an environment variable")
    if not isinstance(value, str) or "\0" in value:
        raise JobFailed(ErrorCode.SETUP_FAILURE, f"environment variable {name}: {value!r} is not text")
