"""The only owner of a job's event ranges: news come in on one queue, errands and answers to workers go out.

It asks for ranges as they are used up, hands them to whoever is ready, takes outputs and failures, has outputs packed
and stored from time to time, and everything reported. It runs in the payload thread, beside the payload.
"""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Optional

from pilot.api.event_client import REFUSED, TAKEN
from pilot.contract.codes import ErrorCode
from pilot.contract.events import plain
from pilot.copytool.base import Cancel
from pilot.errors import JobFailed
from pilot.eventservice import messages
from pilot.eventservice.book import Book
from pilot.eventservice.door import Gone, Line, Worker
from pilot.eventservice.ending import metrics, problem_of, settle
from pilot.eventservice.errands import Broke, Came, NotCame
from pilot.eventservice.handing import Handing
from pilot.eventservice.outgoing import NEWS as OUTGOING
from pilot.eventservice.outgoing import Outgoing
from pilot.eventservice.outputs import NoOutput, find
from pilot.eventservice.ranges import Failure, State
from pilot.job import Problem

if TYPE_CHECKING:
    from pathlib import Path

    from pilot.eventservice.asking import Asking

log = logging.getLogger(__name__)

NEVER = float("inf")
#: What one wait may last, in seconds.
_LONGEST = 86400.0
#: So many words of a payload that make no sense stand in the pilot's log, and no more.
MOST_REFUSALS = 100


class AskedToEnd(NamedTuple):
    """The server wants no more done; what runs may end within so many seconds."""

    seconds: float


class Ended(NamedTuple):
    """The payload has ended, or could not be started."""

    how: Future[Any]


class Look(NamedTuple):
    """Somebody has asked for an end; see what is still to be done."""


class Rules(NamedTuple):
    """``failures``: so many in a row end the handing out. ``soft_grace``: seconds for ranges that run (softkill)."""

    failures: int
    soft_grace: float


class Place(NamedTuple):
    """The job's directory, and where containers show it besides."""

    folder: Path
    seen_at: Sequence[str] = ()


