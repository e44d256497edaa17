"""Asks for work and takes the answers: request ids, how much there is room for, when to ask next.

Used by the conductor, in its thread.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Optional

from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.control import news
from pilot.control.asking import Asking
from pilot.control.journal import JournalUnusable
from pilot.control.ledger import SHORTEST, Waiting
from pilot.control.means import Means, Outbox
from pilot.control.news import Due, Matter
from pilot.control.slot import Slot
from pilot.control.timers import Timers
from pilot.job import Phase, Problem

log = logging.getLogger(__name__)

#: However many messages call, so much lies between two requests that follow them, in seconds.
CALLED_AGAIN = 1.0


#: Phases in which a job may be that waits for others to end.
BEFORE_IT_RUNS = (Phase.ACCEPTED, Phase.STAGING_IN, Phase.READY)


class Intake:
    """``jobs`` is the conductor's own dictionary; it is only read here. ``ask`` is where requests go."""

    def __init__(
        self,
        means: Means,
        ask: Outbox,
        timers: Timers,
        jobs: Mapping[news.Key, Slot],
        asking: Asking,
        request_id: Optional[str],
    ) -> None:
        self.asking = asking
        self._means, self._outbox, self._timers, self._jobs = means, ask, timers, jobs
        self._asked: Optional[str] = None  # the request for work that has no answer yet
        self._ask_at: Optional[float] = None
        self._asked_at = 0.0
        self._busy = False  # other jobs ran when it was asked
        self._freed = False  # one has left since
        self._called = self._calls = False  # it was asked because a message called; one has called since
        self.waited = 0.0  # for the last answer, in seconds
        self._open_request = request_id  # one of a pilot that died here; its jobs may be waiting for us

    def offered(self, offer: news.Offer) -> Iterator[tuple[JobSpec, Optional[Problem]]]:
        """Take an answer; give its jobs, those that cannot be read with the problem they have."""
        self._asked, self.waited = None, self._means.clock() - self._asked_at
        task_id = offer.jobs[-1].task_id if offer.jobs else None
        count, floor = len(offer.jobs) + len(offer.broken), offer.site.queue.time_floor
        self.asking = self.asking.got(count, floor, task_id, busy=self._busy, called=self._called)
        if self._freed:  # there is more room now than was offered
            self.asking = self.asking.freed()
        for spec in offer.jobs:
            yield spec, None
        for broken in offer.broken:
            spec = JobSpec(id=broken.id, attempt=broken.attempt, transformation="")
            yield spec, Problem(ErrorCode.BAD_JOB_DEFINITION, broken.words)

    def refused(self, answer: news.NoOffer) -> None:
        """Take it that a request came to nothing."""
        # The server may have given jobs in an answer that was lost: asked again by the same name, it says so.
        self._asked, self._open_request = None, None if answer.fatal else self._asked
        if answer.fatal:
            self._means.journal.answered()
        log.warning("no work: %s: %s", answer.problem.code.name, answer.problem.detail)
        self.asking = self.asking.failed(answer.problem, answer.fatal, busy=self._busy)

    def ended_with(self, problem: Problem) -> None:
        """Note what a job failed of."""
        self.asking = self.asking.ended_with(problem)

    def freed(self) -> None:
        """Note that a job has left; the next request need not wait."""
        self.asking, self._ask_at, self._freed = self.asking.freed(), None, True

    def called(self, _: news.Called) -> None:
        """Ask at once: a message says that there is work."""
        self._calls = True

    def listening(self, listening: news.Listening) -> None:
        """Note whether messages call. While they do, asking is seldom; what called before that was not heard."""
        self._ask_at = None
        self.asking = self.asking.listening(listening.listens)

    def stop(self) -> None:
        """Ask no more."""
        self.asking = self.asking.stopped()

    def due(self) -> None:
        """Ask, because the time for it has come."""
        if self._ask_at is None or self._means.clock() < self._ask_at:
            return  # it was not waited for so long
        self._ask_at = None
        if not self.asking.over and self._asked is None and (opening := self._opening()) is not None:
            self._ask(opening)

    def go_on(self) -> bool:
        """Ask for more, now or later; False when no more work will come."""
        if self._asked is not None:
            return True
        now = self._means.clock()
        at = self.asking.next(now, self._means.luck())
        if at is not None and self._calls and not self.asking.failures:  # a server in trouble is not pressed
            soon = min(at, max(now, self._asked_at + CALLED_AGAIN) if self._called else now)
            if self._ask_at is None or soon < self._ask_at:  # whatever was waited for
                at, self._ask_at = soon, None
        if at is not None and self._ask_at is None:
            if (opening := self._opening()) is None:
                self.asking = self.asking.full()
            elif at <= now:
                return self._ask(opening)
            else:
                self._ask_at = at
                self._timers.set(at, Due(Matter.ASK))
        return at is not None

    def begin(self) -> list[news.Key]:
        """Answer the jobs that have waited and may begin now."""
        return self._means.ledger.begin(self._waiting(), self._means.clock())

    def fetch(self) -> list[news.Key]:
        """Answer the jobs that still wait, and whose inputs may come meanwhile."""
        return self._means.ledger.fetch(self._waiting(), lambda: self._means.free() - self._on_their_way())

    def _on_their_way(self) -> int:
        """Answer the bytes of inputs that are coming; what is there of them already is counted all the same."""
        coming = (slot.waiting().inputs for slot in self._jobs.values() if slot.job.phase is Phase.STAGING_IN)
        return sum(size or 0 for size in coming)

    def _waiting(self) -> list[Waiting]:
        return [slot.waiting() for slot in self._jobs.values() if self._waits(slot)]

    def _waits(self, slot: Slot) -> bool:
        """Say whether a job has no cores yet; its inputs may be there, or on their way."""
        return slot.job.phase in BEFORE_IT_RUNS and not self._means.ledger.holds(slot.job.key)

    def _opening(self) -> Optional[news.Opening]:
        now = self._means.clock()
        found = self._means.ledger.opening(self._waiting(), now)
        if found is not None and found.after and now + found.after + SHORTEST > self._means.work_until:
            return None  # what comes after the first job that runs could not end in time
        return found

    def _ask(self, opening: news.Opening) -> bool:
        """Ask; False when it cannot be written down that somebody asks."""
        self._asked, self._open_request = self._open_request or self._means.new_request_id(), None
        try:
            self._means.journal.asked(self._asked, self._means.server, self._means.queue)
        except JournalUnusable as wrong:
            self.refused(news.NoOffer(Problem(wrong.code, wrong.detail), fatal=True))
            return False
        self._asked_at, self._busy, self._freed = self._means.clock(), bool(self._jobs), False
        self._called, self._calls = self._calls, False
        self._outbox.put(news.Ask(self._asked, opening, self.asking.task_id, self._called))
        return True
