"""Calls callbacks in a thread of their own: one call at a time, in order, and to the end."""

from __future__ import annotations

import queue
import threading
from typing import Callable, Optional, TypeVar

T = TypeVar("T")


class Teller:
    """The thread, which a program that ends waits for; where there is ``nobody`` to be told, there is none."""

    def __init__(self, *, nobody: bool) -> None:
        self._calls: queue.SimpleQueue[Optional[tuple[Callable[..., object], object]]] = queue.SimpleQueue()
        self._settled = threading.Event()
        #: What a callback has raised first.
        self.wrong: Optional[BaseException] = None
        if nobody:
            self._settled.set()
        else:
            # No executor, which takes no calls any more when the main thread has ended.
            threading.Thread(target=self._run, name="stage-told", daemon=False).start()

    def tell(self, callback: Callable[[T], object], value: T) -> None:
        """Have a callback called; returns at once."""
        self._calls.put((callback, value))

    def close(self) -> None:
        """Say that nothing more is to be told; the thread ends when it has told all."""
        self._calls.put(None)

    def wait(self, seconds: Optional[float]) -> bool:
        """Wait until all is told, or a callback has raised; false when it was not within so many seconds."""
        return self._settled.wait(seconds)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                callback, value = call
                callback(value)
            except BaseException as raised:  # noqa: BLE001  raised again by whoever waits for all
                self.wrong = raised if self.wrong is None else self.wrong
                self._settled.set()
        self._settled.set()
