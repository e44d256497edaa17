"""One pilot, put together: its threads, what they share, and the order in which it begins and ends."""

from __future__ import annotations

import logging
import os
import queue
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional

from pilot.api.copytools import copytools
from pilot.api.keys import StorageKeys
from pilot.contract.codes import ErrorCode
from pilot.contract.named import NamedTuple
from pilot.control import recovery, verification
from pilot.control.asking import Asking, Limits
from pilot.control.component import Budget, Component
from pilot.control.conductor import Conductor
from pilot.control.data import DataControl, Doors, Logs
from pilot.control.ends import first, known_ends, remaining, working_end
from pilot.control.fine_grained import FineGrained
from pilot.control.job import Asker, JobControl, Wanted
from pilot.control.job_secrets import JobSecrets
from pilot.control.journal import JOURNAL, Journal, Record
from pilot.control.lanes import Lane, Occupied, Sharded
from pilot.control.ledger import Ahead, Ledger
from pilot.control.lifecycle import Effect
from pilot.control.means import Means, Outbox, Ways
from pilot.control.monitor import CheckLane, Looks, MonitorControl
from pilot.control.newest import Newest, of_look, of_report
from pilot.control.news import News, Shutdown, Work
from pilot.control.payload import PayloadControl, Surroundings
from pilot.control.readiness import Readiness
from pilot.control.reports import Facts
from pilot.control.side_lanes import Followers, broker_lanes, called_limits, sign_lanes, tracer
from pilot.control.supervisor import Supervisor
from pilot.control.tails import masking
from pilot.control.times import Times
from pilot.control.worker import WorkerLane
from pilot.copytool.toolbox import Toolbox
from pilot.errors import JobFailed, PilotError
from pilot.job import Job, Problem
from pilot.plugins import call
from pilot.runtime import signals
from pilot.runtime.container.containers import Containers
from pilot.settings import worker_of
from pilot.site.features import FeatureSource
from pilot.site.node import free_disk

if TYPE_CHECKING:
    import pluggy

    from pilot.api.communicator import Communicator
    from pilot.api.worker import Worker
    from pilot.contract.queue import QueueData
    from pilot.control.checking import Checking
    from pilot.control.credentials import CredentialReader
    from pilot.control.running import Way
    from pilot.settings import Settings
    from pilot.site.node import Node

log = logging.getLogger(__name__)

#: When the last job is gone, the threads have so many seconds to end.
CLOSING = 10.0
#: Copies, and logs, of so many jobs at the same time.
MOST_COPIES = 4
#: Threads of one kind for jobs that are gathered by the hundred: none of them waits for a payload.
MOST_FOR_GATHERED = 16


class Ended(NamedTuple):
    """A word to the main thread: there is nothing left to do."""


class GaveUp(NamedTuple):
    """A word to the main thread: this component broke too often."""

    component: str


class Ending(NamedTuple):
    """How a pilot ended: jobs that finished, what went wrong, the signal that ended it, threads that live on."""

    finished: int
    problems: tuple[Problem, ...]
    signal: Optional[int] = None
    left: tuple[str, ...] = ()
    gathers: Optional[QueueData] = None  # a supercomputer's queue, for which another kind of agent is to be made


class Parts(NamedTuple):
    """What an agent is made from. ``base`` is where pilots keep their folders, ``own`` is this pilot's."""

    settings: Settings
    plugins: pluggy.PluginManager
    server: Communicator
    node: Node
    facts: Facts
    base: Path
    own: Path
    environment: Mapping[str, str]
    secrets: Callable[[], Sequence[str]] = tuple
    token: Callable[[], str] = str
    workers: Sequence[Worker] = ()
    inherited: Sequence[Record] = ()  # jobs of a dead pilot, whose folder is this one's now


