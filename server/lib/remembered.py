"""What a worker process remembers for a short while, so that it need not ask the database for every request."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """Answers of ``look_up``, each believed for ``seconds``; what it raises is not remembered."""

    def __init__(self, look_up: Callable[[K], V], *, seconds: float, most: int = 1000) -> None:
        self._look_up = look_up
        self.seconds = seconds
        self._most = most
        self._known: dict[K, tuple[float, V]] = {}

    def of(self, key: K) -> V:
        now = time.monotonic()
        found = self._known.get(key)
        if found is not None and now < found[0]:
            return found[1]
        value = self._look_up(key)
        if len(self._known) >= self._most:
            self.forget()
        self._known[key] = (now + self.seconds, value)
        return value

    def forget(self) -> None:
        """Ask anew from now on."""
        self._known.clear()
