"""Writes the reports of the conductor's jobs, and says when a final one is offered again.

Used by the conductor, in its thread; what stands in a report is decided in `pilot.control.reports`.
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Optional

from pilot.api.communicator import Report
from pilot.control import reports
from pilot.control.lifecycle import Effect, Event
from pilot.control.means import Means
from pilot.control.news import Answer, Progress, Shown
from pilot.control.slot import Slot
from pilot.control.tails import SHOWN
from pilot.control.timers import Timers
from pilot.job import Problem


class Reporting:
    """Composes reports and repeats the last ones."""

    def __init__(self, means: Means, timers: Timers) -> None:
        self._means, self._timers = means, timers

    def write_final(self, slot: Slot) -> None:
        """Write a job's final report, once: it is the same each time it is sent."""
        if not slot.final:
            means = self._means
            job = slot.job
            words = means.mask(job.outcome.words) if job.outcome and job.problem else ""
            if job.problem is not None:  # a plugin may have quoted the payload
                job = job.evolve(problem=replace(job.problem, detail=means.mask(job.problem.detail)))
            facts, theirs = means.facts.of(slot.node), not means.announced()
            update = reports.final(job, self._course(slot), facts, means.now(), words, negative=theirs)
            if slot.tries:
                from pilot.control import transfers

                update = transfers.onto(update, slot.tries, means.mask, ours=means.announced())
            slot.final = means.compose(update, None).text

    def of(self, slot: Slot, effect: Effect) -> Optional[Report]:
        """Answer the report that goes with an effect, if one does."""
        if effect is Effect.FINAL_REPORT:
            return Report(slot.final)
        return self.running(slot) if effect is Effect.REPORT else None

    def running(self, slot: Slot, seen: Optional[Progress] = None, shown: Optional[Shown] = None) -> Report:
        """Compose a report on a job that goes on, with what was seen of it.

        The last lines of its output go to a server that is ours; to any other in debug mode only, as PanDA has it.
        """
        means = self._means
        lines = seen.lines if seen and (slot.debug or means.announced()) else ""
        stdout = means.mask(shown.text if shown else lines)[-SHOWN:]
        fetched = seen.fetched if seen else None
        facts = means.facts.of(slot.node)
        update = reports.running(slot.job, self._course(slot), facts, means.now(), stdout, fetched)
        report = means.compose(update, None if seen is None or seen.done is None else (seen.done, seen.total))
        return report._replace(shown=shlex.join(shown.argv)) if shown else report

    def _course(self, slot: Slot) -> reports.Course:
        return slot.course(self._means.queue, self._means.clock())

    def later(self, slot: Slot, problem: Optional[Problem], end_at: float) -> None:
        """Offer a final report that was not taken again, after a while; sooner when the pilot ends soon."""
        slot.refusal = problem or slot.refusal
        now = self._means.clock()
        # When the pilot is to end, some tries are left for the time that is.
        wait = min(self._means.times.report_wait(slot.refusals), max(0.1, (end_at - now) / 4))
        slot.refusals += 1
        self._timers.set(now + wait, Answer(slot.job.key, slot.job.step, Event.OVERDUE))
