"""Several copies at once: turns that all jobs of a pilot share, in the order in which they are asked for."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Callable, Generic, Optional, TypeVar

from pilot.copytool.base import Cancel, CopyCancelled, CopyFailed, Deadline, FailureKind

T = TypeVar("T")
R = TypeVar("R")


class Turns:
    """At most ``count`` copies at the same time; who has waited longest is next."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._free, self._lock = count, threading.Lock()
        self._waiting: deque[threading.Event] = deque()

    @contextlib.contextmanager
    def one(self, deadline: Deadline, cancel: Cancel) -> Iterator[None]:
        """Have a turn for a while.

        Raises:
            CopyFailed: none came within the deadline.
            CopyCancelled: it was given up before it came.
        """
        self._take(deadline, cancel)
        try:
            yield
        finally:
            self._give_back()

    def _take(self, deadline: Deadline, cancel: Cancel) -> None:
        if cancel:
            raise CopyCancelled
        mine = threading.Event()
        with self._lock:
            if self._free:
                self._free -= 1
                return
            self._waiting.append(mine)
        with cancel.doing(mine.set):
            mine.wait(deadline.left())
        with self._lock:
            came = mine not in self._waiting
            if not came:
                self._waiting.remove(mine)
        if came:
            return
        if cancel:
            raise CopyCancelled
        raise CopyFailed(FailureKind.TIMEOUT, f"its turn did not come: {self.count} copies at once take all the time")

    def _give_back(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1


def each(items: Sequence[T], do: Callable[[T], R], count: int) -> list[R]:
    """Do something with each item, with up to so many threads, and answer what came of them in their order.

    What one raises is raised when all that was begun has ended; nothing more is begun then.
    """
    if len(items) <= 1 or count <= 1:
        return [do(item) for item in items]
    work = _Work(items, do)
    threads = [threading.Thread(target=work.run, name="copy", daemon=True) for _ in range(min(count, len(items)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if work.wrong:
        raise work.wrong[0]
    return [work.found[place] for place in range(len(items))]


class _Work(Generic[T, R]):
    """What several threads do together."""

    def __init__(self, items: Sequence[T], do: Callable[[T], R]) -> None:
        self.found: dict[int, R] = {}
        self.wrong: list[BaseException] = []
        self._items, self._do = items, do
        self._left, self._lock = iter(range(len(items))), threading.Lock()

    def run(self) -> None:
        """Do what is left, one after the other."""
        while (place := self._next()) is not None:
            try:
                self.found[place] = self._do(self._items[place])
            except BaseException as raised:  # noqa: BLE001  raised again by whoever waits for all
                self.wrong.append(raised)

    def _next(self) -> Optional[int]:
        with self._lock:
            return None if self.wrong else next(self._left, None)
