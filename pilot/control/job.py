"""The job control: asks the server for work and reports to it. Waiting and repeating is the conductor's business."""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Callable, Optional

from pilot.api.replies import Refused, ServerError, WithSecrets
from pilot.contract.codes import ErrorCode
from pilot.contract.job import PANDA_MB
from pilot.contract.messages import UpdateAnswer, WorkRequest
from pilot.contract.named import NamedTuple
from pilot.contract.queue import ONLINE, QueueData
from pilot.control.commands import Commands, read_commands
from pilot.control.component import Budget, Component
from pilot.control.lanes import Tell, problem_of
from pilot.control.lifecycle import Effect, Event
from pilot.control.news import Ask, Commanded, Heard, Key, NoOffer, Offer, Order, Site, Work
from pilot.errors import JobFailed
from pilot.job import Problem

if TYPE_CHECKING:
    from pilot.api.communicator import Communicator, Report
    from pilot.contract.job import JobSpec
    from pilot.control.reports import Facts
    from pilot.settings import Queue

log = logging.getLogger(__name__)

#: What the server gives with jobs for the pilot's own use, by job.
Secrets = Mapping[Key, Mapping[str, str]]


class Wanted(NamedTuple):
    """What a request for work says besides how many. ``memory`` in bytes."""

    queue: Queue
    facts: Facts
    cpu_mhz: float
    memory: int
    free_disk: Callable[[], int]
    remaining: Callable[[], float]
    check: Callable[[], None] = lambda: None  # raises JobFailed when no job may be asked for
    harvester_id: str = ""
    worker_id: Optional[int] = None
    suits: Callable[[QueueData], None] = lambda queue: None  # raises JobFailed when this pilot is not one for the queue

    def request(self, site: QueueData, ask: Ask) -> WorkRequest:
        """Write the request: for what is free, and for as long as it stays so."""
        queue, free = self.queue, ask.opening
        disk = self.free_disk() if free.disk is None else min(self.free_disk(), free.disk)
        return WorkRequest(
            queue=queue.name,
            label="test" if site.status == "test" else queue.label,
            count=free.jobs,
            cores=free.cores,
            task_id=ask.task_id,
            via_topic=ask.called or None,
            memory=(self.memory if free.memory is None else free.memory) // PANDA_MB,
            disk=(min(disk, site.max_workdir) if site.max_workdir else disk) // PANDA_MB,
            node=self.facts.node,
            scheduler_id=self.facts.scheduler_id,
            computing_element=queue.name,
            remaining_time=max(0.0, round(min(self.remaining() - free.after, free.seconds))),
            resource_type=queue.resource_type,
            job_type=queue.job_type,
            working_group=queue.working_group,
            country_group=queue.country_group,
            allow_other_country=queue.allow_other_country,
            cpu_mhz=self.cpu_mhz,
            harvester_id=self.harvester_id,
            worker_id=self.worker_id,
        )


class Asker(Component):
    """The lane for asking."""

    def __init__(self, inbox: queue.Queue[Ask], budget: Budget, tell: Tell, control: JobControl) -> None:
        super().__init__("ask", inbox, budget)
        self._tell, self._control = tell, control

    def handle(self, item: Ask) -> None:
        self._control.ask(item)

    def broke(self, item: Ask, error: Exception) -> None:
        words = f"asking for work broke: {type(error).__name__}: {error}"
        self._tell(NoOffer(Problem(ErrorCode.INTERNAL_ERROR, words)))


