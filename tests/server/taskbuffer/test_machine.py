"""The task buffer against a simple model of it: any verbs, in any order, as often as they like."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from server.pandaconfig.logic import define_queue
from server.pandaconfig.models import Schedconfig
from server.taskbuffer import logic
from server.taskbuffer.again import RULES
from server.taskbuffer.logic import KillOutcome, Limits, watch
from server.taskbuffer.logic import reset as resets
from server.taskbuffer.models import Job, JobFile, Live, Ready, RetryRule
from tests.server import jobs
from tests.whole.audit import Rows, wrongs

pytestmark = pytest.mark.one_python

PASSES, ENDS = 1099, 1305
STEPS = {
    "sent": ("starting", "running", "transferring", "holding"),
    "starting": ("running", "transferring", "holding"),
    "running": ("transferring", "holding"),
    "transferring": ("holding",),
    "holding": (),
}
WITH_PILOT = tuple(STEPS)
LIMITS = Limits(sent=1800, heartbeat=7200)
SILENCES = dict.fromkeys(STEPS, LIMITS.heartbeat) | {"sent": LIMITS.sent, "holding": LIMITS.holding}
SKEW = timedelta(minutes=1)
GB = 10**9
ENDED_BADLY = ("failed", "cancelled", "closed")
PICK = st.integers(0, 10**6)


def nobody_waits() -> None:
    """No sign of life is wanted."""


@dataclass
class Model:
    """What ought to be true of one job."""

    state: str
    attempts: int
    priority: int
    attempt: int = 1
    killed: bool = False
    heard: float = 0.0
    since: datetime = jobs.NOW
    large: bool = False
    given: list[int] = field(default_factory=list)
    finals: dict[int, tuple[str, int]] = field(default_factory=dict)

    def again(self, now: datetime) -> None:
        self.state, self.attempt, self.killed = "activated", self.attempt + 1, False
        self.priority -= 10
        self.since = now

    def report(self, attempt: int, state: str, code: int, now: datetime, passes: int) -> str:
        if attempt != self.attempt or self.state not in WITH_PILOT:
            return "NULL" if self.finals.get(attempt) == (state, code) else "tobekilled"
        if state == "finished":
            self.state = "finished"
        elif state == "failed" and self.killed:
            self.state = "cancelled"
        elif state == "failed":
            self.state = "failed"
        if self.state not in WITH_PILOT:
            self.finals[attempt] = (state, code)
            if self.state == "failed" and code == passes and self.attempt < self.attempts:
                self.again(now)
            return "NULL"
        self.heard = now.timestamp()
        if state in STEPS[self.state]:
            self.state = state
        return "tobekilled" if self.killed else "NULL"

    def lose(self, now: datetime) -> None:
        if self.killed:
            self.state = "cancelled"
        elif self.attempt < self.attempts:
            self.again(now)
        else:
            self.state = "failed"


class RowsOfDjango(Rows):
    """The tables as Django's connection has them: what is not committed, too."""

    def __init__(self) -> None:
        pass

    def read(self, query: str, *values: object) -> list[tuple]:
        with connection.cursor() as cursor:
            cursor.execute(query.replace("?", "%s"), values)
            return list(cursor.fetchall())


