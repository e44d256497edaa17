"""The only thread that owns jobs. News come in on one queue; work goes out to the components.

It writes the journal before work goes out, so that whatever a component did, the journal says at least that it was due.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Mapping, Sequence
from typing import Any, Callable, Optional

from pilot.api.communicator import Report
from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.control import news
from pilot.control.asking import Asking
from pilot.control.component import Budget, Component
from pilot.control.intake import Intake
from pilot.control.journal import JournalUnusable
from pilot.control.lifecycle import TERMINAL, Effect, Event, IllegalTransition, advance, given_back
from pilot.control.means import Means, Ways
from pilot.control.news import Answer, Due, Matter, News, Order, Work
from pilot.control.reporting import Reporting
from pilot.control.settling import Settling
from pilot.control.slot import Slot
from pilot.control.timers import Timers
from pilot.control.times import NEVER, PATIENCE
from pilot.control.watching import Watching
from pilot.job import Job, Phase, Problem

log = logging.getLogger(__name__)

#: What one wait may last, in seconds; the platform cannot wait for ever and a time is set.
LONGEST_WAIT = 86400.0


class Conductor(Component):
    """Owns the jobs of this pilot, by (job, attempt)."""

    def __init__(
        self,
        inbox: queue.Queue[News],
        budget: Budget,
        ways: Ways,
        means: Means,
        asking: Asking,
        request_id: Optional[str] = None,
    ) -> None:
        super().__init__("conductor", inbox, budget)
        self.ways, self.means = ways, means
        self.jobs: dict[news.Key, Slot] = {}
        #: What went wrong, in order; the pilot's exit status is made of it.
        self.problems: list[Problem] = []
        self.finished = 0
        self._timers = Timers()
        self.intake = Intake(means, ways.ask, self._timers, self.jobs, asking, request_id)
        self.reporting = Reporting(means, self._timers)
        self.watching = Watching(means, ways, self._timers)
        self._end_at = NEVER
        self._stop: Optional[Problem] = None
        self._ended = False
        self.settling = Settling(means, ways.recover, self._timers)
        self._handlers: Mapping[type, Callable[[Any], None]] = {
            Answer: self._answer,
            Order: self._order,
            news.Stored: self._stored,
            news.Progress: self._progress,
            news.Shown: self._shown,
            news.Commanded: self._commanded,
            news.Measured: self._measured,
            news.Transferred: self._transferred,
            news.Heard: self._heard,
            news.Sign: news.Sign.give,
            news.Offer: self._offer,
            news.NoOffer: self.intake.refused,
            news.Shutdown: self._shutdown,
            news.Adopt: self._adopt,
            news.Settled: self.settling.settled,
            news.Called: self.intake.called,
            news.Listening: self.intake.listening,
            news.TaskOrder: self._task_order,
            Due: self._due,
        }

    def begin(self) -> None:
        """Ask for the first work, and set the time at which everything has to end."""
        if self.means.end is not None:
            self._timers.set(self.means.work_until, Order(None, Event.DEADLINE, self.means.end.problem))
        self._go_on()
        if not self.settling.under_way:
            self.settling.begin()

    def take(self) -> Any:
        """Wait for news, or for the next time set."""
        while True:
            now = self.means.clock()
            if (due := self._timers.due(now)) is not None:
                return due
            at = self._timers.next()
            try:
                return self.inbox.get(timeout=None if at is None else min(at - now, LONGEST_WAIT))
            except queue.Empty:
                continue

    def handle(self, item: Any) -> None:
        self._handlers[type(item)](item)
        self._go_on()

    def broke(self, item: Any, error: Exception) -> None:
        """Fail the job whose news could not be handled. Of an answer with jobs, ask no more: the same would come."""
        key = getattr(item, "key", None)
        broken = Problem(ErrorCode.INTERNAL_ERROR, f"the conductor broke: {type(error).__name__}: {error}")
        if isinstance(item, (news.Offer, news.NoOffer)):
            self.intake.refused(news.NoOffer(broken, fatal=True))
        elif key in self.jobs:
            self._move(self.jobs[key], Event.FAIL, broken)
        self._go_on()

    # What comes in

    def _answer(self, answer: Answer) -> None:
        slot = self.jobs.get(answer.key)
        if slot is not None:
            slot.learn(answer)
            if answer.outcome is not None:
                log.info("job %d.%d: %s", *answer.key, answer.outcome.told)
        if slot is None or slot.job.step != answer.step:
            # Of a payload that was stopped, or of a time that was not needed: in the course of things.
            log.debug("late answer of job %d.%d, step %d: %s", *answer.key, answer.step, answer.event.value)
            return
        waits = answer.event is Event.INPUT_READY and not self.means.ledger.holds(answer.key)
        self._move(slot, Event.FETCHED if waits else answer.event, answer.problem)

    def _order(self, order: Order) -> None:
        if order.key is None:
            self.intake.stop()
            self._stop = self._stop or order.problem  # a job may be on its way
        if order.key is None and order.event is Event.DEADLINE and self.means.end is not None:
            self._end_at = min(self._end_at, self.means.end.at)
        for slot in list(self.jobs.values()):
            if order.key in (None, slot.job.key):
                self._stop_job(slot, order.event, order.problem)
        if order.key is None:
            self._set_deadlines()

    def _task_order(self, order: news.TaskOrder) -> None:
        for key in [slot.job.key for slot in self.jobs.values() if order.concerns(slot.job.spec)]:
            self._order(Order(key, order.event, order.problem))

    def _stored(self, stored: news.Stored) -> None:
        if (slot := self.jobs.get(stored.key)) is not None and not slot.final:
            others = (file for file in slot.job.stored if file.lfn != stored.file.lfn)
            slot.job = slot.job.evolve(stored=(*others, stored.file))
            self._write(slot)

    def _progress(self, progress: news.Progress) -> None:
        if (slot := self.jobs.get(progress.key)) is None:
            return
        slot.looking = False
        if slot.job.phase not in (Phase.REPORTING, *TERMINAL):
            self._send(slot, Effect.REPORT, self.reporting.running(slot, progress))

    def _shown(self, shown: news.Shown) -> None:
        if (slot := self.jobs.get(shown.key)) is not None and slot.job.phase not in (Phase.REPORTING, *TERMINAL):
            self._send(slot, Effect.REPORT, self.reporting.running(slot, shown=shown), answers=True)

    def _commanded(self, commanded: news.Commanded) -> None:
        if (slot := self.jobs.get(commanded.key)) is not None:
            self.watching.obey(slot, commanded.commands)

    def _measured(self, measured: news.Measured) -> None:
        if (slot := self.jobs.get(measured.key)) is not None:
            slot.job = measured.onto(slot.job)

    def _transferred(self, transferred: news.Transferred) -> None:
        if (slot := self.jobs.get(transferred.key)) is not None:
            slot.tries = transferred.tries

    def _heard(self, heard: news.Heard) -> None:
        if (slot := self.jobs.get(heard.key)) is not None:
            slot.heard = self.means.clock()

    def _offer(self, offer: news.Offer) -> None:
        new = [(self._slot(spec, offer), problem) for spec, problem in self.intake.offered(offer)]
        self._write_together([slot for slot, _ in new])
        for slot, problem in new:
            self._accept(slot, problem)
        self.means.journal.answered()

    def _slot(self, spec: JobSpec, offer: news.Offer) -> Slot:
        now, clock, node = self.means.now(), self.means.clock(), self.means.facts.node
        return Slot(Job(spec), offer.site, offer.request_id, now, clock, asking=self.intake.waited, node=node)

    def _write_together(self, slots: Sequence[Slot]) -> None:
        """Write several jobs of one answer down in one step; that each has its own record is seen to later."""
        if len(slots) > 1:
            records = [slot.record(self.means.server, self.means.queue) for slot in slots]
            try:
                self.means.journal.accepted(records[0].request_id, records)
            except JournalUnusable as wrong:
                log.error("%s", wrong)

    def _shutdown(self, shutdown: news.Shutdown) -> None:
        """End everything in so many seconds; said again, in fewer."""
        self.intake.stop()
        self._stop = self._stop or shutdown.problem
        self._end_at = min(self._end_at, self.means.clock() + shutdown.seconds)
        for slot in list(self.jobs.values()):
            self._stop_job(slot, Event.SHUTDOWN, self._stop)
        self._set_deadlines()

    def _set_deadlines(self) -> None:
        """Let every time that was given shrink to what is left."""
        for slot in self.jobs.values():
            self._set_deadline(slot)

    def _stop_job(self, slot: Slot, event: Event, problem: Problem) -> None:
        """End a job. Has the pilot to go, outputs that were made are left to the next one, if it finds them."""
        if self.means.lent and (event := given_back(slot.job, event)) is Event.ENOUGH:
            return self._move(slot, event)
        going = event in (Event.SHUTDOWN, Event.DEADLINE) and slot.job.phase is Phase.STAGING_OUT
        if not (going and (slot.adopted or self.means.handed_over)):
            return self._move(slot, event, problem)
        log.warning("job %d.%d is left to another pilot: %s", *slot.job.key, problem.detail)
        if not slot.adopted:
            self.problems.append(problem)
        slot.job = slot.job.evolve(step=slot.job.step + 1)  # the copies are of an earlier step, and so are stopped
        self._send(slot, Effect.CANCEL_COPIES, None)
        return self._leave(slot)

    def _adopt(self, adopt: news.Adopt) -> None:
        """Go on with a dead pilot's job. When this one is to end itself, the next one does."""
        if self._end_at == NEVER and adopt.key not in self.jobs:
            from pilot.control.adoption import adopted

            slot = adopted(adopt, self.means.clock())
            self.settling.again = True
            self._take(slot)
            self._move(slot, adopt.event, adopt.problem)

    def _due(self, due: Due) -> None:
        if due.matter is Matter.ASK:
            return self.intake.due()
        slot = self.jobs.get(due.key) if due.key else None
        if slot is None:
            return None
        if due.matter is Matter.GIVE_UP:
            self._give_up(slot)
        elif slot.job.phase is not Phase.REPORTING:
            self._look(slot, due.matter)
        return None

    # What becomes of a job

    def _accept(self, slot: Slot, problem: Optional[Problem]) -> None:
        if slot.job.key in self.jobs:
            log.info("job %d.%d was offered again", *slot.job.key)
            return
        self._take(slot)
        self._write(slot)
        if problem is not None:
            self._move(slot, Event.FAIL, problem)
        elif self._stop is not None:
            self._move(slot, Event.SHUTDOWN, self._stop)

    def _take(self, slot: Slot) -> None:
        """Have one more job, and look at it from time to time."""
        spec = slot.job.spec
        self.jobs[spec.key] = slot
        log.info("job %d.%d: %s", *spec.key, spec.name or spec.transformation)
        self.watching.begin(slot)

    def _move(self, slot: Slot, event: Event, problem: Optional[Problem] = None) -> None:
        """Let an event happen to a job: the journal first, then what has to be done."""
        before = slot.job
        try:
            job, effects = advance(before, event, problem)
        except IllegalTransition as wrong:
            log.error("%s", wrong)  # the story says more than a traceback
            job, effects = advance(before, Event.FAIL, Problem(ErrorCode.INTERNAL_ERROR, str(wrong)))
        slot.move(job, self.means.clock())
        self._mind(before, job, event, problem)
        if Effect.FINAL_REPORT in effects:
            self.reporting.write_final(slot)
        if job.phase is not before.phase:
            log.info("job %d.%d: %s (%s)", *job.key, job.phase.value, event.value)
            if job.phase not in TERMINAL:
                self._write(slot)
            self.watching.moved(slot)
            self._set_deadline(slot)
        elif job.phase is Phase.REPORTING and event in (Event.NOT_TAKEN, Event.FAIL):
            self.reporting.later(slot, problem, self._end_at)
        for effect in effects:
            self._send(slot, effect, self.reporting.of(slot, effect))
        if job.phase in TERMINAL:
            self._forget(slot)

    def _mind(self, job: Job, after: Job, event: Event, problem: Optional[Problem]) -> None:
        """Say why; and take no more work when something does not come to rest: cores, memory, a thread are not free."""
        if problem is not None and (after.problem is not job.problem or after.phase is not job.phase):
            log.warning("job %d.%d: %s", *job.key, problem.told)
        if job.phase is Phase.STOPPING and event in (Event.FAIL, Event.OVERDUE):
            log.error("job %d.%d did not come to rest; no more work is taken", *job.key)
            self.intake.stop()

    def _send(self, slot: Slot, effect: Effect, report: Optional[Report], *, answers: bool = False) -> None:
        seconds = self._capped(slot, self.means.times.given(effect))
        if effect is Effect.ASK_PAYLOAD and not slot.job.spec.events:  # who does not listen is stopped; ranges may end
            late = Answer(slot.job.key, slot.job.step, Event.OVERDUE)
            self._timers.set(self.means.clock() + seconds + PATIENCE, late)
        self.ways.work[effect].put(Work(slot.job, effect, slot.site, seconds, report, slot.keep, answers))

    def _write(self, slot: Slot) -> None:
        """Bring the journal up to date. A job whose final report cannot be written down is reported all the same."""
        try:
            self.means.journal.write(slot.record(self.means.server, self.means.queue), durable=bool(slot.final))
        except JournalUnusable as wrong:
            log.error("%s", wrong)
            if not slot.final and not slot.unwritten:
                slot.unwritten = True
                lost = Order(slot.job.key, Event.CHECK, Problem(wrong.code, wrong.detail))
                self._timers.set(self.means.clock(), lost)

    def _set_deadline(self, slot: Slot) -> None:
        """Set the time by which a job must have left its phase."""
        job, now = slot.job, self.means.clock()
        if job.phase is Phase.REPORTING:
            self._timers.set(now + self._capped(slot, self.means.times.report_for), Due(Matter.GIVE_UP, job.key))
            if slot.refusals:
                self._timers.set(now, Answer(job.key, job.step, Event.OVERDUE))
        elif (late := self.means.times.overdue(job, slot.site.queue)) is not None:
            seconds, problem = late
            overdue = Answer(job.key, job.step, Event.OVERDUE, problem)
            self._timers.set(now + self._capped(slot, seconds), overdue)

    def _capped(self, slot: Slot, seconds: float) -> float:
        """Shorten a time so that, when the pilot is to end, something is left for what follows."""
        if self._end_at == NEVER:
            return seconds
        return min(seconds, max(0.0, self._end_at - self.means.clock()) * self.means.times.share(slot.job.phase))

    def _give_up(self, slot: Slot) -> None:
        """Leave a final report to the next pilot on this disk."""
        told = slot.refusal or Problem(ErrorCode.COMMUNICATION_FAILURE, "the final report was not taken")
        log.error("job %d.%d: the final report stays in the journal: %s", *slot.job.key, told.detail)
        self.problems.append(told)
        self._write(slot)  # again: a disk that was full may have room now
        self._leave(slot)

    def _forget(self, slot: Slot) -> None:
        if slot.job.problem is None:
            self.finished += 1
        elif not slot.adopted:
            self.problems.append(slot.job.problem)
            self.intake.ended_with(slot.job.problem)
        try:
            self.means.journal.forget(*slot.job.key)
        except JournalUnusable as wrong:
            log.error("%s", wrong)
        self._leave(slot)

    def _leave(self, slot: Slot) -> None:
        del self.jobs[slot.job.key]
        self.means.ledger.give_back(slot.job.key)
        self.intake.freed()

    def _look(self, slot: Slot, matter: Matter) -> None:
        """See to a job from time to time: a heartbeat, the checks."""
        if self.watching.due(slot, matter):
            self._send(slot, Effect.REPORT, self.reporting.running(slot))
        now, times = self.means.clock(), self.means.times
        unheard = now - slot.heard
        if unheard > times.lost_after and slot.last_try <= slot.heard:
            # The pilot itself may have been stopped: the server is asked once more before a job is given up.
            slot.last_try = now
            self._send(slot, Effect.REPORT, self.reporting.running(slot))
        elif unheard > times.lost_after and now - slot.last_try >= times.last_try:
            words = f"no report was taken for {unheard:.0f} s; the server has given the job up"
            self._move(slot, Event.LEASE_LOST, Problem(ErrorCode.LEASE_LOST, words))

    # What comes next

    def _go_on(self) -> None:
        """Begin jobs that have waited for room, ask for more, or end."""
        for key in self.intake.begin():
            if self.jobs[key].job.phase is not Phase.STAGING_IN:  # else its inputs are on their way already
                self._move(self.jobs[key], Event.BEGIN)
        for key in self.intake.fetch():
            self._move(self.jobs[key], Event.FETCH)
        if not self.intake.go_on() and not self.jobs and not (self._end_at == NEVER and self.settling.more()):
            self._end()

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            if (problem := self.intake.asking.problem) is not None:
                self.problems.append(problem)
            self.ways.ended()
