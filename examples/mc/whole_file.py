"""Writing a file so that its name appears only when all of it is there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import PayloadFailed


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """Give a temporary path beside ``target``; rename it to ``target`` if the block ends well, else remove it.

    A program that is killed outright leaves ``.NAME.part``, which nothing takes for an output.
    """
    if not target.parent.is_dir():
        raise PayloadFailed(f"{target}: the folder {target.parent} does not exist", "make it first")
    part = target.with_name(f".{target.name}.part")
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
