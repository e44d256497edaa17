"""What a cycle does with many queues, with systems that fail or vanish, and with pilots that are stuck or too many."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from server.batch.base import BatchFailed, BatchJob, BatchMisconfigured, BatchState, Window
from server.factory import logic, queries, readings
from server.factory.models import FactoryAllocation, FactoryConfirmation, FactoryQueue, FactorySystem
from server.factory.models import FactorySystemState as State
from server.factory.systems import UnknownSystem
from server.pandaconfig.logic import define_queue
from server.pilots import logic as pilot_logic
from server.pilots.models import Pilot
from server.taskbuffer.models import Ready
from tests.server.factory.played import NOW, PlayedBatch, activate

pytestmark = [pytest.mark.django_db, pytest.mark.one_python]
QUEUED, RUNNING, HELD = (BatchJob(state) for state in (BatchState.QUEUED, BatchState.RUNNING, BatchState.HELD))
MINUTE, HOUR, DAY = 60, 3600, 86400


def change(**values) -> None:
    FactoryQueue.objects.update(**values)


def last() -> dict:
    return queries.explain("LOCAL")


def test_all_queues_of_a_system_are_one_question(queue, batch, launch, cycle):
    for name in ("A", "B", "C"):
        define_queue({"nickname": name, "status": "online"})
        logic.define_queue(name, slots=2)
        activate(1, name)
    assert cycle().submitted == 3
    assert batch.asked == 1
    assert cycle(1) == logic.Cycle()
    assert batch.asked == 2
    state = State.objects.get()
    assert (state.name, state.pilots, state.answered_at) == ("local", 3, NOW + timedelta(seconds=1))


def test_a_cycle_takes_as_many_statements_for_many_pilots_as_for_few(cycle, batch):
    change(slots=1000, max_waiting=1000, max_per_cycle=50)
    activate(5)
    cycle()
    batch.all_become(RUNNING)
    Ready.objects.all().delete()
    with CaptureQueriesContext(connection) as few:
        cycle(1)
    activate(40)
    cycle(10)
    batch.all_become(RUNNING)
    Ready.objects.all().delete()
    with CaptureQueriesContext(connection) as many:
        cycle(11)
    assert Pilot.objects.filter(state="running").count() == 45
    assert len(many) <= len(few) + 2


def test_a_removed_system_loses_its_pilots_and_the_queue_says_so(cycle, batch, launch):
    activate(2)
    cycle()

    def none(name, queue):
        raise UnknownSystem(f"there is no batch system {name}")

    assert cycle(1, system_of=none) == logic.Cycle(ended=2, failed=1)
    assert set(Pilot.objects.values_list("state", "words")) == {("lost", "its batch system local was removed")}
    assert last()["decision"]["reason"] == "there is no batch system local"
    assert cycle(2).submitted == 2


def test_a_system_that_cannot_be_opened_loses_nothing(cycle):
    activate(1)
    cycle()

    def broken(name, queue):
        raise BatchMisconfigured("batch system local: a library is missing")

    assert cycle(1, system_of=broken) == logic.Cycle(failed=1)
    assert Pilot.objects.get().state == "queued"
    assert last()["decision"]["reason"] == "batch system local: a library is missing"


def test_pilots_in_a_system_that_their_queue_has_left_are_followed(cycle, batch, tmp_path):
    activate(1)
    cycle()
    FactorySystem.objects.create(name="other", kind="local")
    change(batch_system="other")
    batch.all_become(BatchJob(BatchState.DONE, 0, NOW, NOW))
    other = PlayedBatch(tmp_path)
    done = cycle(1, system_of=lambda name, queue: other if name == "other" else batch)
    assert (done.ended, done.submitted) == (1, 1)
    assert Pilot.objects.get(state="queued").batch_system == "other"


def test_a_system_that_is_switched_off_gets_no_pilots_and_is_followed(cycle, batch):
    FactorySystem.objects.create(name="slurm-a", kind="local", enabled=False)
    change(batch_system="slurm-a")
    activate(1)
    assert cycle() == logic.Cycle()
    assert last()["decision"]["reason"] == "the batch system slurm-a is switched off"


def test_waiting_pilots_of_a_queue_that_was_removed_are_cancelled_and_running_ones_are_not(cycle, batch):
    activate(2)
    cycle()
    first, second = batch.jobs
    batch.jobs[first] = RUNNING
    Ready.objects.all().delete()
    cycle(1)
    FactoryQueue.objects.all().delete()
    cycle(2)
    assert batch.cancelled == [second]
    assert Pilot.objects.get(batch_id=second).cancelled_for == "its queue was removed from the factory"


def test_a_pilot_that_is_held_too_long_is_cancelled_and_its_reason_kept(cycle, batch):
    change(held_minutes=10)
    activate(1)
    cycle()
    (job,) = batch.jobs
    batch.jobs[job] = replace(HELD, words="the disk is full")
    cycle(MINUTE)
    cycle(11 * MINUTE)
    assert batch.cancelled == []
    cycle(11 * MINUTE + 1)
    assert batch.cancelled == [job]
    batch.all_become(BatchJob(BatchState.DONE, None, None, NOW, "removed"))
    Ready.objects.all().delete()
    cycle(12 * MINUTE)
    pilot = Pilot.objects.get()
    assert (pilot.state, pilot.cancelled_for) == ("done", "held for more than 10 minutes: the disk is full")


def test_a_pilot_that_never_starts_is_cancelled_and_replaced(cycle, batch):
    change(start_days=2)
    activate(1)
    cycle()
    (job,) = batch.jobs
    assert cycle(2 * DAY).submitted == 0
    cycle(2 * DAY + 1)
    assert batch.cancelled == [job]
    batch.all_become(BatchJob(BatchState.DONE, None, None, NOW, "removed"))
    assert cycle(2 * DAY + 2).submitted == 1


def test_what_was_cancelled_and_still_waits_is_told_again_after_a_while(cycle, batch):
    change(start_days=1)
    activate(1)
    for second in (0, DAY + 1, DAY + 2, DAY + 62):
        cycle(second)
    assert len(batch.cancelled) == 2


def test_a_pilot_that_was_told_to_end_and_runs_all_the_same_is_left_in_peace(cycle, batch):
    change(start_days=1)
    activate(1)
    cycle()
    cycle(DAY + 1)
    Ready.objects.all().delete()
    batch.all_become(RUNNING)
    cycle(DAY + 2)
    assert Pilot.objects.get().cancelled_at is None
    assert len(batch.cancelled) == 1


def keep(pilots: int) -> None:
    change(rules=[{"rule": "keep_running", "pilots": pilots}], slots=100)


def test_surplus_pilots_that_wait_are_cancelled_newest_first_and_never_running_ones(cycle, batch):
    keep(4)
    assert cycle().submitted == 4
    jobs = list(batch.jobs)
    batch.jobs.update(dict.fromkeys(jobs[:2], RUNNING))
    keep(1)
    assert cycle(1).cancelled == 2
    assert sorted(batch.cancelled) == jobs[2:]
    assert set(Pilot.objects.filter(batch_id__in=jobs[2:]).values_list("cancelled_for", flat=True)) == {
        "there were more pilots than wanted"
    }
    assert cycle(2).cancelled == 0  # both that are left run


@pytest.mark.parametrize("rule", ["keep_running", "keep_queue_life"])
def test_a_system_that_is_slow_to_cancel_is_not_told_to_cancel_more(cycle, batch, rule):
    keep(4)
    cycle()
    change(rules=[{"rule": rule, "pilots": 3}])
    assert cycle(1).cancelled == 1
    assert cycle(2).cancelled == 0  # the one that was told to end still waits
    assert len(batch.cancelled) == 1


def test_a_pilot_that_starts_in_the_last_moment_is_not_cancelled(cycle, batch):
    keep(1)
    cycle()
    asked = batch.status

    def status(ids):
        found = asked(ids)
        batch.all_become(RUNNING)  # between the look and the order
        return found

    keep(0)
    batch.status = status
    assert cycle(1).cancelled == 0
    assert batch.cancelled == []


def test_a_large_change_is_made_once_when_somebody_has_confirmed_it(cycle, batch):
    keep(80)
    assert cycle().submitted == 50
    assert cycle(1).submitted == 30
    keep(5)
    assert cycle(2).cancelled == 0
    assert last()["change_to_confirm"] == 0  # its clock is today's
    one = FactoryConfirmation.objects.get(change=-75)
    with pytest.raises(logic.NothingToConfirm):
        logic.confirm_change("LOCAL", by="somebody", now=NOW + timedelta(hours=1))
    assert logic.confirm_change("LOCAL", by="somebody", now=NOW + timedelta(seconds=3)).pk == one.pk
    assert cycle(4).cancelled == 75
    one.refresh_from_db()
    assert (one.confirmed_by, one.done_at) == ("somebody", NOW + timedelta(seconds=4))
    with pytest.raises(logic.NothingToConfirm):
        logic.confirm_change("LOCAL", by="somebody", now=NOW + timedelta(seconds=5))


def test_the_same_wish_is_one_line(cycle, batch):
    change(rules=[{"rule": "fixed", "pilots": 60}], slots=1000)
    cycle()
    cycle(1)
    assert list(FactoryConfirmation.objects.values_list("change", "latest")) == [(60, NOW + timedelta(seconds=1))]


def test_facts_that_are_too_old_when_their_queues_turn_comes_change_nothing(cycle, batch):
    activate(1)
    ticks = iter(range(0, 100000, 200))
    assert cycle(clock=lambda: float(next(ticks))).submitted == 0
    assert "more than 120 s ago" in last()["decision"]["reason"]
    assert cycle(1).submitted == 1


def test_rules_that_cannot_be_read_any_longer_give_nothing_and_say_so(cycle):
    change(rules=["of_another_version"])
    activate(1)
    assert cycle() == logic.Cycle(failed=1)
    assert "there is no rule of_another_version" in last()["decision"]["reason"]


def test_the_window_is_asked_for_by_queues_that_look_at_it(cycle, batch):
    change(rules=["ready", "window"], max_per_cycle=50)
    batch.free = Window(nodes=2)
    activate(5)
    assert cycle().submitted == 2


def test_a_window_that_is_not_told_stops_nothing_and_one_that_fails_does(cycle, batch):
    change(rules=["ready", "window"])

    def fails(options):
        raise BatchFailed("no answer")

    batch.window = fails
    activate(1)
    assert cycle().submitted == 0
    assert "nobody knows what is free: no answer" in last()["decision"]["reason"]


def test_an_allocation_is_used_up_by_what_pilots_ran(cycle, batch):
    granted = FactoryAllocation.objects.create(name="project", node_hours=10, since=NOW - timedelta(days=1))
    change(rules=["ready", "allocation"], allocation=granted, nodes=2, wall_time=3600, cores=1)
    ran = {"queue": "LOCAL", "batch_system": "local", "submission": "old", "allocation": "project", "nodes": 2}
    Pilot.objects.create(
        **ran, number=0, state="done", submitted_at=NOW, started_at=NOW - timedelta(hours=3), ended_at=NOW
    )
    activate(10)
    assert cycle().submitted == 2  # 4 node-hours are left
    assert Pilot.objects.filter(allocation="project", nodes=2, cores=2).count() == 2


def test_each_pilot_asks_for_what_the_queue_says_and_schedconfig_where_it_says_nothing(cycle, batch):
    define_queue({"nickname": "LOCAL", "status": "online", "corecount": 8, "maxrss": 16000, "maxtime": 7200})
    change(job_options={"partition": "short"}, disk=100, whole_nodes=True, nodes=2)
    activate(1)
    cycle()
    (template,) = batch.templates
    needs = template.needs
    assert (needs.nodes, needs.cores, needs.memory, needs.disk) == (2, 8, 16000 * 2**20, 100 * 2**20)
    assert (needs.wall_time, needs.whole_nodes, template.options) == (7200.0, True, {"partition": "short"})


def test_pilots_without_jobs_are_counted_as_cost(cycle, batch):
    activate(2)
    cycle()
    batch.all_become(BatchJob(BatchState.DONE, 82, NOW, NOW + timedelta(seconds=9)))
    Ready.objects.all().delete()
    cycle(10)
    now = timezone.now()
    Pilot.objects.update(started_at=now - timedelta(seconds=3600), ended_at=now)
    pilot_logic.count_ended(now=now + timedelta(minutes=5))
    readings.USES.forget()
    assert last()["cost"] == {"ended": 2, "jobless": 2, "jobless_percent": 100, "idle_hours": 2.0}
    activate(1)
    cycle(20)
    assert "about 100 % of the pilots since yesterday had no job" in last()["trace"][0]["reason"]


def test_the_logs_of_pilots_that_ended_are_brought_once_and_asked_for_again_when_that_failed(cycle, batch):
    asked = []

    def collect(ids):
        asked.append(sorted(ids))
        batch._check()
        return len(ids)

    batch.collect = collect
    activate(2)
    cycle()
    Ready.objects.all().delete()
    jobs = sorted(batch.jobs)
    batch.all_become(BatchJob(BatchState.DONE, 0, NOW, NOW + timedelta(seconds=9)))
    cycle(10)

    def bring(after):
        return logic.collect(NOW + timedelta(seconds=after), system_of=lambda name, queue: batch)

    batch.answers = False
    assert (bring(20), State.objects.get().collected_at) == (0, None)
    batch.answers = True
    assert bring(30) == 2
    assert asked == [jobs, jobs]
    assert bring(HOUR) == 2  # within the time in which ends are seen
    assert bring(2 * HOUR) == 0


@pytest.mark.parametrize("point", ["submit", "find", "confirm"])
def test_a_factory_that_dies_while_it_submits_for_many_queues_submits_nothing_twice(
    queue, batch, launch, cycle, monkeypatch, point
):
    for name in ("A", "B"):
        define_queue({"nickname": name, "status": "online"})
        logic.define_queue(name, slots=2)
        activate(2, name)
    calls = {"submit": batch.submit, "find": batch.find, "confirm": pilot_logic.confirm}
    times = []

    def dies(*args, **more):
        if point == "submit":
            calls[point](*args, **more)
        times.append(1)
        if len(times) == 2:
            raise KeyboardInterrupt
        return None if point == "submit" else calls[point](*args, **more)

    owner = pilot_logic if point == "confirm" else batch
    with monkeypatch.context() as dying:
        dying.setattr(owner, point, dies)
        if point == "submit":
            dying.setattr(batch, "find", lambda key: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            cycle()
    for second in (1, 2, 3):
        cycle(second)
    assert sorted(batch.jobs) == sorted(Pilot.objects.exclude(state="lost").values_list("batch_id", flat=True))
    assert Pilot.objects.filter(state="queued", queue="A").count() == 2
    assert Pilot.objects.filter(state="queued", queue="B").count() == 2


def test_systems_that_are_slow_to_answer_do_not_make_old_what_the_others_said(queue, batch, cycle, tmp_path):
    at = [0.0]

    class SlowBatch(PlayedBatch):
        def status(self, ids):
            at[0] += 130.0
            return super().status(ids)

    slow = SlowBatch(tmp_path / "slow")
    define_queue({"nickname": "SLOW", "status": "online"})
    logic.define_queue("SLOW", slots=2, batch_system="slow")
    both = {"system_of": lambda name, queue: slow if name == "slow" else batch, "clock": lambda: at[0]}
    activate(1)
    assert cycle(**both).submitted == 0  # nobody knew yet which one is slow
    assert cycle(200, **both).submitted == 1


def test_days_before_all_calendars_end_neither_a_cycle_nor_the_cleaning(cycle, batch):
    change(start_days=2**31 - 1, keep_files=2**31 - 1)
    activate(1)
    assert cycle().submitted == 1
    assert cycle(1) == logic.Cycle()
    assert logic.clean(NOW, system_of=lambda name, queue: batch) == 0


def test_a_removed_system_is_not_asked_for_logs_for_ever(cycle, batch):
    activate(1)
    cycle()

    def none(name, queue):
        raise UnknownSystem(f"there is no batch system {name}")

    cycle(1, system_of=none)
    assert State.objects.count() == 1
    assert logic.collect(NOW, system_of=none) == 0
    assert State.objects.count() == 0


def test_words_that_no_database_holds_end_no_cycle(cycle, batch):
    activate(1)
    cycle()
    batch.all_become(BatchJob(BatchState.HELD, words="no \0 room \udcff", node="n" * 200 + "\0"))
    assert cycle(1) == logic.Cycle()
    pilot = Pilot.objects.get()
    assert (pilot.words, pilot.node) == ("no \ufffd room \ufffd", "n" * 128)

    def refuses(template, count):
        raise BatchFailed("full \0\udcff")

    batch.submit = refuses
    activate(2)
    assert cycle(2).failed == 1
    assert last()["decision"]["reason"] == "full \ufffd\ufffd"


def test_of_a_pilot_that_a_system_passes_over_nothing_is_concluded(cycle, batch):
    activate(2)
    cycle()
    batch.all_become(RUNNING)
    Ready.objects.all().delete()
    first, second = batch.jobs
    asked = batch.status
    batch.status = lambda ids: {job: found for job, found in asked(ids).items() if job != first}
    cycle(1)
    assert dict(Pilot.objects.values_list("batch_id", "state")) == {first: "queued", second: "running"}