class Agent:
    """Runs until there is nothing left to do, or until it is told to end and its time is over.

    ``words`` brings the numbers of signals.
    """

    def __init__(self, parts: Parts, words: queue.SimpleQueue[Any]) -> None:
        self._secrets = JobSecrets()
        known = parts.secrets
        parts = parts._replace(secrets=lambda: (*known(), *self._secrets.seen()))
        self._parts, self._stop, self._words = parts, parts.settings.stop, words
        self._news: queue.Queue[News] = queue.Queue()
        self._started = time.monotonic()
        self._features = FeatureSource(parts.environment)
        self._readiness = Readiness(parts.settings, self._features, lambda: self._credentials().read())
        self._meanings = signals.meanings(parts.settings.stop.preemption)
        self._ends = known_ends(parts.settings.job, self._started)
        (parts.own / JOURNAL).mkdir(mode=0o700, exist_ok=True)
        self._observe: Callable[[Job], None] = lambda job: None
        self._gathers: Optional[QueueData] = None
        self._components: list[Component] = []
        self._listening = [*broker_lanes(parts, self._secrets, self._news.put), *sign_lanes(parts, self._news.put)]
        ways = self._make_lanes()
        self._conductor = self._make_conductor(ways)
        if parts.workers:
            self._components.append(self._worker())
        if "_CONDOR_CHIRP_CONFIG" in parts.environment and parts.settings.chirp.use:
            from pilot.control.chirping import lane_for

            self._components.append(lane_for(parts))
        everyone = [self._conductor, *self._components]
        self._supervisor = Supervisor(everyone, lambda name: self._words.put(GaveUp(name)))

    def run(self) -> Ending:
        """Do everything. The thread that calls this only waits for words."""
        self._conductor.begin()
        self._supervisor.start()
        for lane in self._listening:
            self._begin_lane(lane)
        number: Optional[int] = None
        problems: list[Problem] = []
        until: Optional[float] = None
        while True:
            try:
                word = self._words.get(timeout=None if until is None else max(0.0, until - time.monotonic()))
            except queue.Empty:
                return self._ending(problems, number, self._supervisor.alive())
            if isinstance(word, Ended):
                closing = CLOSING if until is None else min(CLOSING, max(0.0, until - time.monotonic()))
                return self._ending(problems, number, self._supervisor.close(closing))
            seconds = self._stop.within if until is None else self._stop.within_again
            if isinstance(word, GaveUp):
                problems.append(Problem(ErrorCode.INTERNAL_ERROR, f"{word.component} kept breaking"))
                if word.component == self._conductor.name:
                    return self._ending(problems, number, self._supervisor.alive())
                self._news.put(Shutdown(problems[-1], seconds))
            elif isinstance(word, Problem):
                problems.append(word)
                self._news.put(Shutdown(word, seconds))
            else:
                number = number or word
                self._news.put(Shutdown(signals.problem_of(word, self._meanings), seconds))
            until = min(until or float("inf"), time.monotonic() + seconds)

    def _ending(self, problems: Sequence[Problem], number: Optional[int], left: Sequence[str]) -> Ending:
        found = (*problems, *self._conductor.problems)
        return Ending(self._conductor.finished, found, number, tuple(left), self._gathers)

    def _suits(self, queue: QueueData) -> None:
        """Object to a queue whose jobs are to be gathered, unless the settings say otherwise."""
        settings = self._parts.settings
        if queue.gathers and not (settings.mentions("hpc") and settings.hpc.mode != "auto"):
            self._gathers = queue
            raise JobFailed(ErrorCode.QUEUEDATA_NOT_OK, "HPC_HPC in catchall: jobs are gathered for allocations")

    def _begin_lane(self, lane: Component) -> None:
        """Begin one that the pilot works on without, should it break."""
        self._supervisor.add(lane)

    # Putting together

    def _budget(self) -> Budget:
        return Budget(self._parts.settings.log.breakages)

    def _lane(
        self, name: str, do: Callable[[Work], None], count: int, inbox: Optional[queue.Queue[Work]] = None
    ) -> queue.Queue[Work]:
        """Make so many threads with one inbox."""
        inbox = inbox or queue.Queue()
        for _ in range(count):
            self._components.append(Lane(name, inbox, self._budget(), self._news.put, do))
        return inbox

    def _make_lanes(self) -> Ways:
        parts, settings, tell = self._parts, self._parts.settings, self._news.put
        many = settings.job.at_once
        occupied, containers = Occupied(), self._make_containers()
        toolbox = Toolbox(copytools(parts.plugins), settings, StorageKeys(parts.server, parts.own).added_to)
        sites = recovery.Sites(parts.server, settings.queue)
        ranges = FineGrained(settings, parts.server, toolbox, sites, self._left, parts.own, tell)
        payloads = self._make_payloads(occupied, containers, ranges.way(occupied))
        data = self._make_data(occupied, containers, toolbox)
        if settings.copy.early:
            from pilot.control.early import Early

            payloads.beside = Early(data.store_early).beside
        jobs = JobControl(tell, parts.server, self._wanted(), learn=self._secrets.learn, before=ranges.tell_rest)
        asker = Asker(queue.Queue(), self._budget(), tell, jobs)
        monitor = MonitorControl(Newest(of_look), self._budget(), tell, parts.plugins, parts.own)
        checks = CheckLane(Newest(of_look), self._budget(), lambda: self._make_checking(payloads))
        copies = min(many, MOST_COPIES)
        logs = self._lane("log", lambda work: _DO_LOG[work.effect](data, work), copies)
        threads = min(many, MOST_FOR_GATHERED) if settings.gathers else many
        stops: Outbox = self._lane("stop", payloads.stop, threads)
        running = self._lane("payload", payloads.run, threads)
        if settings.gathers:
            from pilot.control.allocating import lane_of

            lane = lane_of(parts, occupied, payloads, running.put, tell, self._left)
            self._components.append(lane)
            self._observe, stops = lane.way.note, lane.way.warned(stops)
        asks = self._lane("ask-payload", payloads.ask, 1)
        reports = Sharded([self._lane("report", jobs.report, 1, Newest(of_report)) for _ in range(threads)])
        recover = self._make_recovery(sites, ranges)
        self._components += [asker, monitor, checks, recover]
        return Ways(
            work={
                Effect.STAGE_IN: self._lane("stage-in", data.stage_in, min(many + settings.job.prefetch, MOST_COPIES)),
                Effect.RUN_PAYLOAD: running,
                Effect.STAGE_OUT: self._lane("stage-out", data.stage_out, copies),
                Effect.STAGE_LOG: logs,
                Effect.CLEAN: logs,
                Effect.ASK_PAYLOAD: asks,
                Effect.STOP_PAYLOAD: stops,
                Effect.CANCEL_COPIES: stops,
                Effect.REPORT: reports,
                Effect.FINAL_REPORT: reports,
            },
            look=Looks(checks.inbox, monitor.inbox),
            ask=asker.inbox,
            ended=lambda: self._words.put(Ended()),
            moved=self._moved,
            recover=recover.inbox,
            follow=Followers(parts, self._secrets, self._begin_lane),
        )

    def _make_data(self, occupied: Occupied, containers: Containers, toolbox: Toolbox) -> DataControl:
        parts, settings = self._parts, self._parts.settings
        return DataControl(
            self._news.put,
            parts.plugins,
            occupied,
            parts.own,
            toolbox,
            self._doors(containers),
            free_disk_at_start=settings.monitor.free_disk_at_start,
            keep_workdir=settings.job.keep_workdir,
            logs=Logs(settings.log, settings.plugins.user, parts.secrets),
            handed=self._secrets.handed,
            on_try=tracer(parts, self._begin_lane),
        )

    def _left(self) -> float:
        """Answer the seconds in which jobs may run."""
        end = working_end(self._ends, self._started, self._parts.settings.job.reserve)
        return min(end - time.monotonic(), self._readiness.remaining())

    def _make_containers(self) -> Containers:
        parts = self._parts

        def hidden() -> Sequence[str]:
            from pilot.runtime.container.hidden import hidden_from_jobs

            return hidden_from_jobs(parts.settings, parts.own, parts.environment)

        return Containers(parts.settings.container, parts.environment, hidden)

    def _make_payloads(self, occupied: Occupied, containers: Containers, *ways: Way) -> PayloadControl:
        parts, chosen = self._parts, self._parts.settings
        if chosen.job.lends:
            from pilot.control.lending import Lending

            ways = (Lending(occupied, chosen, self._started, self._ends),)
        around = Surroundings(parts.environment, chosen.payload, chosen.limits, containers, lambda: chosen.iterations)
        return PayloadControl(self._news.put, parts.plugins, occupied, parts.own, around, ways)

    def _make_recovery(self, sites: recovery.Sites, ranges: FineGrained) -> recovery.RecoveryLane:
        parts, tell = self._parts, self._news.put
        settling = recovery.Recovery(
            parts.base, parts.own, sites, parts.facts, parts.settings.recovery, tell, time.time, parts.inherited
        )
        settling.settle_events = ranges.settle
        return recovery.RecoveryLane(queue.Queue(), self._budget(), tell, settling)

    def _doors(self, containers: Containers) -> Doors:
        parts, settings, server = self._parts, self._parts.settings, self._parts.server.name
        addresses = verification.Addresses(settings, server)
        if settings.verify.transformation_urls:
            addresses.fetching()  # a slip in them is better known now
        place = verification.Place(
            verification.room_of(settings, parts.node),
            verification.elsewhere_on(parts.base, parts.own, server),
            containers,
            addresses,
        )
        return Doors(verification.Verification(settings.verify, place, parts.plugins), addresses)

    def _worker(self) -> WorkerLane:
        def ended(reason: str) -> None:
            self._words.put(Problem(ErrorCode.KILLED_BY_SERVER, reason))

        return WorkerLane(self._parts.workers, self._budget(), self._parts.settings.harvester.beat, ended)

    def _moved(self, job: Job) -> None:
        """Tell the observers; what they make of it is their own business."""
        self._observe(job)
        try:
            call(self._parts.plugins, "job_moved", job=job)
        except PilotError as failed:  # a plugin may raise a JobFailed of its own
            log.warning("%s", failed)

    def _wanted(self) -> Wanted:
        parts = self._parts
        return Wanted(
            parts.settings.queue,
            parts.facts,
            parts.node.cpu_mhz,
            parts.node.memory,
            lambda: free_disk(parts.own),
            lambda: min(remaining(self._ends, time.monotonic()), self._readiness.remaining()),
            self._readiness.check,
            *worker_of(parts.settings),
            self._suits,
        )

    def _make_checking(self, payloads: PayloadControl) -> Checking:
        from pilot.control.observing import checking_of

        return checking_of(self._parts, payloads, self._news.put, self._features.read, self._credentials())

    def _credentials(self) -> CredentialReader:
        from pilot.control.credentials import CredentialReader

        return CredentialReader(self._parts.settings, self._parts.token, self._parts.server)

    def _make_conductor(self, ways: Ways) -> Conductor:
        parts, job = self._parts, self._parts.settings.job
        name, own = parts.settings.queue.name, parts.own
        work_until = working_end(self._ends, self._started, job.reserve)
        means = Means(
            journal=Journal(own / JOURNAL),
            times=Times(parts.settings),
            ledger=Ledger(
                job.at_once,
                verification.shared(parts.settings, parts.node, own),
                Ahead(job.prefetch, job.prefetch_disk),
            ),
            facts=parts.facts,
            compose=parts.server.compose,
            new_request_id=lambda: os.urandom(16).hex(),  # importing uuid takes 2 ms
            server=parts.server.name,
            queue=name,
            end=first(self._ends),
            mask=masking(parts.secrets),
            free=verification.spare(parts.settings, own),
            announced=lambda: parts.server.announced,
            lent=job.lends,
            handed_over=bool(parts.settings.recovery.folder) and parts.settings.recovery.outputs == "store",
            work_until=work_until,
        )
        limits = Limits(
            job.requests,
            job.failures,
            job.ask_wait,
            work_until - self._started,
            job.time_floor,
            job.ask_wait_most,
            parts.settings.queue.same_task,
            job.at_once,
            *called_limits(parts.settings),
        )
        inherited = recovery.take_over_request(parts.base, own, parts.server.name, name)
        asking = Asking(limits, self._started)
        return Conductor(self._news, self._budget(), ways, means, asking, request_id=inherited)


_DO_LOG: Mapping[Effect, Callable[[DataControl, Work], None]] = {
    Effect.STAGE_LOG: DataControl.stage_log,
    Effect.CLEAN: DataControl.clean,
}