class JobControl:
    """Two lanes, one for asking and one for reporting; what they share is thread-safe.

    ``learn`` takes what the server gives with jobs for the pilot's own use; it goes nowhere else. ``before`` tells the
    server what it would not take of a job that has ended.
    """

    def __init__(
        self,
        tell: Tell,
        server: Communicator,
        wanted: Wanted,
        clock: Callable[[], float] = time.monotonic,
        learn: Callable[[Secrets], None] = lambda _: None,
        before: Callable[[JobSpec], None] = lambda _: None,
    ) -> None:
        self._before = before
        self._tell, self._server, self._wanted, self._clock, self._learn = tell, server, wanted, clock, learn
        self._site: Optional[Site] = None
        self._fetched = 0.0

    def ask(self, ask: Ask) -> None:
        """Ask for work; tell what came, or why nothing did."""
        try:
            self._wanted.check()
            site = self._described()
            found = self._server.acquire(self._wanted.request(site.queue, ask), ask.request_id)
        except ServerError as error:
            self._tell(NoOffer(problem_of(error), fatal=not error.passes))
        except JobFailed as error:
            # What the node lacks at the moment it may have later.
            self._tell(NoOffer(problem_of(error), fatal=error.code is not ErrorCode.RESOURCE_UNAVAILABLE))
        else:
            self._learn(found.secrets)
            self._tell(Offer(ask.request_id, site, found.jobs, found.broken))

    def _described(self) -> Site:
        """Answer what the server says of the queue; not older than the settings allow.

        Raises:
            JobFailed: pilots are not wanted there now.
        """
        queue = self._wanted.queue
        if self._site is None or self._clock() - self._fetched > queue.refresh:
            data = self._server.queue_data(queue.name, queue.data_url)
            _check_open(data)
            self._wanted.suits(data)
            self._site = Site(data, self._server.storages(queue.storage_url))
            self._fetched = self._clock()
        return self._site

    def report(self, work: Work) -> None:
        """Send one report; pass on the server's command. A report that is not final is sent once only."""
        if work.report is None:
            raise TypeError("a report without its text")
        send = self._final if work.effect is Effect.FINAL_REPORT else self._running
        send(work, work.report)

    def _running(self, work: Work, report: Report) -> None:
        try:
            answer = self._server.report(report)
        except ServerError as error:
            log.warning("job %d.%d: a report was not taken: %s", *work.key, error)
            return
        self._tell(Heard(work.key))
        if isinstance(answer, WithSecrets):  # first: what is to be obeyed may need them
            self._learn({work.key: answer.secrets})
        self._obey(work, answer)

    def _obey(self, work: Work, answer: UpdateAnswer) -> None:
        """Pass on what the server wants done with the attempt whose report it answers, and with no other."""
        if answer.attempt not in (None, work.job.spec.attempt):
            log.warning("job %d.%d: %r is for attempt %d, not this one", *work.key, answer.command, answer.attempt)
            return
        commands = read_commands(answer.command)
        if commands.kill:
            self._end(work, Event.KILL, "the server wants the job ended (tobekilled)")
        elif commands.soft_kill:
            self._end(work, Event.SOFT_KILL, "the server wants the job ended in its own way (softkill)")
        for word in commands.unknown:
            log.warning("job %d.%d: %r is no command that is known here", *work.key, word)
        if commands.show or commands.keep or commands.debug is not None:
            self._tell(Commanded(work.key, commands))

    def _end(self, work: Work, event: Event, words: str) -> None:
        self._tell(Order(work.key, event, Problem(ErrorCode.KILLED_BY_SERVER, words)))

    def _final(self, work: Work, report: Report) -> None:
        try:
            self._before(work.job.spec)
            answer = self._server.report(report)
        except Refused as error:
            log.error("job %d.%d: the final report is refused: %s", *work.key, error)
            self._tell(work.answer(Event.REFUSED, problem_of(error)))
        except ServerError as error:
            log.warning("job %d.%d: the final report was not taken: %s", *work.key, error)
            self._tell(work.answer(Event.NOT_TAKEN, problem_of(error)))
        else:
            if read_commands(answer.command).keep:  # the last chance to say so
                self._tell(Commanded(work.key, Commands(keep=True)))
            self._tell(work.answer(Event.TAKEN))


def _check_open(queue: QueueData) -> None:
    if queue.state.upper() != "ACTIVE":
        raise JobFailed(ErrorCode.QUEUE_NOT_ACTIVE, f"queue {queue.name} is {queue.state}, not ACTIVE")
    if queue.status not in ONLINE:
        raise JobFailed(ErrorCode.QUEUE_NOT_ONLINE, f"queue {queue.name} is {queue.status}")
