"""An inbox that can be waited for together with sockets and other descriptors."""

from __future__ import annotations

import contextlib
import os
import queue
import select
from typing import TYPE_CHECKING, Any, Optional, Protocol

#: Nobody waits longer in one go, in seconds: the kernel takes no number that is much larger.
LONGEST = 86400.0

if TYPE_CHECKING:
    Inbox = queue.Queue[Any]
else:
    Inbox = queue.Queue


class Descriptor(Protocol):
    """What the kernel can wait for."""

    def fileno(self) -> int:
        """Its number."""


class Waking(Inbox):
    """A queue whose reader waits for other things too. One thread reads; a descriptor pair is held until `close`."""

    def __init__(self) -> None:
        super().__init__()
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def put(self, item: Any, block: bool = True, timeout: Optional[float] = None) -> None:
        """Take one item, and wake the reader."""
        super().put(item, block, timeout)
        with self.mutex, contextlib.suppress(OSError):  # full: it will wake anyway; closed: nobody reads any more
            os.write(self._write, b"\0")

    def wait(self, others: list[Descriptor], timeout: Optional[float]) -> list[Descriptor]:
        """Wait until there is an item, one of the others can be read, or so many seconds are over.

        Answers which of the others can be read. It may be over sooner: after a day.
        """
        poll = select.poll()
        by_number = {other.fileno(): other for other in others}
        for number in (self._read, *by_number):
            poll.register(number, select.POLLIN)
        ready = poll.poll(None if timeout is None else min(max(0.0, timeout), LONGEST) * 1000)
        with contextlib.suppress(BlockingIOError):
            while os.read(self._read, 4096):
                pass
        return [by_number[number] for number, _ in ready if number in by_number]

    def close(self) -> None:
        """Give the descriptors back; their numbers may at once be those of others' files."""
        with self.mutex:
            reading, writing = self._read, self._write
            self._read = self._write = -1
        for number in (reading, writing):
            with contextlib.suppress(OSError):
                os.close(number)
