"""Everything that is to happen at a time: one heap, owned by the conductor."""

from __future__ import annotations

import heapq
import itertools
from typing import Optional

from pilot.control.news import News


class Timers:
    """News that fall due. Times are seconds on the conductor's clock. Nothing is taken out: late news are dropped."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, News]] = []
        self._order = itertools.count()

    def set(self, at: float, news: News) -> None:
        """Let news fall due at a time."""
        heapq.heappush(self._heap, (at, next(self._order), news))

    def next(self) -> Optional[float]:
        """Answer when something falls due next; ``None``: never."""
        return self._heap[0][0] if self._heap else None

    def due(self, now: float) -> Optional[News]:
        """Take the earliest news that are due, if any."""
        return heapq.heappop(self._heap)[2] if self._heap and self._heap[0][0] <= now else None
