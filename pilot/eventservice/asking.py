"""When further ranges are asked for, and when no more: as they are used up, as long as there is time for them."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Callable, NamedTuple, Optional

from pilot.contract.events import EventRange
from pilot.copytool.base import Cancel
from pilot.eventservice.book import Book
from pilot.eventservice.ranges import State
from pilot.job import Problem

log = logging.getLogger(__name__)


class Amounts(NamedTuple):
    """``at_once``: ranges in one request; it is sent when fewer than ``ahead`` are in stock.

    ``reserve``: seconds before the end in which none are asked for.
    """

    at_once: int
    ahead: int
    reserve: float


class Asking:
    """Part of the exchange, in its thread. ``send`` has a request sent; ``left``: the seconds that there are."""

    def __init__(
        self,
        book: Book,
        amounts: Amounts,
        send: Callable[[int, str], None],
        new_id: Callable[[], str],
        stop_asking: Cancel,
        left: Callable[[], float] = lambda: float("inf"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._book, self._amounts, self._send, self._new_id = book, amounts, send, new_id
        self._stop_asking, self._left, self._clock = stop_asking, left, clock
        self._slowest = 0.0
        #: A request has no answer yet. There is one at a time: no range is asked for twice.
        self.busy = False
        #: The server has none left.
        self.dry = False
        #: None are wanted, whatever there is.
        self.closed = False
        #: Why the last request came to nothing.
        self.problem: Optional[Problem] = None

    def go_on(self, slowest: float = 0.0) -> None:
        """Ask, if there is need. ``slowest``: how long a range takes, in seconds."""
        self._slowest = slowest
        if self.dry or self.closed:
            return
        if self._time_left() <= 0:
            self.close("there is no time for another one")
        elif not self.busy and self._book.count(State.READY) < self._amounts.ahead:
            self.busy = True
            self._send(self._amounts.at_once, self._new_id())

    def next(self) -> float:
        """Answer when, on the clock, there will be no time for further ranges."""
        return float("inf") if self.dry or self.closed else self._clock() + self._time_left()

    def left(self) -> float:
        """Answer the seconds that there are."""
        return self._left()

    def _time_left(self) -> float:
        return self._left() - max(self._amounts.reserve, 2 * self._slowest)

    def came(self, ranges: Sequence[EventRange], *, dry: bool) -> None:
        """Take it that a request was answered, with these new ranges."""
        self.busy = False
        self.dry = self.dry or dry
        # A server that repeats itself would be asked for ever.
        if not dry and not ranges:
            self.close("the server gave ranges that it has given before, and no other ones")
        log.info("%d event ranges came%s", len(ranges), "; there are no more" if dry else "")

    def not_came(self, problem: Problem) -> None:
        """Take it that a request came to nothing; after its errand's patience there is no other one."""
        self.busy, self.dry, self.problem = False, True, problem

    def close(self, why: str) -> None:
        """Hand out no more."""
        if not self.closed:
            log.info("no further event ranges are given out: %s", why)
        self.closed = True
        self._stop_asking.ask()