class TaskBuffer(RuleBasedStateMachine):
    """Each rule does the same to the task buffer and to the model; then both are compared."""

    def __init__(self) -> None:
        super().__init__()
        self.undone = transaction.atomic()
        self.undone.__enter__()
        define_queue({"nickname": "LOCAL", "status": "online"})
        self.models: dict[int, Model] = {}
        self.requests: dict[str, list[tuple[int, int]]] = {}
        self.now = jobs.NOW
        self.passes = PASSES
        self.reset: tuple[int, dict[int, Model]] | None = None
        for code, action in ((PASSES, "none"), (ENDS, "retry")):
            RetryRule.objects.create(source="pilot", code=code, action=action, enabled=False)
        RULES.forget()

    def teardown(self) -> None:
        found = wrongs(RowsOfDjango(), over=False)
        transaction.set_rollback(True)
        self.undone.__exit__(None, None, None)
        assert found == []

    def pick(self, number: int) -> int:
        return sorted(self.models)[number % len(self.models)]

    @rule(
        count=st.integers(1, 3),
        priority=st.integers(-50, 50),
        waits=st.booleans(),
        attempts=st.integers(1, 3),
        large=st.booleans(),
    )
    def submit(self, count: int, priority: int, waits: bool, attempts: int, large: bool) -> None:
        memory = 4 * GB if large else GB
        for number in jobs.submit(count, priority=priority, waits=waits, max_attempts=attempts, memory=memory):
            assert number not in self.models
            self.models[number] = Model("defined" if waits else "activated", attempts, priority, large=large)

    @precondition(lambda self: self.models)
    @rule(which=PICK)
    def activate(self, which: int) -> None:
        number = self.pick(which)
        model = self.models[number]
        assert logic.activate([number], by="test", now=self.now) == ([number] if model.state == "defined" else [])
        if model.state == "defined":
            model.state, model.since = "activated", self.now

    @rule(count=st.integers(1, 3), named=st.booleans())
    def claim(self, count: int, named: bool) -> None:
        name = f"request-{len(self.requests):04}" if named else None
        queued = [(-m.priority, number) for number, m in self.models.items() if m.state == "activated"]
        expected = [(number, self.models[number].attempt) for _, number in sorted(queued)[:count]]
        given = jobs.claim(request_id=name, count=count)
        assert [(job["PandaID"], job["attemptNr"]) for job in given] == expected
        if given and name:
            self.requests[name] = expected
        for number, attempt in expected:
            model = self.models[number]
            assert attempt not in model.given
            model.given.append(attempt)
            model.state, model.heard = "sent", jobs.NOW.timestamp()

    @precondition(lambda self: self.requests)
    @rule(which=PICK)
    def ask_again(self, which: int) -> None:
        name = sorted(self.requests)[which % len(self.requests)]
        living = [
            (number, attempt)
            for number, attempt in self.requests[name]
            if self.models[number].attempt == attempt and self.models[number].state in WITH_PILOT
        ]
        given = jobs.claim(request_id=name)
        assert [(job["PandaID"], job["attemptNr"]) for job in given] == living

    @precondition(lambda self: self.models)
    @rule(
        which=PICK,
        back=st.integers(-1, 1),
        state=st.sampled_from(["starting", "running", "transferring", "holding", "finished", "failed"]),
        code=st.sampled_from([PASSES, ENDS]),
        times=st.integers(1, 2),
    )
    def report(self, which: int, back: int, state: str, code: int, times: int) -> None:
        number = self.pick(which)
        model = self.models[number]
        attempt = model.attempt - back
        code = code if state == "failed" else 0
        log = "job.log.tgz" if attempt <= 1 else f"job.log.tgz.{attempt}"
        files = jobs.stored("out.root", log) if state == "finished" else None
        for _ in range(times):
            expected = model.report(attempt, state, code, self.now, self.passes)
            told = jobs.report(number, state, attempt, now=self.now, pilot_error=code, files=files)
            assert told == expected

    @precondition(lambda self: self.models)
    @rule(which=PICK, force=st.booleans())
    def kill(self, which: int, force: bool) -> None:
        number = self.pick(which)
        model = self.models[number]
        outcome = logic.kill([number], code=9 if force else None, by="test", now=self.now)[number]
        if model.state in ("finished", "failed", "cancelled", "closed"):
            assert outcome is KillOutcome.OVER
        elif model.state in WITH_PILOT and not force:
            assert outcome is KillOutcome.ORDERED
            model.killed = True
        else:
            assert outcome is KillOutcome.ENDED
            model.state, model.killed = "cancelled", True

    @precondition(lambda self: self.models)
    @rule(which=PICK)
    def retry(self, which: int) -> None:
        number = self.pick(which)
        model = self.models[number]
        refused = logic.retry([number], by="test", now=self.now)
        assert bool(refused) is (model.state != "failed")
        if not refused:
            model.again(self.now)
            model.attempts = max(model.attempts, model.attempt)

    @rule(seconds=st.sampled_from([60, 1000, 1900, 8000, -60, -8000]))
    def set_the_clock_and_reap(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        living = [model for model in self.models.values() if model.state in WITH_PILOT]
        for model in living:
            if model.heard > (self.now + SKEW).timestamp():
                model.heard = self.now.timestamp()
        lost = [model for model in living if self.now.timestamp() - model.heard > SILENCES[model.state]]
        assert logic.reap_lost(now=self.now, limits=LIMITS).total == len(lost)
        for model in lost:
            model.lose(self.now)

    @rule()
    def turn_the_rules_for_retries_on_or_off(self) -> None:
        self.passes = PASSES if self.passes == ENDS else ENDS
        RetryRule.objects.update(enabled=self.passes == ENDS)
        RULES.forget()

    @rule(small=st.booleans())
    def find_what_can_never_run(self, small: bool) -> None:
        Schedconfig.objects.update(maxrss=2000 if small else 0, lastmod=jobs.NOW)
        stuck = [m for m in self.models.values() if small and m.large and m.state in ("defined", "activated")]
        assert watch.fail_impossible(now=self.now, grace=0, by="test", keep=nobody_waits) == len(stuck)
        for model in stuck:
            model.state, model.killed = "failed", True

    @precondition(lambda self: any(m.state in ENDED_BADLY for m in self.models.values()))
    @rule()
    def reset_all_that_ended_badly(self) -> None:
        ended = {number: m for number, m in self.models.items() if m.state in ENDED_BADLY}
        done = resets.reset(list(self.models), by="test", why="why not", now=self.now)
        assert set(done.jobs) == set(ended)
        self.reset = (done.reset, {number: replace(model) for number, model in ended.items()})
        for model in ended.values():
            model.again(self.now)
            model.attempts = max(model.attempts, model.attempt)

    @precondition(lambda self: self.reset)
    @rule()
    def undo_the_last_reset(self) -> None:
        number, before = self.reset
        self.reset = None
        untouched = {
            job
            for job, model in before.items()
            if (self.models[job].state, self.models[job].attempt) == ("activated", model.attempt + 1)
        }
        assert set(resets.undo(number, by="test", now=self.now).restored) == untouched
        for job in untouched:
            self.models[job] = before[job]

    @rule(days=st.sampled_from([3, 8]))
    def wait_for_days(self, days: int) -> None:
        self.now += timedelta(days=days)
        wishes = {"now": self.now, "limits": LIMITS, "by": "test", "keep": nobody_waits}
        over = [
            m
            for m in self.models.values()
            if m.state in ("defined", "activated") and self.now - m.since > timedelta(days=7)
        ]
        assert watch.expire_waiting(**wishes) + watch.expire_queued(**wishes) == len(over)
        for model in over:
            model.state, model.killed = "closed", True

    @invariant()
    def the_rows_say_what_the_model_says(self) -> None:
        found = {job.pk: (job.state, job.attempt, job.priority) for job in Job.objects.all()}
        assert found == {number: (m.state, m.attempt, m.priority) for number, m in self.models.items()}
        assert Ready.objects.count() == sum(model.state == "activated" for model in self.models.values())
        assert Live.objects.count() == sum(model.state in WITH_PILOT for model in self.models.values())
        finished = {number for number, model in self.models.items() if model.state == "finished"}
        stored = JobFile.objects.filter(role="output", state="ready")
        assert sorted(stored.values_list("job_id", flat=True)) == sorted(finished)
        jobs.audit()


@pytest.mark.usefixtures("db")
def test_any_verbs_in_any_order_do_what_the_model_says():
    wanted = settings(
        max_examples=20,
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    run_state_machine_as_test(TaskBuffer, settings=wanted)