class Exchange:
    """``stop`` ends the payload; ``seen`` is told the figures of `metrics` whenever they have changed."""

    def __init__(  # noqa: PLR0913
        self,
        book: Book,
        place: Place,
        asking: Asking,
        outgoing: Outgoing,
        rules: Rules,
        inbox: queue.Queue[Any],
        *,
        stop: Callable[[], None],
        cancelled: Cancel,
        seen: Callable[[Mapping[str, int]], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._book, self._place, self._asking, self._outgoing = book, place, asking, outgoing
        self._rules, self._inbox, self._stop, self._cancelled, self._clock = rules, inbox, stop, cancelled, clock
        self._handing = Handing(book, clock)
        self._seen, self._figures = seen, metrics(book)
        self._failed_in_a_row = self._refused = 0
        self._stop_at = NEVER
        self._running = True
        #: Why the exchange itself has ended the payload, or why its ranges came to nothing.
        self.problem: Optional[Problem] = None
        self._handlers: Mapping[type, Callable[[Any], None]] = {
            Line: self._heard,
            Gone: self._gone,
            Came: self._came,
            NotCame: self._not_came,
            AskedToEnd: self._asked_to_end,
            Ended: self._ended,
            Broke: self._broke,
            Look: lambda look: None,
            **dict.fromkeys(OUTGOING, outgoing.handle),
        }

    def begin(self) -> None:
        """Wait for the first ranges: without any, no payload is worth starting.

        Raises:
            JobFailed: there are none (ES_NO_EVENTS), or the server cannot be asked.
        """
        self._asking.go_on()
        if self._asking.closed:
            raise JobFailed(ErrorCode.REACHED_MAX_TIME, "there is no time for an event range (events.reserve)")
        while self._asking.busy:
            self._handle(self._inbox.get())
        if not len(self._book):
            raise _failure(self._asking.problem)

    def run(self) -> None:
        """Go on until the payload has ended, and all that it has done was stored and reported."""
        while True:
            self._go_on()
            if not self._running and self._outgoing.idle and not self._asking.busy:
                break
            try:
                self._handle(self._inbox.get(timeout=self._patience()))
            except queue.Empty:
                self._look_at_the_clock()
        unheard = self._outgoing.gave_up or not self._book.count(State.REPORTED)
        self.problem = self.problem or (self._outgoing.problem if unheard else None) or problem_of(self._book)

    def _handle(self, news: Any) -> None:
        self._handlers[type(news)](news)
        if (figures := metrics(self._book)) != self._figures:
            self._figures = figures
            self._seen(figures)

    def _go_on(self) -> None:
        if self._running:
            self._serve()
            self._asking.go_on(self._handing.slowest)  # now: what was just handed out is missed before it is needed
            self._serve()  # asking may have found that there is no time for more
        if self._outgoing.gave_up and self._running and self._stop_at == NEVER:
            self._stop_at = self._clock()
        self._outgoing.go_on(ending=not self._running, cancelled=bool(self._cancelled))
        self._look_at_the_clock()

    def _serve(self) -> None:
        self._handing.serve(closed=self._asking.closed, dry=self._asking.dry)

    def _patience(self) -> float:
        """Answer for how many seconds there is nothing to do but to listen."""
        at = min(self._stop_at, self._outgoing.next(ending=not self._running), self._asking.next())
        return min(max(0.0, at - self._clock()), _LONGEST)

    def _look_at_the_clock(self) -> None:
        if self._running and self._clock() >= self._stop_at:
            self._stop_at = NEVER
            self._end(self._outgoing.problem or _too_slow())
            self._stop()

    def _end(self, problem: Problem) -> None:
        self.problem = self.problem or problem
        self._asking.close("the payload is ended")

    # What comes in

    def _came(self, came: Came) -> None:
        self._asking.came(self._book.came(came.ranges), dry=not came.ranges)

    def _not_came(self, answer: NotCame) -> None:
        self._asking.not_came(answer.problem)

    def _asked_to_end(self, asked: AskedToEnd) -> None:
        seconds = min(max(asked.seconds, self._rules.soft_grace), max(0.0, self._asking.left()))
        log.info("no more event ranges are wanted; what runs may end within %.0f s", seconds)
        self._asking.close("the server wants no more")
        self._stop_at = min(self._stop_at, self._clock() + seconds)

    def _ended(self, ended: Ended) -> None:
        self._running = False
        self._asking.close("the payload has ended")
        how = None if ended.how.exception() is not None else ended.how.result()
        stopped = bool(self._cancelled) or self.problem is not None
        settle(self._book, how, stopped=stopped)

    def _broke(self, broke: Broke) -> None:
        raise broke.error

    def _gone(self, gone: Gone) -> None:
        self._handing.forget(gone.worker)

    def _heard(self, line: Line) -> None:
        said = messages.read(line.text)
        worker = line.worker
        worker.heard()
        if isinstance(said, messages.Ready):
            if not self._handing.wait(worker, said.wanted):
                self._refuse(worker, "too many have asked for ranges, and wait for them")
        elif isinstance(said, messages.Hello):
            worker.polite = True
            worker.say(TAKEN)
        elif isinstance(said, messages.Wrong):
            self._refuse(worker, said.words)
        elif (held := self._book.get(said.id)) is None or held.state is not State.GIVEN:
            is_what = "none of this job's" if held is None else f"{held.state.value}, not given to this payload"
            self._refuse(worker, f"range {said.id} is {is_what}")
        elif isinstance(said, messages.Done):
            self._done(worker, said)
        else:
            code = ErrorCode.ES_FATAL if said.fatal else ErrorCode.ES_RECOVERABLE
            self._fail(said.id, Failure(code, said.words, said.fatal))
            _accept(worker)

    def _done(self, worker: Worker, said: messages.Done) -> None:
        try:
            path = str(find(said.output, self._place.folder, self._place.seen_at))
            if other := self._outgoing.has(path):
                raise NoOutput(f"{said.output} is the output of range {other} already")
        except NoOutput as wrong:
            self._fail(said.id, Failure(ErrorCode.OUTPUT_MISSING, str(wrong)))
            self._refuse(worker, str(wrong))
            return
        wall_time = self._handing.ended(said.id)
        self._book.done(said.id, path, said.cpu_time, said.wall_time or wall_time)
        self._failed_in_a_row = 0
        self._outgoing.done(said.id, path)
        _accept(worker)

    def _fail(self, range_id: str, failure: Failure) -> None:
        log.warning("event range %s failed: %s", range_id, failure.words)
        self._handing.ended(range_id)
        self._book.fail(range_id, failure)
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= self._rules.failures:
            self._asking.close(f"{self._failed_in_a_row} event ranges in a row have failed")

    def _refuse(self, worker: Worker, words: str) -> None:
        words = plain(words)
        self._refused += 1
        if self._refused <= MOST_REFUSALS:
            log.warning("a payload's word is not taken: %s", words)
        if self._refused == MOST_REFUSALS:
            log.warning("further words of this payload that are not taken are not shown")
        if worker.polite:
            worker.say(f"{REFUSED}: {' '.join(words.split())}")


def _failure(problem: Optional[Problem]) -> JobFailed:
    if problem is None:
        return JobFailed(ErrorCode.ES_NO_EVENTS, "the server has no event range for this job")
    return JobFailed(problem.code, problem.detail)


def _too_slow() -> Problem:
    words = "event ranges that ran when the server wanted no more did not end in the time given (events.soft_grace)"
    return Problem(ErrorCode.ORDERED_STOP, words)


def _accept(worker: Worker) -> None:
    if worker.polite:
        worker.say(TAKEN)
