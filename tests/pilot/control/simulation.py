"""The conductor with everything around it played by a random hand: lanes that answer, fail, hang or answer late,
orders at any time, a server that takes reports or not. One thread, no clock but its own."""

from __future__ import annotations

import queue
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pilot.api.communicator import Communicator
from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.contract.queue import QueueData
from pilot.control import news
from pilot.control.asking import Asking, Limits
from pilot.control.commands import Commands
from pilot.control.component import Budget
from pilot.control.conductor import Conductor
from pilot.control.ends import End
from pilot.control.journal import Journal
from pilot.control.ledger import UNCOUNTED, Ahead, Amount, Ledger
from pilot.control.lifecycle import ORDERS, Effect, Event
from pilot.control.means import Means, Ways
from pilot.control.news import Order, Site
from pilot.control.reports import Facts
from pilot.control.times import NEVER, Times
from pilot.job import PayloadOutcome, Phase, Problem, Usage
from pilot.settings import Server, Settings

GOOD = {
    Effect.STAGE_IN: Event.INPUT_READY,
    Effect.RUN_PAYLOAD: Event.PAYLOAD_OK,
    Effect.STAGE_OUT: Event.OUTPUT_STORED,
    Effect.STOP_PAYLOAD: Event.GONE,
    Effect.CANCEL_COPIES: Event.GONE,
    Effect.STAGE_LOG: Event.LOG_STORED,
}
SERVER = Communicator(Server(url="http://nowhere"))
SITE = Site(QueueData("Q"))
LOG = FileSpec("job.log.tgz", Role.LOG)
OUTCOME = PayloadOutcome(0, None, Path(), Path(), Path(), cpu_time=1.0)


class Crash(Exception):
    """The pilot dies here."""


class World:
    """Plays everything but the conductor. ``taken`` is what the server has taken: final reports as texts, by job."""

    def __init__(
        self,
        seed: int,
        folder: Path,
        *,
        jobs: int = 3,
        at_once: int = 1,
        total: Amount = UNCOUNTED,
        ahead: Ahead = Ahead(),  # noqa: B008  a frozen value
        free: Callable[[], int] = lambda: 10**12,
        crash_after: int | None = None,
        end: End | None = None,
        work_until: float = NEVER,
        **limits: Any,
    ):
        self.luck = random.Random(seed)
        self.now = 0.0
        self.work: list[object] = []
        self.taken: dict[news.Key, list[str]] = {}
        self.phases: dict[news.Key, list[Phase]] = {}
        self.ends = 0
        self.puts, self.crash_after = 0, crash_after
        self.left = jobs
        self.inbox: queue.Queue[news.News] = queue.Queue()
        settings = Settings()
        folder.mkdir(exist_ok=True)
        self.journal = Journal(folder)
        means = Means(
            journal=self.journal,
            times=Times(settings),
            ledger=Ledger(at_once, total, ahead),
            free=free,
            facts=Facts("here"),
            compose=SERVER.compose,
            new_request_id=lambda: f"request-{self.luck.random()}",
            server=SERVER.name,
            queue="Q",
            end=end,
            work_until=work_until,
            clock=lambda: self.now,
            now=lambda: 1e9 + self.now,
            luck=self.luck.random,
        )
        ways = Ways(dict.fromkeys(Effect, self), self, self, self.end, self.moved, self)
        given = {
            "requests": 2,
            "failures": 3,
            "wait": 100,
            "lifetime": 1e6,
            "time_floor": 1e6,
            "places": at_once,
            **limits,
        }
        asking = Asking(Limits(**given), 0.0)
        self.conductor = Conductor(self.inbox, Budget(1000), ways, means, asking)

    def put(self, item: object) -> None:
        self.puts += 1
        if self.crash_after is not None and self.puts > self.crash_after:
            raise Crash
        if isinstance(item, news.Settled):
            self.inbox.put(item)  # nobody has died here
        else:
            self.work.append(item)

    def end(self) -> None:
        self.ends += 1

    def moved(self, job) -> None:
        self.phases.setdefault(job.key, []).append(job.phase)

    def run(self) -> None:
        """Play until the conductor says that it has ended."""
        self.conductor.begin()
        for _ in range(100_000):
            if self.ends:
                return
            self.play()
        raise AssertionError(f"it does not end: {self.conductor.jobs}")

    def play(self) -> None:
        """Do one thing: an answer to some work, an order out of the blue, or the passing of time."""
        if self.conductor.jobs and self.luck.random() < 0.03:
            self.order()
        if self.work and self.luck.random() < 0.8:
            self.answer(self.work.pop(self.luck.randrange(len(self.work))))
        try:
            self.conductor.handle(self.inbox.get_nowait())
        except queue.Empty:
            self.let_time_pass()

    def let_time_pass(self) -> None:
        timers = self.conductor._timers
        if not self.work and (at := timers.next()) is not None:
            self.now = max(self.now, at)
        self.now += self.luck.random()
        while not self.ends and (due := timers.due(self.now)) is not None:
            self.conductor.handle(due)

    def order(self) -> None:
        key = self.luck.choice(list(self.conductor.jobs))
        order = self.luck.choice((*ORDERS, Event.SOFT_KILL))
        if order is Event.SHUTDOWN and self.luck.random() < 0.5:
            self.inbox.put(news.Shutdown(Problem(ErrorCode.SIGTERM, "ended"), 60.0))
        else:
            self.inbox.put(Order(key, order, Problem(ErrorCode.USER_KILL, "ordered")))

    def answer(self, item: object) -> None:
        if isinstance(item, news.Ask):
            return self.offer(item)
        if isinstance(item, news.Look):
            return self.inbox.put(news.Progress(item.job.key, 5, 10))
        assert isinstance(item, news.Work)
        if item.effect in (Effect.REPORT, Effect.ASK_PAYLOAD, Effect.CLEAN):
            return None
        if item.effect is Effect.FINAL_REPORT:
            return self.take(item)
        if self.luck.random() < 0.05:
            return None  # it hangs for ever
        good = self.luck.random() < 0.8
        problem = None if good else Problem(ErrorCode.GENERAL_ERROR, "it broke")
        more = {"outcome": OUTCOME} if item.effect is Effect.RUN_PAYLOAD else {}
        answer = item.answer(GOOD[item.effect] if good else Event.FAIL, problem, **more)
        for _ in range(self.luck.choice((1, 1, 1, 2))):  # said twice, now and then
            self.inbox.put(answer)
        if self.luck.random() < 0.05:
            self.inbox.put(answer._replace(step=max(0, answer.step - 1)))
        return None

    def offer(self, ask: news.Ask) -> None:
        if self.luck.random() < 0.1:
            return self.inbox.put(news.NoOffer(Problem(ErrorCode.COMMUNICATION_FAILURE, "nobody there")))
        count = min(ask.opening.jobs, self.left)
        self.left -= count
        specs = [JobSpec(id=self.left + n + 1, attempt=1, transformation="true", log=LOG) for n in range(count)]
        return self.inbox.put(news.Offer(ask.request_id, SITE, tuple(specs)))

    def take(self, work: news.Work) -> None:
        luck = self.luck.random()
        if luck < 0.7:
            self.taken.setdefault(work.key, []).append(work.report.text)
            if luck < 0.6:  # else the answer is lost
                return self.inbox.put(work.answer(Event.TAKEN))
        return self.inbox.put(work.answer(Event.NOT_TAKEN, Problem(ErrorCode.COMMUNICATION_FAILURE, "no answer")))


