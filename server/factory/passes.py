"""The pass of a queue's pilots, in a file that they read anew for each request: written again long before it ends."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from server.accounts import logic as accounts
from server.accounts.logic import TokenRefused
from server.factory.launch import CannotLaunch

#: A pass is followed by another one when so much of its time is over; a stopped factory leaves pilots the rest.
AGE = 0.25


def token_of(queue: str) -> str:
    """Name the token that passes for a queue's pilots are made from; to revoke it ends them all."""
    return f"factory@{queue}"


def pass_file(folder: Path, queue: str, *, lifetime: timedelta, now: datetime) -> Path:
    """Answer the file with a pass for a queue's pilots that is good for most of ``lifetime``.

    Raises:
        CannotLaunch: the queue's token was revoked, or the file cannot be written.
    """
    path = folder / f"{queue}.token"
    try:
        if not _is_fresh(path, lifetime, now):
            _write(path, lambda: _make(queue, lifetime))
    except OSError as error:
        raise CannotLaunch(f"{path}: {error.strerror}; make room there, and let the server write to it") from error
    return path


def _is_fresh(path: Path, lifetime: timedelta, now: datetime) -> bool:
    try:
        age = now.timestamp() - path.stat().st_mtime
    except FileNotFoundError:
        return False
    return 0 <= age < AGE * lifetime.total_seconds()


def _make(queue: str, lifetime: timedelta) -> str:
    name = token_of(queue)
    accounts.ensure_pilot_token(name, queue)
    try:
        return accounts.make_pass(name, lifetime=lifetime)
    except TokenRefused as refused:
        raise CannotLaunch(f"the token {name} has ended, no pilots are started for {queue}: {refused}") from refused


def _write(path: Path, make: Callable[[], str]) -> None:
    """Put another pass in the place of the old one; a pilot reads the one or the other, and nobody else either."""
    text = make()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Two may renew it at the same time; the later one stays.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # its mode is 0600
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text + "\n")
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)  # there only if it did not come into its place
