"""Setting up a release: its script is sourced once in a clean shell, and what came out is kept as values."""

from __future__ import annotations

import functools
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.job import PayloadCommand
from pilot.user.compass.release import DECLARED
from pilot.user.output import last_lines

#: A shell begins with these and nothing else of the pilot's: no token, no proxy, no habits of the node's user.
CLEAN: Mapping[str, str] = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/"}
#: The largest file that a script may write, its output among them, in bytes: one that prints for ever fills no disk.
LARGEST_FILE = 2**26
#: Constant: the script's path is the shell's own name. What the script prints goes to the shell's errors.
_SOURCE = 'ulimit -f {file}; exec 77>&1 >&2; . "$0"{or_end}; exec /usr/bin/env -0 >&77'
#: What a shell sets for itself.
_OF_THE_SHELL = frozenset(["_", "PWD", "OLDPWD", "SHLVL"])
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
#: How much of the end of what a script wrote is looked at for its last words, in bytes.
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
    from pilot.runtime import process

    # Its keeper ends all that the script starts, daemons too, and everything when the pilot is killed meanwhile.
    with tempfile.TemporaryDirectory(prefix="compass-setup-") as name:
        out, err = Path(name, "stdout"), Path(name, "stderr")
        try:
            outcome = process.start(_command(setup, strict), stdout=out, stderr=err).wait(limit)
        except JobFailed as wrong:
            raise JobFailed(ErrorCode.SETUP_FAILURE, f"{setup}: {wrong.detail}") from wrong
        if outcome.well and (values := out.read_bytes()):
            return _changed(values)
        said = last_lines(err, most=_LAST_WORDS) or "it wrote nothing"
    if outcome.late:
        raise JobFailed(ErrorCode.SETUP_TIMED_OUT, f"{setup} took longer than {limit:g} s; last words: {said}")
    how = f"ended with status {outcome.status}" if outcome.signal is None else f"ended with signal {outcome.signal}"
    if outcome.well:
        how = "ended the shell that sources it; it must not call exit"
    raise JobFailed(ErrorCode.SETUP_FAILURE, f"{setup} {how}; last words: {said}")


def _command(setup: Path, strict: bool) -> PayloadCommand:
    text = _SOURCE.format(file=LARGEST_FILE // 1024, or_end=" || exit" if strict else "")
    return PayloadCommand(("bash", "--noprofile", "--norc", "-c", text, str(setup)), CLEAN, setup.parent)


def _changed(said: bytes) -> dict[str, str]:
    """Keep what the script has set; exported functions and other shells' peculiarities are left out."""
    values = {}
    for entry in said.split(b"\0"):
        name, _, value = entry.decode("utf-8", "surrogateescape").partition("=")
        if _NAME.fullmatch(name) and name not in _OF_THE_SHELL and CLEAN.get(name) != value:
            values[name] = value
    return values
