"""What leaves the node: outputs are packed and stored from time to time, and ranges reported, one thing at a time."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional

from pilot.contract.codes import ErrorCode
from pilot.contract.events import Archive, EventAnswer, EventReport
from pilot.contract.messages import Command
from pilot.eventservice import outputs
from pilot.eventservice.book import Book
from pilot.eventservice.errands import NotStored, NotTold, Packed, Stored, Told
from pilot.eventservice.outputs import Output
from pilot.eventservice.ranges import Failure, Move, State
from pilot.job import Problem

log = logging.getLogger(__name__)

NEVER = float("inf")
#: Of the server's commands, in answer to a report, those that want no more ranges done.
_ENOUGH = (Command.KILL.value, Command.SOFT_KILL.value)
_UNSTORED = (State.DONE, State.PACKED)
#: What the server is to be told of.
UNTOLD = (State.STORED, State.FAILED)


class Pace(NamedTuple):
    """When outputs are stored: every ``gap`` seconds, or as soon as there are ``per_archive`` of them (0: any number).

    After a failure there is a ``wait`` in seconds, doubled each time up to the gap; after ``failures`` of them no more.
    """

    gap: float
    per_archive: int
    failures: int
    wait: float


class Doing(NamedTuple):
    """What has things done in lanes of their own; each answers by news to the exchange."""

    pack: Callable[[list[Output]], None]
    store: Callable[[Archive], None]
    tell: Callable[[EventReport], None]


class Outgoing:
    """Part of the exchange, in its thread. ``enough`` is called when the server wants no more ranges done."""

    def __init__(
        self,
        job_id: int,
        book: Book,
        folder: Path,
        pace: Pace,
        doing: Doing,
        enough: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._job_id, self._book, self._folder = job_id, book, folder
        self._pace, self._doing, self._enough, self._clock = pace, doing, enough, clock
        self._paths: dict[str, str] = {}
        self._storing = self._telling = self._mute = False
        self._done_at = self._not_before = NEVER
        self._failures = 0
        #: Outputs cannot be stored: the payload works in vain.
        self.gave_up = False
        self.problem: Optional[Problem] = None
        self._handlers: Mapping[type, Callable[[Any], None]] = {
            Packed: self._packed,
            Stored: self._stored,
            NotStored: self._not_stored,
            Told: self._told,
            NotTold: self._not_told,
        }

    @property
    def idle(self) -> bool:
        """Whether nothing is done, and nothing is left to be done."""
        if self._storing or self._telling or self._book.count(*_UNSTORED):
            return False
        return self._mute or not self._book.count(*UNTOLD)

    def has(self, path: str) -> str:
        """Answer the range whose output lies in a file, or ""."""
        return self._paths.get(path, "")

    def done(self, range_id: str, path: str) -> None:
        """Take it that there is an output."""
        self._paths[path] = range_id
        self._done_at = min(self._done_at, self._clock())

    def handle(self, news: Any) -> None:
        """Take what an errand says."""
        self._handlers[type(news)](news)

    def go_on(self, *, ending: bool, cancelled: bool) -> None:
        """Begin what is due. ``ending``: the payload has ended; ``cancelled``: the job has to, at once."""
        if not self._storing:
            if cancelled or self.gave_up:
                self._book.move(Move.LEAVE, [held.id for held in self._book.all(*_UNSTORED)])
            elif self._clock() >= self.next(ending=ending):
                self._begin()
        if not self._telling and not self._mute:
            self._tell()

    def next(self, *, ending: bool) -> float:
        """Answer when, on the clock, something is to be packed or stored."""
        if self._storing:
            return NEVER
        held_back = 0.0 if self._not_before == NEVER else self._not_before
        if self._book.count(State.PACKED):
            return held_back
        count = self._book.count(State.DONE)
        if not count:
            return NEVER
        due = ending or 0 < self._pace.per_archive <= count
        return max(held_back, 0.0 if due else self._done_at + self._pace.gap)

    def _begin(self) -> None:
        self._storing = True
        if (packed := self._book.first(State.PACKED)) is not None:
            self._doing.store(self._book.archives[packed.archive])
        else:
            done = self._book.longest(State.DONE, self._pace.per_archive or None)
            self._doing.pack([Output(held.id, held.output) for held in done])

    def _packed(self, packed: Packed) -> None:
        for range_id, words in packed.without.items():
            self._book.fail(range_id, Failure(ErrorCode.OUTPUT_MISSING, f"the output is gone: {words}"))
        gone = [self._book.get(range_id) for range_id in (*packed.ids, *packed.without)]
        paths = [held.output for held in gone if held is not None]
        if packed.ids:
            self._book.pack(packed.ids, packed.archive)
        outputs.drop(paths, self._folder)
        for path in paths:
            self._paths.pop(path, None)
        self._done_at = self._clock() if self._book.count(State.DONE) else NEVER
        self._storing = False

    def _stored(self, stored: Stored) -> None:
        self._storing, self._failures, self._not_before = False, 0, NEVER
        self._book.store(stored.archive)
        outputs.drop([str(self._folder / stored.archive.lfn)], self._folder)
        log.info("%s is stored at %s", stored.archive.lfn, stored.archive.url)

    def _not_stored(self, failed: NotStored) -> None:
        self._storing = False
        self._failures += 1
        wait = min(self._pace.wait * 2.0 ** (self._failures - 1), max(self._pace.gap, self._pace.wait))
        self._not_before = self._clock() + wait
        log.warning("outputs of event ranges are not stored (%d times): %s", self._failures, failed.problem.detail)
        if self._failures >= self._pace.failures:
            self.gave_up = True
            words = f"{failed.problem.detail}; tried {self._failures} times (events.store_failures)"
            self.problem = Problem(failed.problem.code, words)

    def _tell(self) -> None:
        if (report := next_report(self._job_id, self._book)) is not None:
            self._telling = True
            self._doing.tell(report)

    def _told(self, told: Told) -> None:
        self._telling = False
        take(self._book, told.report, told.answer)
        if any(word.strip() in _ENOUGH for word in told.answer.command.split(",")):
            self._enough(f"the server answered a report with {told.answer.command}")

    def _not_told(self, failed: NotTold) -> None:
        self._telling = False
        if failed.refused:
            self.problem = self.problem or failed.problem
            self._book.move(Move.REFUSE, [end.id for end in failed.report.ends])
        else:
            self._mute = True  # the job has to end; who finds its journal tells


def next_report(job_id: int, book: Book) -> Optional[EventReport]:
    """Answer what is to be reported next: all ranges that failed, or those of one archive; ``None``: nothing is."""
    ranges, archive = book.all(State.FAILED), None
    if not ranges and (stored := book.first(State.STORED)) is not None:
        archive = book.archives[stored.archive]
        ranges = [held for held in book.inside(archive.lfn) if held.state is State.STORED]
    if not ranges:
        return None
    return EventReport(job_id, tuple(book.end_of(held) for held in ranges), archive)


def take(book: Book, report: EventReport, answer: EventAnswer) -> None:
    """Take the server's word on a report."""
    well = Move.TELL if report.archive is None else Move.REPORT
    answers = list(zip(report.ends, answer.taken))
    book.move(well, [end.id for end, taken in answers if taken])
    refused = [end.id for end, taken in answers if not taken]
    if refused:
        log.warning("the server wants nothing more of event ranges %s", ", ".join(refused))
    book.move(Move.REFUSE, refused)


#: What `Outgoing.handle` takes.
NEWS = (Packed, Stored, NotStored, Told, NotTold)
