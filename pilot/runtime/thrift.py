"""Keeps a dear reading within its share of one core: done again only when what it cost last time has been saved up."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Callable


class Thrift:
    """One reading, ``share`` of one core; ``clock`` counts the time that passes, ``cost`` the processor's."""

    def __init__(
        self,
        share: float,
        clock: Callable[[], float] = time.monotonic,
        cost: Callable[[], float] = time.thread_time,
    ) -> None:
        self._share, self._clock, self._cost = share, clock, cost
        self._done, self._price = clock(), 0.0

    def affordable(self, times: float = 1.0) -> bool:
        """Say whether the time has come; for what matters, ``times`` the share may be used."""
        return self._clock() >= self._done + self._price / (self._share * times)

    @contextlib.contextmanager
    def spending(self) -> Iterator[None]:
        """Do it, and count what it costs."""
        began = self._cost()
        try:
            yield
        finally:
            self._done, self._price = self._clock(), self._cost() - began
