"""Files by which two programs talk: written whole or not at all, and read without trust in the other's manners."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any, Optional

from pilot.site import whole_file

#: What is longer than this is no message, in bytes.
LONGEST = 64 * 2**20
#: The other program may run as somebody else.
READABLE = 0o644
#: What may hold secrets, and is the pilot's alone.
PRIVATE = 0o600


def write(path: Path, text: str, mode: int = READABLE) -> None:
    """Put a file in its place in one step: whoever looks finds the one before, or this one whole.

    Raises:
        OSError: it could not be written; what was there before is untouched.
    """
    whole_file.write(path, text, mode)


def write_json(path: Path, value: Any, mode: int = READABLE) -> None:
    """Write a value as JSON, likewise."""
    write(path, json.dumps(value, indent=1, sort_keys=False) + "\n", mode)


def read(path: Path) -> Optional[str]:
    """Answer what a file holds; ``None`` when there is no such file.

    Raises:
        OSError: it cannot be read, is no text, or is too long.
    """
    try:
        with path.open("rb") as file:
            found = file.read(LONGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if len(found) > LONGEST:
        raise OSError(f"{path} is longer than {LONGEST} bytes")
    try:
        return found.decode("utf-8")
    except UnicodeDecodeError as wrong:
        raise OSError(f"{path} is no text: {wrong}") from wrong


def read_json(path: Path) -> Optional[Any]:
    """Answer a file's value; ``None`` when it is not there, or not whole: somebody may be writing it just now.

    Raises:
        OSError: it cannot be read.
    """
    text = read(path)
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return None


def remove(path: Path) -> None:
    """Remove a file; one that is not there is no failure."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        path.unlink()
