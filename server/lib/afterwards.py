"""What is written down a moment later, in batches, by a thread of its own: who says it never waits for it.

Each process has its own; after a fork the child begins with none. What cannot be written is kept, up to a limit, and
written when it can be.
"""

from __future__ import annotations

import atexit
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import util
from typing import Generic, TypeVar

from django.db import connections

T = TypeVar("T")

#: Seconds for which things are gathered before they are written: so much a killed process loses.
EVERY = 0.5
#: Seconds between two tries where writing fails, at most.
PATIENCE = 30.0


class Afterwards(Generic[T]):
    """Things on their way to where they are written. ``put`` may be called from signal handlers and log handlers."""

    def __init__(
        self,
        name: str,
        write: Callable[[list[T]], None],
        *,
        most: int = 1000,
        every: float = EVERY,
        fold: Callable[[list[T]], list[T]] = list,
    ) -> None:
        """Nothing is written before ``start``.

        Args:
            name: The thread's.
            write: Writes a batch; what it raises has the batch kept.
            most: Things that are kept. Where more come, the oldest are lost, and counted.
            every: Seconds for which things are gathered.
            fold: Makes one of several things that are alike, so that more of them can be kept.
        """
        self._name, self._write, self._most, self._every, self._fold = name, write, most, every, fold
        self.lost = 0
        self._started = False
        self._afresh()
        os.register_at_fork(after_in_child=self._afresh)

    def _afresh(self) -> None:
        self._items: deque[T] = deque(maxlen=self._most)
        self._kept: list[T] = []
        # Its put may be interrupted by itself, which that of a queue with a lock may not.
        self._calls: queue.SimpleQueue[threading.Event | None] = queue.SimpleQueue()
        self._called = False
        self._thread: threading.Thread | None = None
        self._beginning = threading.Lock()
        self._writing = threading.Lock()

    def start(self) -> None:
        """Have what is put written, from now on, and what is left at the end of the process."""
        if not self._started:
            self._started = True
            atexit.register(self.flush)
            util.Finalize(None, self.flush, exitpriority=100)  # a process that another one has forked ends by these
        if self._items:
            self._call()

    def put(self, thing: T) -> None:
        """Take something; never waits, and raises nothing."""
        if len(self._items) >= self._most:
            self.lost += 1
        self._items.append(thing)
        if self._started:
            self._call()
            if len(self._items) == max(self._most // 2, 1):
                self._calls.put(None)  # no more time to gather

    def _call(self) -> None:
        if self._thread is None:
            self._begin()
        if not self._called:
            self._called = True
            self._calls.put(None)

    def _begin(self) -> None:
        if not self._beginning.acquire(blocking=False):
            return  # somebody else does
        try:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                with suppress(RuntimeError):  # at the end of the process none begins
                    thread.start()
                    self._thread = thread
        finally:
            self._beginning.release()

    def flush(self, within: float = 2.0) -> bool:
        """Have all that was put written now, for so many seconds; say whether it was."""
        thread = self._thread
        if thread is None or not thread.is_alive() or thread is threading.current_thread():
            return self._turn()
        done = threading.Event()
        self._calls.put(done)
        return done.wait(within) and not self._kept

    def _run(self) -> None:
        wait: float | None = None
        while True:
            asked = self._next(wait)
            if asked is None and not self._kept:
                asked = self._next(self._every)  # more may come meanwhile
            self._called = False
            wrote = self._turn()
            connections.close_all()
            wait = None if wrote else min(2 * (wait or self._every), PATIENCE)
            if asked is not None:
                asked.set()

    def _next(self, wait: float | None) -> threading.Event | None:
        """Wait until something was put, or somebody asks for it to be written; after a failure for the latter alone."""
        until = None if wait is None else time.monotonic() + wait
        while True:
            left = None if until is None else max(0.0, until - time.monotonic())
            try:
                asked = self._calls.get(timeout=left)
            except queue.Empty:
                return None
            if asked is not None or not self._kept:
                return asked
            self._gather()  # what is alike takes one place, while it cannot be written

    def _gather(self) -> None:
        taken = self._kept
        while self._items:
            taken.append(self._items.popleft())
        taken = self._fold(taken)
        self.lost += max(0, len(taken) - self._most)
        self._kept = taken[-self._most :]

    def _turn(self) -> bool:
        """Write what there is; say whether nothing is left."""
        with self._writing:
            self._gather()
            if self._kept:
                # Whatever it is: it is tried again, and the log has been told by whoever put these.
                with suppress(Exception):
                    self._write(self._kept)
                    self._kept = []
            return not self._kept