class Crowd(World):
    """Several jobs of different sizes at once, of a server that may give more than there is room for; commands, looks,
    signals and answers cross. ``given`` are the jobs in the order in which they came, ``done`` is what was asked for
    each; what may never be asked is noticed at once."""

    def __init__(self, seed: int, folder: Path, *, cores: int, **more: Any):
        self.given: list[news.Key] = []
        self.done: dict[news.Key, list[Effect]] = {}
        self.cores = cores
        super().__init__(seed, folder, total=Amount(cores), **more)

    def put(self, item: object) -> None:
        if isinstance(item, news.Work):
            before = self.done.setdefault(item.key, [])
            assert Effect.CLEAN not in before, "its end was its end"
            if Effect.FINAL_REPORT in before:
                assert item.effect in (Effect.FINAL_REPORT, Effect.CLEAN)
            if item.effect in (Effect.STAGE_IN, Effect.RUN_PAYLOAD, Effect.STAGE_LOG):
                assert item.effect not in before, "nothing is done twice"
            if item.effect in (Effect.STAGE_IN, Effect.RUN_PAYLOAD, Effect.STAGE_OUT):
                assert not {Effect.STOP_PAYLOAD, Effect.CANCEL_COPIES, Effect.STAGE_LOG} & {*before}, "it was stopped"
            before.append(item.effect)
        super().put(item)

    def moved(self, job: Any) -> None:
        super().moved(job)
        slots = self.conductor.jobs.values()
        used = [slot.job.spec.cores for slot in slots if Phase.RUNNING in self.phases.get(slot.job.key, ())]
        assert len(used) < 2 or sum(used) <= self.cores, "no core is given twice"

    def play(self) -> None:
        if self.conductor.jobs and self.luck.random() < 0.05:
            self.inbox.put(self.chatter())
        super().play()

    def chatter(self) -> news.News:
        key = self.luck.choice([*self.conductor.jobs, (999, 1)])
        problem = Problem(ErrorCode.SIGTERM, "ended")
        said: list[news.News] = [
            news.Commanded(key, Commands(debug=self.luck.random() < 0.5, show=(("ls",),))),
            news.Commanded(key, Commands(keep=True)),
            news.Shown(key, "shown"),
            news.Measured(key, Usage()),
            news.Progress(key, 1, 2),
            news.Heard(key),
        ]
        if self.luck.random() < 0.05:
            said = [Order(None, Event.DEADLINE, problem), news.Shutdown(problem, self.luck.choice((5.0, 60.0)))]
        return self.luck.choice(said)

    def offer(self, ask: news.Ask) -> None:
        if self.luck.random() < 0.1:
            fatal = self.luck.random() < 0.1
            return self.inbox.put(news.NoOffer(Problem(ErrorCode.COMMUNICATION_FAILURE, "nobody there"), fatal))
        specs = [self.order_of(self.left - n) for n in range(min(self.left, self.luck.choice((0, 1, 1, 3))))]
        self.left -= len(specs)
        self.given += [spec.key for spec in specs]
        return self.inbox.put(news.Offer(ask.request_id, SITE, (*specs, *specs[:1])))  # the first one twice

    def order_of(self, number: int) -> JobSpec:
        cores, seconds = self.luck.choice((1, 1, 1, 2, 4, 8, 16)), self.luck.choice((0, 300, 3000))
        return JobSpec(id=number, attempt=1, transformation="true", log=LOG, cores=cores, max_walltime=seconds)
