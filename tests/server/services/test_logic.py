from __future__ import annotations

from datetime import timedelta

import pytest
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask
from django_celery_results.models import TaskResult

from server.services import lease, logic, queries, schedules
from server.services.crontabs import parse
from server.services.models import Lease, Service, ServiceRun
from server.services.registry import UnknownService
from server.services.states import Asked, Outcome
from tests.server.services.conftest import BEGIN

pytestmark = pytest.mark.django_db


def run(known, clock, name="test.it", owner="me", **more):
    return logic.run_service(name, owner, known=known, clock=clock, **more)


def fail(turn):
    raise ValueError("the disk is full")


def test_a_run_is_written_with_its_figures_and_sets_the_next_one(install, clock):
    known = install(it=lambda turn: {"moved": 3, "at": turn.now.isoformat()})
    assert run(known, clock).outcome is Outcome.OK
    line = ServiceRun.objects.get()
    assert (line.outcome, line.figures["moved"], line.owner, line.started) == ("ok", 3, "me", BEGIN)
    service = Service.objects.get()
    assert (service.last_run, service.next_run) == (BEGIN, BEGIN + timedelta(seconds=60))
    assert Lease.objects.get().owner == ""


def test_a_second_message_for_the_same_turn_harms_nothing(install, clock):
    known = install(it=lambda turn: {"moved": 1})
    run(known, clock)
    clock.forward(1)
    assert run(known, clock).outcome is Outcome.SKIPPED
    assert ServiceRun.objects.count() == 1


def test_quiet_runs_in_a_row_are_one_line_that_counts_them(install, clock):
    found = iter([0, 0, 0, 5, 0])
    known = install(it=lambda turn: {"moved": next(found)})
    for _ in range(5):
        run(known, clock)
        clock.forward(60)
    assert list(ServiceRun.objects.order_by("id").values_list("outcome", "times")) == [
        ("nothing", 3),
        ("ok", 1),
        ("nothing", 1),
    ]
    assert ServiceRun.objects.order_by("id")[0].ended == BEGIN + timedelta(seconds=120)


def test_a_failure_is_written_with_its_words_and_the_next_runs_wait_longer(install, clock):
    known = install(it=fail)
    waits = []
    for _ in range(3):
        assert run(known, clock, asked=Asked.PERSON).words == "ValueError: the disk is full"
        waits.append((Service.objects.get().next_run - clock.now).total_seconds())
    assert waits == [120, 240, 480]
    assert queries.overview()[0].failures == 3
    assert set(ServiceRun.objects.values_list("outcome", flat=True)) == {"failed"}
    assert Lease.objects.get().owner == ""


def test_a_service_that_fails_is_not_hurried_by_events_and_a_success_ends_the_waiting(install, clock):
    bad = [True, False]
    known = install(it=lambda turn: fail(turn) if bad.pop(0) else {"moved": 1})
    run(known, clock)
    assert run(known, clock, asked=Asked.WAKE).outcome is Outcome.SKIPPED
    clock.forward(120)
    assert run(known, clock).outcome is Outcome.OK
    assert Service.objects.get().failures == 0


def test_a_service_that_is_switched_off_runs_for_a_person_only(install, clock):
    known = install(it=lambda turn: {"moved": 1})
    logic.reschedule("test.it", period=None, enabled=False)
    assert run(known, clock).words == "switched off"
    assert run(known, clock, asked=Asked.WAKE).outcome is Outcome.SKIPPED
    assert run(known, clock, asked=Asked.PERSON).outcome is Outcome.OK


def test_nobody_runs_what_somebody_else_runs(install, clock):
    def nested(turn):
        inner.append(run(known, clock, owner="other", asked=Asked.WAKE).words)
        return {"moved": 1}

    inner: list[str] = []
    known = install(it=nested)
    assert run(known, clock).outcome is Outcome.OK
    assert inner == ["somebody else runs it"]


def test_what_happens_during_a_run_asks_for_another_one(install, clock, settings, tmp_path):
    settings.HOME = tmp_path  # nobody listens there

    def nested(turn):
        run(known, clock, owner="other", asked=Asked.WAKE)
        return {"moved": 1}

    known = install(it=nested)
    run(known, clock)
    assert queries.wanted() == ["test.it"]
    known = install(it=lambda turn: {"moved": 1})
    run(known, clock, asked=Asked.WAKE)
    assert queries.wanted() == []


def test_a_run_that_was_taken_over_is_told_at_its_next_sign_of_life(install, clock):
    def slow(turn):
        clock.forward(101)
        assert lease.acquire("test.it", "thief", now=clock.now, seconds=100)
        turn.keep()
        raise AssertionError("went on")

    known = install(it=slow)
    ended = run(known, clock)
    assert (ended.outcome, ended.words) == (Outcome.LOST, "test.it: taken over from me")
    assert Lease.objects.get().owner == "thief"
    assert Service.objects.get().next_run is None


