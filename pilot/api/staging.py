"""Several files on their way at once: who moves them, how far they are, how each of them ended."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Callable, Optional

from pilot.api.staged import FileResult, Progress, Results, State
from pilot.api.telling import Teller
from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec
from pilot.contract.named import NamedTuple
from pilot.copytool.base import Cancel

#: Called with how far it is, whenever a file begins or ends.
OnProgress = Callable[[Progress], object]
#: Called with what became of a file, as soon as it has ended.
OnFile = Callable[[FileResult], object]


class Item(NamedTuple):
    """A file, and the folder of this machine that it comes to or lies in; ``own`` is where it is while it comes."""

    file: FileSpec
    folder: Path
    own: Optional[Path] = None


#: Moves one file, and answers how that went. What it raises is a fault of the copy tool or of the pilot.
Move = Callable[[Item, Cancel], FileResult]


class Staging:
    """Files on their way, begun by `StageIn.start` or `StageOut.start`. May be asked from any thread.

    As a context manager it is cancelled, and waited for, when its block is left before all files have ended.
    """

    def __init__(
        self,
        items: Sequence[Item],
        move: Move,
        *,
        at_once: int,
        arriving: Callable[[Item], int] = lambda _: 0,
        on_progress: Optional[OnProgress] = None,
        on_file: Optional[OnFile] = None,
        cancel: Optional[Cancel] = None,
    ) -> None:
        self._items, self._move, self._arriving = items, move, arriving
        self._on_progress, self._on_file = on_progress, on_file
        self._cancel = Cancel() if cancel is None else cancel
        self._lock, self._over = threading.Lock(), threading.Event()
        self._results: dict[int, FileResult] = {}
        self._moving: dict[int, Item] = {}
        self._well, self._moved = 0, 0
        self._began = time.monotonic()
        self._total = _total(items)
        self._process = os.getpid()
        self._left = iter(range(len(items)))
        # A callback that takes its time holds up the other callbacks, and no copy.
        self._teller = Teller(nobody=on_progress is None and on_file is None)
        self._begin(min(at_once, len(items)))

    def progress(self) -> Progress:
        """Say how far it is. That costs little: ask as often as you like."""
        with self._lock:
            return self._snapshot()

    def done(self) -> bool:
        """Say whether every file has come to its end, well or not."""
        return self._over.is_set()

    def result(self, timeout: Optional[float] = None) -> Results:
        """Wait until every file has come to its end, for at most ``timeout`` seconds, and answer what became of each.

        Raises:
            TimeoutError: it is not over yet; it goes on.
            RuntimeError: this process was forked from the one that moves the files.
            Exception: whatever a callback has raised first. The files have been staged nevertheless.
        """
        self._need_process()
        until = None if timeout is None else time.monotonic() + timeout
        if not self._over.wait(timeout):
            raise TimeoutError(f"{self._to_come()} of {len(self._items)} files are still on their way")
        told = self._teller.wait(None if until is None else max(0.0, until - time.monotonic()))
        if self._teller.wrong is not None:
            raise self._teller.wrong
        if not told:
            raise TimeoutError("all files have ended, a callback has not")
        return Results(self._results[at] for at in range(len(self._items)))

    def cancel(self) -> None:
        """Ask all that is on its way to give up, and what has not begun not to begin. Returns at once.

        Raises:
            RuntimeError: this process was forked from the one that moves the files.
        """
        self._need_process()
        self._cancel.ask()

    def __enter__(self) -> Staging:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        if not self.done() and os.getpid() == self._process:
            self.cancel()
            self._over.wait()

    def _need_process(self) -> None:
        """Keep a fork from waiting for threads that it does not have, and from killing copies that are not its own."""
        if os.getpid() != self._process:
            raise RuntimeError(f"these files are moved by process {self._process}, from which this one was forked")

    def _begin(self, count: int) -> None:
        # No executor: from one a program that ends in the middle would have no new calls. As many as can be started do.
        movers = [threading.Thread(target=self._work, name="stage", daemon=False) for _ in range(count)]
        try:
            movers[0].start()
        except BaseException:  # an interrupt, too: what has started is to end, as nobody will have a handle to it
            self._cancel.ask()
            if not movers[0].is_alive():
                self._teller.close()
            raise
        with contextlib.suppress(RuntimeError):
            for mover in movers[1:]:
                mover.start()

    def _work(self) -> None:
        while (at := self._next()) is not None:
            try:
                result = self._one(at)
            except BaseException as broke:  # noqa: BLE001  whatever a copy tool raises is that file's failure
                result = _broken(self._items[at].file, broke)
            self._ended(at, result)

    def _next(self) -> Optional[int]:
        with self._lock:
            return next(self._left, None)

    def _one(self, at: int) -> FileResult:
        item = self._items[at]
        if self._cancel:
            return FileResult(item.file, State.CANCELLED, int(ErrorCode.COPY_CANCELLED), "it was not begun")
        with self._lock:
            self._moving[at] = item
            self._tell_progress()
        return self._move(item, self._cancel)

    def _ended(self, at: int, result: FileResult) -> None:
        with self._lock:
            self._moving.pop(at, None)
            self._results[at] = result
            self._well, self._moved = self._well + result.well, self._moved + result.size * result.well
            if self._on_file is not None:
                self._teller.tell(self._on_file, result)
            self._tell_progress()
            if len(self._results) == len(self._items):
                self._teller.close()
                self._over.set()

    def _tell_progress(self) -> None:
        if self._on_progress is not None:
            self._teller.tell(self._on_progress, self._snapshot())

    def _snapshot(self) -> Progress:
        moving = list(self._moving.values())
        return Progress(
            files_total=len(self._items),
            files_done=self._well,
            files_failed=len(self._results) - self._well,
            bytes_total=self._total,
            bytes_done=self._moved + sum(map(self._arriving, moving)),
            current=tuple(item.file.lfn for item in moving),
            seconds=time.monotonic() - self._began,
        )

    def _to_come(self) -> int:
        with self._lock:
            return len(self._items) - len(self._results)


def _total(items: Sequence[Item]) -> Optional[int]:
    sizes = [item.file.size for item in items]
    return None if None in sizes else sum(size for size in sizes if size is not None)


def _broken(file: FileSpec, broke: BaseException) -> FileResult:
    words = f"{type(broke).__name__}: {broke}"
    return FileResult(file, State.FAILED, int(ErrorCode.UNKNOWN_EXCEPTION), words)
