"""The key that signs passes and sessions, and how it is changed without a break: for a while two are believed.

The file in the server's home has a key in each line. The first signs, all are believed; `compass-server serve` reads
them when it starts.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

#: Keys in a file, at most: one that comes, one that is used, and one that goes.
MOST = 3


class KeyRefused(ValueError):
    """This step cannot be done now; the text says which can."""


def new_key() -> str:
    """Make a key."""
    return secrets.token_urlsafe(48)


def add(path: Path) -> None:
    """Add a key that is believed from the next start on, and signs nothing yet.

    Raises:
        KeyRefused: there is no file, or it is full.
    """
    keys = _keys_in(path)
    if len(keys) >= MOST:
        raise KeyRefused(f"{path} has {len(keys)} keys; drop the old ones first")
    _write(path, [*keys, new_key()])


def use(path: Path) -> None:
    """Sign with the key that was added last, from the next start on; the others are still believed.

    Raises:
        KeyRefused: there is no other key.
    """
    *others, last = _keys_in(path)
    if not others:
        raise KeyRefused(f"{path} has one key, which is used; add another one first")
    _write(path, [last, *others])


def drop(path: Path) -> int:
    """Believe the key alone that signs, from the next start on; answer how many others there were.

    Raises:
        KeyRefused: there is no file.
    """
    first, *others = _keys_in(path)
    _write(path, [first])
    return len(others)


def _keys_in(path: Path) -> list[str]:
    keys = path.read_text().split() if path.is_file() else []
    if not keys:
        raise KeyRefused(f"{path} holds no key; run `compass-server init` first")
    return keys


def _write(path: Path, keys: list[str]) -> None:
    """Put another file in the place of the old one; whoever reads finds the one or the other."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write("".join(f"{key}\n" for key in keys))
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
