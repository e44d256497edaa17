"""Hands ranges to workers that wait for them, the longest waiting first; knows how long ranges take."""

from __future__ import annotations

import json
from collections import deque
from typing import Callable

from pilot.api.event_client import NO_MORE
from pilot.eventservice.book import Book
from pilot.eventservice.door import Worker
from pilot.eventservice.ranges import Held, State

#: No job has more requests of workers at a time.
MOST_WAITING = 10_000


class Handing:
    """Part of the exchange, in its thread."""

    def __init__(self, book: Book, clock: Callable[[], float]) -> None:
        self._book, self._clock = book, clock
        self._waiting: deque[tuple[Worker, int]] = deque()
        self._given_at: dict[str, float] = {}
        #: How long the slowest range has taken, in seconds.
        self.slowest = 0.0

    def wait(self, worker: Worker, wanted: int) -> bool:
        """Take a worker that is ready for so many ranges at most; False when too many wait."""
        if len(self._waiting) >= MOST_WAITING:
            return False
        self._waiting.append((worker, wanted))
        return True

    def forget(self, worker: Worker) -> None:
        """Take it that a worker has hung up: nothing is handed to it."""
        self._waiting = deque((other, wanted) for other, wanted in self._waiting if other is not worker)

    def serve(self, *, closed: bool, dry: bool) -> None:
        """Hand out what there is; when no more will come, say so.

        ``closed``: nothing is handed out any more, whatever there is. ``dry``: the server has no more.
        """
        while self._waiting:
            stock = self._book.count(State.READY)
            if closed or (dry and not stock):
                for worker, _ in self._waiting:
                    worker.say(NO_MORE)
                self._waiting.clear()
            elif not stock:
                return
            else:
                self._hand_out(*self._waiting.popleft())

    def _hand_out(self, worker: Worker, wanted: int) -> None:
        given = self._book.give(wanted)
        if worker.say(json.dumps([_described(held) for held in given])):
            self._given_at.update({held.id: self._clock() for held in given})
        else:
            self._book.take_back([held.id for held in given])

    def ended(self, range_id: str) -> float:
        """Take it that a range has ended; answer the seconds since it was handed out."""
        seconds = self._clock() - self._given_at.pop(range_id, self._clock())
        self.slowest = max(self.slowest, seconds)
        return seconds


def _described(held: Held) -> dict[str, object]:
    """Describe a range in the server's own words."""
    return dict(held.range.said) or {"eventRangeID": held.id}
