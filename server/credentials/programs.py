"""Runs a program that makes a credential: an argument list, a clean environment, a folder of its own, a time limit."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from server.credentials.proofs import MOST
from server.lib.short_files import NoShortText, read_short

#: Stands among the arguments for the file that the program is to write.
OUTPUT = "{output}"

#: Seconds that a program may take.
PATIENCE = 60.0

#: What a program finds of the server's environment: where things are, and nothing that the server was given.
_KEPT = ("PATH", "HOME", "LANG", "X509_CERT_DIR", "X509_VOMS_DIR", "VOMS_USERCONF", "OIDC_SOCK", "XDG_RUNTIME_DIR")


class ProgramFailed(Exception):
    """A program gave nothing; the words say why, and hold nothing that it wrote."""


def refuse_others(command: Sequence[Any], allowed: Collection[str]) -> None:
    """Let only programs run that who runs the server has named: the admin's pages start no others.

    Raises:
        ProgramFailed: this is not one of them, or is no list of texts.
    """
    if not command or not all(isinstance(word, str) and word and "\0" not in word for word in command):
        raise ProgramFailed("the command is not a list of texts, the program's path first")
    if command[0] not in allowed:
        named = ", ".join(sorted(allowed)) or "none"
        text = f"{command[0][:100]} is not among COMPASS_SERVER_CREDENTIAL_PROGRAMS, which names {named}"
        raise ProgramFailed(text)


def run(command: Sequence[str], *, patience: float = PATIENCE) -> str:
    """Run a program, and answer what it wrote; with all its processes it is ended after ``patience`` seconds.

    Raises:
        ProgramFailed: it could not be started, failed, took too long or wrote nothing of use.
    """
    with tempfile.TemporaryDirectory(prefix="compass-credential-") as folder:  # mode 0700
        written, spoken = Path(folder) / "output", Path(folder) / "spoken"
        argv = [word.replace(OUTPUT, str(written)) for word in command]
        _run(argv, spoken, folder, patience)
        return _read(written if any(OUTPUT in word for word in command) else spoken)


def _run(argv: Sequence[str], spoken: Path, folder: str, patience: float) -> None:
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    with os.fdopen(os.open(spoken, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as output:
        try:
            program = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.DEVNULL,
                cwd=folder,
                env=environment,
                umask=0o077,
                start_new_session=True,
            )
        except (OSError, ValueError) as wrong:
            raise ProgramFailed(f"{argv[0]} cannot be run: {getattr(wrong, 'strerror', None) or wrong}") from wrong
        try:
            status = program.wait(patience)
        except subprocess.TimeoutExpired:
            raise ProgramFailed(f"{argv[0]} was ended after {patience:g} s; it may have asked for something") from None
        finally:
            _end(program)
    if status:
        raise ProgramFailed(f"{argv[0]} ended with status {status}; run it by hand as the server's user to see why")


def _end(program: subprocess.Popen[bytes]) -> None:
    """End what is left of the program's session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(program.pid, signal.SIGKILL)
    program.wait()


def _read(path: Path) -> str:
    try:
        return read_short(str(path), most=MOST)
    except OSError as wrong:
        raise ProgramFailed(f"it wrote no file: {wrong.strerror}") from None
    except NoShortText as wrong:
        raise ProgramFailed(f"what it wrote {wrong}") from None
