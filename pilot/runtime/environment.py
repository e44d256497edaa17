"""A payload's environment: an allow-list of the pilot's own, and what plugins and the site add."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

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
#: The pilot's own credentials: no payload gets these, whoever asks for them.
OWN = ("COMPASS_PILOT*", "PANDA_AUTH*", "OIDC*")
#: What may be a secret, or the way to one: given by its full name only, never because a pattern fits.
SECRET = (
    *("X509_*", "BEARER_TOKEN*", "KRB5*", "SSH_*", "_CONDOR_CREDS*", "AWS_*", "S3_*", "GPG_*"),
    *("*PROXY*", "*TOKEN*", "*SECRET*", "*PASSW*", "*CREDENTIAL*", "*_KEY", "*_KEY_*"),
)
PROXY = "X509_USER_PROXY"
#: The parameter of a queue that names further variables.
QUEUE_PARAMETER = "payload_environment"
#: For a node whose pilot was started without one.
DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"


def chosen(pilot: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """Take variables from the pilot's environment that admin or queue have named, by name or by a pattern (``CMS_*``).

    Args:
        pilot: The pilot's own environment.
        names: The names and patterns. A pattern never fits what may be a secret; that wants its full name. The pilot's
            own credentials are never taken.
    """
    taken = {}
    for name, value in pilot.items():
        by_name = name in names
        by_pattern = any(fnmatch.fnmatchcase(name, pattern) for pattern in names) and not _fits(name, SECRET)
        if (by_name or by_pattern) and not _fits(name, OWN):
            taken[name] = value
    return taken


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name.upper(), pattern) for pattern in patterns)


def asked_by_queue(params: Mapping[str, Any], queue: str) -> tuple[str, ...]:
    """Answer the names and patterns that a queue's parameters list, as a list or as text with commas.

    Raises:
        JobFailed: they are neither (BAD_QUEUE_CONFIGURATION).
    """
    said = params.get(QUEUE_PARAMETER, ())
    names = said.split(",") if isinstance(said, str) else said
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        words = f"{QUEUE_PARAMETER} of queue {queue}: {said!r} is not a list of names of variables"
        raise JobFailed(ErrorCode.BAD_QUEUE_CONFIGURATION, words)
    return tuple(name.strip() for name in names if name.strip())


def payload_environment(
    pilot: Mapping[str, str],
    workdir: Path,
    additions: Iterable[Mapping[str, str]] = (),
    *,
    names: Sequence[str] = (),
) -> dict[str, str]:
    """Put together the whole environment of a payload.

    Args:
        pilot: The pilot's own environment, of which the allow-list is taken.
        workdir: The job's directory; temporary files go below it.
        additions: Plugins' answers, the least important first.
        names: What admin and queue let through besides; see `chosen`.

    Raises:
        JobFailed: an addition has a name or a value that no environment can hold (SETUP_FAILURE).
    """
    environment = {
        name: value for name, value in pilot.items() if name in ALLOWED or name.startswith(ALLOWED_BEGINNINGS)
    }
    environment.update(chosen(pilot, names))
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