def test_a_run_that_was_taken_over_without_noticing_is_not_called_done(install, clock):
    def slow(turn):
        clock.forward(101)
        assert lease.acquire("test.it", "thief", now=clock.now, seconds=100)
        return {"moved": 1}

    known = install(it=slow)
    assert run(known, clock).outcome is Outcome.LOST
    assert Lease.objects.get().owner == "thief"


def test_signs_of_life_keep_a_long_run_its_own(install, clock):
    def long(turn):
        for _ in range(5):
            clock.forward(60)
            turn.keep()
            assert lease.acquire("test.it", "thief", now=clock.now, seconds=1) is None
        return {"moved": 1}

    known = install(it=long)
    assert run(known, clock).outcome is Outcome.OK


def test_a_worker_that_stops_ends_its_service_at_the_next_sign_of_life(install, clock):
    known = install(it=lambda turn: turn.keep())
    ended = run(known, clock, is_stopping=lambda: True)
    assert (ended.outcome, ended.words) == (Outcome.SKIPPED, "the worker was asked to stop")
    assert Service.objects.get().failures == 0


def test_a_service_with_a_crontab_that_a_stopping_worker_left_goes_on_before_its_next_time(install, clock):
    known = install(it=lambda turn: turn.keep() or {"moved": 1})
    by_crontab("0 13 * * *")
    clock.forward(3600)
    run(known, clock, is_stopping=lambda: True)
    assert queries.wanted() == queries.overdue(clock.now) == ["test.it"]
    assert run(known, clock, asked=Asked.WAKE).outcome is Outcome.OK
    assert (queries.wanted(), queries.overdue(clock.now)) == ([], [])


def test_the_lease_of_a_dead_worker_is_taken_over(install, clock):
    known = install(it=lambda turn: {"moved": 1})
    lease.acquire("test.it", "dead", now=BEGIN, seconds=100)
    assert run(known, clock).outcome is Outcome.SKIPPED
    assert run(known, clock, is_dead=lambda owner: owner == "dead").outcome is Outcome.OK


