"""Setting up a release: its script is sourced once in a clean shell, and what came out is kept as values."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.user.compass.release import DECLARED

#: A shell begins with these and nothing else of the pilot's: no token, no proxy, no habits of the node's user.
CLEAN: Mapping[str, str] = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/", "LANG": "C"}
#: Constant: the script's path is its argument. What the script prints goes to the shell's errors.
_SOURCE = 'exec 3>&1 >&2; strict=$1 setup=$2; set --; . "$setup" || [ -z "$strict" ] || exit; exec /usr/bin/env -0 >&3'
#: What a shell sets for itself.
_OF_THE_SHELL = frozenset(["_", "PWD", "OLDPWD", "SHLVL"])
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
#: How much of a script's last words is told.
_LAST_WORDS = 2000


def values_of(setup: Path, limit: float, *, strict: bool = True) -> Mapping[str, str]:
    """Answer the variables that a release sets, from its declared environment or by its script.

    Done once per file: a second job of the same release gets the same values, unless the file has changed.

    Args:
        setup: The file to set up from.
        limit: Seconds that a script may take.
        strict: Whether a script that ends with another status than 0 has failed.

    Raises:
        JobFailed: the file cannot be read or the script fails (SETUP_FAILURE), or takes too long (SETUP_TIMED_OUT).
    """
    try:
        changed = setup.stat().st_mtime_ns
    except OSError as wrong:
        raise JobFailed(ErrorCode.SETUP_FAILURE, f"{setup}: {wrong.strerror}") from wrong
    return _values_of(setup, limit, strict, changed)


@functools.lru_cache(maxsize=32)
def _values_of(setup: Path, limit: float, strict: bool, changed: int) -> Mapping[str, str]:
    del changed  # part of the key only
    return _declared(setup) if setup.name == DECLARED else _sourced(setup, limit, strict)


def _declared(setup: Path) -> dict[str, str]:
    """Read lines ``NAME=value``; blank lines and those that begin with ``#`` are left out. No shell, no quotes."""
    values = {}
    for number, line in enumerate(_text(setup).splitlines(), start=1):
        name, equals, value = line.partition("=")
        if not line.strip() or line.startswith("#"):
            continue
        if not equals or not _NAME.fullmatch(name):
            words = f"{setup}, line {number}: {line!r} is not NAME=value"
            raise JobFailed(ErrorCode.SETUP_FAILURE, words)
        values[name] = value
    return values


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as wrong:
        raise JobFailed(ErrorCode.SETUP_FAILURE, f"{path}: cannot be read: {wrong}") from wrong


def _sourced(setup: Path, limit: float, strict: bool) -> dict[str, str]:
    # Files, not pipes: what a script leaves running in the background would hold a pipe open.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        status, in_time = _run(_argv(setup, strict), setup.parent, limit, out, err)
        out.seek(0)
        values = out.read()
        if in_time and status == 0 and values:
            return _changed(values)
        said = _last_words(err)
    if not in_time:
        raise JobFailed(ErrorCode.SETUP_TIMED_OUT, f"{setup} took longer than {limit:g} s; last words: {said}")
    how = f"ended with signal {-status}" if status < 0 else f"ended with status {status}"
    if status == 0:
        how = "ended the shell that sources it; it must not call exit"
    raise JobFailed(ErrorCode.SETUP_FAILURE, f"{setup} {how}; last words: {said}")


def _argv(setup: Path, strict: bool) -> list[str]:
    return ["bash", "--noprofile", "--norc", "-c", _SOURCE, "setup", "strict" if strict else "", str(setup)]


def _run(argv: list[str], folder: Path, limit: float, out: IO[bytes], err: IO[bytes]) -> tuple[int, bool]:
    """Run a shell and end whatever it leaves; answer its status, and whether it kept its time."""
    try:
        shell = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=folder,
            env=dict(CLEAN),
            start_new_session=True,
        )
    except OSError as wrong:
        raise JobFailed(ErrorCode.SETUP_FAILURE, f"bash, in {folder}: {wrong.strerror}") from wrong
    late = threading.Event()

    def end() -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)

    def end_late() -> None:
        late.set()
        end()

    timer = threading.Timer(limit, end_late)
    timer.start()
    try:
        # Not reaped yet, so that its number, and that of its group, cannot be anybody else's when they are killed.
        os.waitid(os.P_PID, shell.pid, os.WEXITED | os.WNOWAIT)
    finally:
        timer.cancel()
        timer.join()
        end()
        status = shell.wait()
    return status, not late.is_set()


def _changed(said: bytes) -> dict[str, str]:
    """Keep what the script has set; exported functions and other shells' peculiarities are left out."""
    values = {}
    for entry in said.split(b"\0"):
        name, _, value = entry.decode("utf-8", "surrogateescape").partition("=")
        if _NAME.fullmatch(name) and name not in _OF_THE_SHELL and CLEAN.get(name) != value:
            values[name] = value
    return values


def _last_words(file: IO[bytes]) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _LAST_WORDS))
    lines = [line.strip() for line in file.read().decode("utf-8", "replace").splitlines()]
    said = " | ".join([line for line in lines if line][-3:])
    return "".join(letter if letter.isprintable() else " " for letter in said) or "it wrote nothing"
