"""Copies from folder to folder of this machine, for storages that are folders. Run apart."""

from __future__ import annotations

import errno
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from server.storage.movers.steps import CopyRefused, Tool, carry_out, clean

#: Bytes copied before somebody is told.
BLOCK = 2**24


class LocalTool(Tool):
    """By reading and writing."""

    def size(self, url: str) -> int | None:
        path = _path(url)
        if path.is_symlink():  # which could lead anywhere, as to what only the server may read
            raise CopyRefused(f"{url} is a symbolic link, which is not followed")
        if path.is_dir():
            raise CopyRefused(f"{url} is a folder")
        return path.stat().st_size if path.is_file() else None

    def checksum(self, url: str) -> str | None:
        value = 1
        try:
            with _path(url).open("rb") as file:
                while block := file.read(BLOCK):
                    value = zlib.adler32(block, value)
        except OSError as wrong:
            raise CopyRefused(f"{url}: {wrong.strerror}") from wrong
        return f"adler32:{value:08x}"

    def copy(self, source: str, target: str) -> Iterator[int]:
        moved = 0
        try:
            _path(target).parent.mkdir(parents=True, exist_ok=True)
            with _path(source).open("rb") as reader, _path(target).open("wb") as writer:
                while block := reader.read(BLOCK):
                    writer.write(block)
                    moved += len(block)
                    yield moved
                writer.flush()
                os.fsync(writer.fileno())
        except OSError as wrong:
            raise CopyRefused(f"{wrong.filename or target}: {wrong.strerror}") from wrong

    def rename(self, before: str, after: str) -> None:
        try:
            _rename(_path(before), _path(after))
        except OSError as wrong:
            raise CopyRefused(f"{after}: {wrong.strerror}") from wrong

    def remove(self, url: str) -> None:
        try:
            _path(url).unlink(missing_ok=True)
        except OSError as wrong:
            raise CopyRefused(f"{url}: {wrong.strerror}") from wrong


def _rename(before: Path, after: Path) -> None:
    """Rename a file, but not over another one, as the system's own call would."""
    try:
        os.link(before, after)
    except OSError as wrong:
        if wrong.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK):  # a file system without second names
            raise
        before.rename(after)
    else:
        before.unlink()


def _path(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))


def copy(order: dict[str, Any], patience: int) -> Iterator[Any]:
    """Carry out one copy."""
    yield from carry_out(LocalTool(), **order)


def clear(aside: str, patience: int) -> Iterator[Any]:
    """Remove what a copy that was given up has left."""
    clean(LocalTool(), aside)
    yield {}
