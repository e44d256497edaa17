"""What the conductor works with, and the ways on which work leaves it."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from typing import Any, Callable, Optional, Protocol

from pilot.api.communicator import Report
from pilot.contract.messages import JobUpdate
from pilot.contract.named import NamedTuple
from pilot.control import reports
from pilot.control.ends import End
from pilot.control.journal import Journal
from pilot.control.ledger import Ledger
from pilot.control.lifecycle import Effect
from pilot.control.times import NEVER, Times
from pilot.job import Job


class Outbox(Protocol):
    """Where work goes."""

    def put(self, item: Any) -> None:
        """Take one item; never blocks."""


class Nowhere:
    """Where nobody wants anything."""

    def put(self, item: Any) -> None:
        """Forget an item."""


class Ways(NamedTuple):
    """The ways out of the conductor: work by effect, looks for the monitor, requests for work, the end, dead pilots.

    ``follow``: what may change whether a job's lines are sent to a log service.
    """

    work: Mapping[Effect, Outbox]
    look: Outbox
    ask: Outbox
    ended: Callable[[], None]
    moved: Callable[[Job], None]
    recover: Outbox
    follow: Outbox = Nowhere()


class Means(NamedTuple):
    """What the conductor works with. ``compose`` writes a report as it is sent; ``now`` answers seconds since 1970.

    Jobs run until ``work_until`` on its clock, so that everything is over at ``end``. ``mask`` overwrites secrets in a
    text; ``free`` answers the bytes of the disk that inputs may take which come before their job's turn; ``announced``
    says whether the server knows what we add to PanDA's messages. ``handed_over``: what a pilot that has to go leaves
    undone is found by others. ``lent``: jobs are not run, but lent to somebody.
    """

    journal: Journal
    times: Times
    ledger: Ledger
    facts: reports.Facts
    compose: Callable[[JobUpdate, Optional[tuple[int, Optional[int]]]], Report]
    new_request_id: Callable[[], str]
    server: str
    queue: str
    end: Optional[End] = None
    work_until: float = NEVER
    mask: Callable[[str], str] = str
    free: Callable[[], int] = int
    announced: Callable[[], bool] = bool
    handed_over: bool = False
    lent: bool = False
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    luck: Callable[[], float] = random.random