def test_an_interrupt_is_not_swallowed_as_a_failure(install, clock):
    def interrupted(turn):
        raise KeyboardInterrupt

    known = install(it=interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(known, clock)


def test_an_unknown_service_is_refused_by_name(install, clock):
    known = install(it=fail)
    with pytest.raises(UnknownService, match=r"test\.its is not a service; did you mean test\.it"):
        run(known, clock, "test.its")


def test_a_new_period_counts_from_the_last_run(install, clock):
    known = install(it=lambda turn: {})
    run(known, clock)
    logic.reschedule("test.it", period=5, enabled=True)
    assert Service.objects.get().next_run == BEGIN + timedelta(seconds=5)
    assert schedules.period_of(Service.objects.get()) == timedelta(seconds=5)


def test_a_period_that_is_changed_while_the_service_runs_counts_from_that_run(install, clock):
    def change(turn):
        logic.reschedule("test.it", period=7, enabled=True)
        return {}

    run(install(it=change), clock)
    assert Service.objects.get().next_run == BEGIN + timedelta(seconds=7)


def by_crontab(text, zone="UTC"):
    logic.reschedule("test.it", crontab=parse(text, zone), enabled=True)
    Service.objects.update(scheduled_at=BEGIN)


def test_a_service_with_a_crontab_runs_once_at_its_time_though_clocks_differ(install, clock):
    known = install(it=lambda turn: {"moved": 1})
    by_crontab("0 13 * * *")
    assert run(known, clock).words == "not due"
    clock.forward(3600 - 20)
    assert run(known, clock).outcome is Outcome.OK
    clock.forward(25)
    assert run(known, clock).words == "not due"
    assert Service.objects.get().next_run == BEGIN + timedelta(hours=25)


def test_a_crontab_whose_time_was_missed_is_due_until_it_has_run(install, clock):
    known = install(it=lambda turn: {"moved": 1})
    by_crontab("0 13 * * *")
    clock.forward(5 * 3600)
    assert queries.overview(clock.now)[0].late_since == BEGIN + timedelta(hours=2)
    assert run(known, clock).outcome is Outcome.OK
    assert queries.overview(clock.now)[0].late_since is None


def test_a_new_crontab_holds_from_now_on_and_makes_up_for_nothing(install, clock):
    run(install(it=lambda turn: {}), clock)
    logic.reschedule("test.it", crontab=parse("* * * * *", "UTC"), enabled=True)
    service = Service.objects.get()
    assert service.next_run > service.scheduled_at > BEGIN


def test_the_overview_says_in_one_query_who_runs_what_for_how_long_and_what_is_late(
    install, clock, django_assert_num_queries
):
    known = install(it=lambda turn: clock.forward(3) and {"moved": 1}, held=fail, idle=fail)
    Service.objects.update(scheduled_at=BEGIN)
    run(known, clock)
    lease.acquire("test.held", "somebody", now=clock.now, seconds=100)
    with django_assert_num_queries(1):
        held, idle, it = queries.overview(clock.forward(62))
    assert (it.seconds, it.outcome, it.next_run, it.late_since) == (3, "ok", BEGIN + timedelta(seconds=60), None)
    assert (held.running, held.owner, held.late_since) == (True, "somebody", None)
    assert (idle.running, idle.late_since) == (False, BEGIN + timedelta(seconds=60))


def test_the_history_names_the_message_of_what_left_a_result(install, clock):
    found = iter([1, 0])
    known = install(it=lambda turn: {"moved": next(found)})
    run(known, clock, message="a-1", asked=Asked.PERSON)
    run(known, clock, message="a-2", asked=Asked.PERSON)
    assert list(ServiceRun.objects.order_by("id").values_list("message", flat=True)) == ["a-1", ""]


def test_results_are_deleted_when_they_are_older_than_a_day(db, clock):
    for hours in (23, 25):
        row = TaskResult.objects.create(task_id=f"a-{hours}")
        TaskResult.objects.filter(pk=row.pk).update(date_done=clock.now - timedelta(hours=hours))
    assert logic.prune_results(clock.now) == 1
    assert TaskResult.objects.get().task_id == "a-23"


def test_history_is_bounded_and_failures_stay_longer(install, clock):
    known = install(it=fail, other=lambda turn: {"moved": 1})
    run(known, clock, asked=Asked.PERSON)
    service = Service.objects.get(name="test.it")
    for number in range(5):
        ServiceRun.objects.create(
            service=service, started=BEGIN, ended=BEGIN, outcome=Outcome.OK, owner="me", figures={"n": number}
        )
    run(known, clock, "test.other")
    assert logic.prune(kept=2, failures=1) == 3
    assert [line.figures.get("n") for line in service.runs.all()] == [4, 3, None]
    assert ServiceRun.objects.filter(service="test.other").count() == 1


def test_the_overview_is_one_query(install, clock, django_assert_num_queries):
    known = install(it=fail, other=lambda turn: {"moved": 1})
    run(known, clock)
    with django_assert_num_queries(1):
        first, second = queries.overview()
    assert (first.outcome, first.words, second.outcome) == ("failed", "ValueError: the disk is full", "")


def test_what_is_overdue_is_found_and_what_is_off_is_not(install, clock):
    known = install(it=lambda turn: {}, off=lambda turn: {})
    logic.reschedule("test.off", period=None, enabled=False)
    assert queries.overdue(clock.now) == ["test.it"]
    run(known, clock)
    assert queries.overdue(clock.now) == []
    assert queries.overdue(clock.forward(60)) == ["test.it"]


def test_what_has_run_by_a_clock_that_was_put_back_is_overdue_and_runs_by_the_new_one(install, clock):
    known = install(it=lambda turn: {"done": 1})
    run(known, clock)
    clock.forward(-3 * 3600)
    assert queries.overdue(clock.now) == ["test.it"]
    assert run(known, clock).figures == {"done": 1}
    assert queries.overdue(clock.now) == []


def test_a_period_that_was_changed_in_beats_own_tables_counts_at_once(install, clock):
    known = install(it=lambda turn: {"moved": 1})
    run(known, clock)
    shorter, _ = IntervalSchedule.objects.get_or_create(every=5, period="seconds")
    PeriodicTask.objects.update(interval=shorter)
    Service.objects.update(scheduled_at=BEGIN)
    assert queries.overview(clock.now)[0].next_run == BEGIN + timedelta(seconds=5)
    assert queries.overdue(clock.forward(5)) == ["test.it"]
    assert run(known, clock).outcome is Outcome.OK


def test_a_crontab_of_a_day_that_no_year_has_stops_neither_pages_nor_a_persons_click(install, clock):
    known = install(it=lambda turn: {"moved": 1})
    never = CrontabSchedule.objects.create(minute="0", hour="4", day_of_month="30", month_of_year="2")
    PeriodicTask.objects.update(interval=None, crontab=never)
    line = queries.overview(clock.now)[0]
    assert (line.enabled, line.next_run, line.late_since) == (True, None, None)
    assert run(known, clock).words == "not due"
    assert run(known, clock, asked=Asked.PERSON).outcome is Outcome.OK
    assert queries.overdue(clock.forward(10**7)) == []
