"""What batch systems that keep files of their jobs do alike with a disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from server.batch.base import BatchFailed


def last_line(path: Path) -> str:
    """Answer what the batch system, or the shell, wrote last for a job that never began."""
    try:
        lines = path.read_text(errors="replace").strip().splitlines()
    except FileNotFoundError:
        return ""
    return lines[-1][-300:] if lines else ""


@contextmanager
def on_disk(what: str) -> Iterator[None]:
    """Make a disk that refuses a failure of the batch system."""
    try:
        yield
    except OSError as error:
        raise BatchFailed(f"{what}: {error}") from error
