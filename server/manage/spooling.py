"""A body too large for memory: it comes into a file without a name, so that nothing of it outlives the worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import IO, Protocol

#: Bytes that are collected before they are written.
BLOCK = 2**20

#: Bytes a second that have to come, beside the time that any body has.
SLOWEST = 2**18


class Connection(Protocol):
    """Gives the parts of a body as they come."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...


class WrongLength(Exception):
    """A body has more or fewer bytes than it was said to have; ``found`` so many had come."""

    def __init__(self, found: int) -> None:
        super().__init__(found)
        self.found = found


async def spool(connection: Connection, file: IO[bytes], told: int, *, patience: float) -> None:
    """Write a body into a file, and go back to the file's beginning. The disk is waited for in another thread.

    Args:
        connection: Where the body comes from.
        file: Where it goes to.
        told: Its bytes.
        patience: Seconds in which it has to come, beside those that its length takes.

    Raises:
        TimeoutError: it comes too slowly.
        WrongLength: it was not as long as was told.
        OSError: it cannot be written.
    """
    block, found = bytearray(), 0
    async with asyncio.timeout(patience + told / SLOWEST):
        async for part in connection:
            found += len(part)
            if found > told:
                raise WrongLength(found)
            block += part
            if len(block) >= BLOCK:
                await asyncio.to_thread(file.write, bytes(block))
                block.clear()
    if found < told:
        raise WrongLength(found)
    await asyncio.to_thread(file.write, bytes(block))
    file.seek(0)
