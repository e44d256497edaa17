"""How one copy is carried out, whatever the protocol: aside, verified, and then under its name. Run apart."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from server.storage.base import StorageUnavailable


class CopyRefused(Exception):
    """A copy cannot be made; the words say why."""


class Tool(ABC):
    """One protocol, by which storages copy from each other. Sizes are bytes, checksums ``adler32:xxxxxxxx``.

    A method raises `CopyRefused`, or `StorageUnavailable` when nobody answered.
    """

    @abstractmethod
    def size(self, url: str) -> int | None:
        """Say how large a file is; ``None`` where there is none."""

    @abstractmethod
    def checksum(self, url: str) -> str | None:
        """Have the storage compute a file's checksum; ``None`` when it does not."""

    @abstractmethod
    def copy(self, source: str, target: str) -> Iterator[int]:
        """Have a file copied, over what may be there, and yield how many bytes have arrived, now and then."""

    @abstractmethod
    def rename(self, before: str, after: str) -> None:
        """Give a file another name, which no other file has."""

    @abstractmethod
    def remove(self, url: str) -> None:
        """Remove a file, if there is one."""


def carry_out(tool: Tool, source: str, target: str, aside: str, size: int | None, checksum: str) -> Iterator[Any]:
    """Copy one file; yield ``{"moved": bytes}``, and at the end ``{"done": checksum}`` or ``{"failed": words}``.

    Args:
        tool: Who can.
        source: From where.
        target: To where. What is there already and is the same file is taken for this copy's own.
        aside: The target's name until it is verified; what is there is of an earlier try.
        size: What is to arrive, in bytes, if the caller knows; else what the source has.
        checksum: The same; nothing when the caller does not know.
    """
    try:
        size, checksum = _expect(tool, source, size, checksum)
        there = tool.size(target) is not None
        if not there:
            yield from ({"moved": moved} for moved in tool.copy(source, aside))
            _compare(tool, aside, size, checksum, "what has arrived is not what was sent")
            there = tool.size(target) is not None  # somebody may have been faster
            if not there:
                tool.rename(aside, target)
        if there:
            clean(tool, aside)
            _compare(tool, target, size, checksum, f"there is another file at {target}")
        yield {"moved": size, "done": checksum}
    except CopyRefused as wrong:
        yield {"failed": str(wrong)}
        clean(tool, aside)


def moving(pieces: Iterable[Any], patience: float, clock: Callable[[], float] = time.monotonic) -> Iterator[Any]:
    """Pass on what is told of a copy, as long as it comes further: a tool tells of one that hangs, too.

    Raises:
        StorageUnavailable: for so many seconds no byte has come.
    """
    best, since = 0, clock()
    for piece in pieces:
        if piece.get("moved", 0) > best or "moved" not in piece or "done" in piece:
            best, since = max(best, piece.get("moved", 0)), clock()
        elif clock() - since > patience:
            raise StorageUnavailable(f"no byte has come for {patience:.0f} s, after {best} bytes")
        yield piece


def clean(tool: Tool, aside: str) -> None:
    """Remove what a copy has left aside, if that can be done."""
    try:
        tool.remove(aside)
    except CopyRefused:
        return  # the next try copies over it


def _expect(tool: Tool, source: str, size: int | None, checksum: str) -> tuple[int, str]:
    """Look at the source; answer what has to arrive."""
    there = tool.size(source)
    if there is None:
        raise CopyRefused(f"absent: there is no {source}")
    if size is not None and there != size:
        raise CopyRefused(f"size differs: {source} has {there} bytes, {size} were expected")
    found = checksum or tool.checksum(source)
    if not found:
        raise CopyRefused(
            f"{source}: its storage tells no checksum, and none was given; the copy could not be verified"
        )
    return there, found


def _compare(tool: Tool, url: str, size: int, checksum: str, words: str) -> None:
    there = tool.size(url)
    if there != size:
        raise CopyRefused(f"{words}: {there} bytes instead of {size}")
    found = tool.checksum(url)
    if found != checksum:
        raise CopyRefused(f"{words}: checksum differs: {found or 'none'} instead of {checksum}")
