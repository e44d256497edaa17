"""Finds the program that a job names: a path, a name on the payload's PATH, a file of the job's directory, an URL."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from pilot.contract import naming
from pilot.contract.codes import ErrorCode
from pilot.contract.named import NamedTuple
from pilot.errors import JobFailed

_ELF = b"\x7fELF"


class Where(NamedTuple):
    """Where programs are looked for. With an ``image`` the node's own are none: the container runtime finds them."""

    workdir: Path
    environment: Mapping[str, str]
    image: str = ""


def find(name: str, field: str, where: Where) -> str:
    """Answer how a program is started that a field of the job names.

    That is an absolute path, a name on the payload's PATH, a file of the job's directory (``./run.sh``; an input, for
    instance, is made executable), or an address: the pilot has fetched that with the inputs.

    Raises:
        JobFailed: there is no such program (PAYLOAD_NOT_STARTED), it cannot be made executable (CHMOD_TRF), or the name
            cannot be one (BAD_JOB_DEFINITION).
    """
    if naming.is_address(name):
        return _script(where.workdir / naming.transformation_file(name), where)
    plain = name[2:] if name.startswith("./") else name
    if "/" in plain and not name.startswith("/"):
        words = f"{field}: {name!r} is neither an absolute path nor the name of a program"
        raise JobFailed(ErrorCode.BAD_JOB_DEFINITION, words)
    beside = where.workdir / plain
    if name.startswith("./"):
        return _script(beside, where)
    if where.image:
        return _script(beside, where) if "/" not in name and beside.is_file() else name
    path = where.environment.get("PATH", "")
    if (program := shutil.which(name, path=path)) is not None:
        return program
    if "/" not in name and beside.is_file():
        return _script(beside, where)
    place = "" if name.startswith("/") else f" on the payload's PATH ({path})"
    what = _what_else(Path(name)) if name.startswith("/") else ""
    raise JobFailed(ErrorCode.PAYLOAD_NOT_STARTED, f"{name}: {what or 'there is no such program'}{place}")


def _what_else(file: Path) -> str:
    """Say what is there and cannot be started; "" when nothing is."""
    if file.is_dir():
        return "it is a folder, not a program"
    return "the pilot's user may not execute it" if file.exists() else ""


def _script(file: Path, where: Where) -> str:
    """Make a file of the job's directory executable, and refuse one that the kernel would not know how to run."""
    try:
        with open(file, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as opened:  # or a pipe
            first = opened.readline(256)
        # Before it is copied: what a program that ran before has put here may be a link to what it cannot see itself.
        if why := _unknown(first, where.image):
            raise JobFailed(ErrorCode.PAYLOAD_NOT_STARTED, f"{file.name}: {why}")
        if not os.access(file, os.X_OK):
            _own(file)
            file.chmod(file.stat().st_mode | stat.S_IXUSR)
    except FileNotFoundError as wrong:
        raise JobFailed(ErrorCode.PAYLOAD_NOT_STARTED, f"{file.name}: not in the job's directory") from wrong
    except OSError as wrong:
        words = f"{file.name}: cannot be made executable: {wrong.strerror}"
        raise JobFailed(ErrorCode.CHMOD_TRF, words) from wrong
    return str(file)


def _own(file: Path) -> None:
    """Have a file that is only linked here copied, so that the storage's own keeps its mode."""
    if file.is_symlink() or file.stat().st_nlink > 1:
        copied = file.with_name(f".compass-{file.name}")
        shutil.copyfile(file, copied)
        copied.replace(file)


def _unknown(first: bytes, image: str) -> str:
    """Say why the kernel cannot run what begins so; "" when it can."""
    if first.startswith(_ELF):
        return ""
    if not first.startswith(b"#!") or not first[2:].split():
        return "neither a program nor a script whose first line names one (#!/bin/sh)"
    if first.endswith(b"\r\n"):
        return "its lines end as on Windows; the kernel takes the carriage return for a part of the program's name"
    program = os.fsdecode(first[2:].split()[0])
    return "" if image or Path(program).exists() else f"its first line names {program}, which is not on this node"
