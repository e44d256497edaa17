"""The program's standard streams: batch systems close them, readers go away, disks are full, and a pilot goes on."""

from __future__ import annotations

import io
import os
import sys


def ensure() -> None:
    """Open the null device where a stream is closed: else a file or connection of the pilot would take its number.

    Whatever is printed can be.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, which is this one
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            setattr(sys, name, open(number, mode, encoding="utf-8", errors="replace", closefd=False))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # as of stderr: a name may hold what its encoding does not


def tell(words: str) -> None:
    """Write a line to standard error, if that can be written."""
    try:
        sys.stderr.write(f"{words}\n")
        sys.stderr.flush()
    except OSError:
        _drop(2)


def say(words: str, status: int) -> int:
    """Write a program's last line; answer its exit status."""
    tell(f"pilot: {words} (exit status {status})")
    return status


def deliver() -> None:
    """Write out what was printed; a reader that has gone away, as ``head`` does, has had enough.

    Raises:
        OSError: it could not be written for another reason.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _drop(1)
    except OSError:
        _drop(1)
        raise


def _drop(number: int) -> None:
    """Send what comes after to nobody: what could not be written is tried again when the interpreter ends."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, number)
    os.close(null)
