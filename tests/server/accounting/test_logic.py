"""What has ended is counted once, whatever happens to jobs, to the service and to its transactions."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.db import DatabaseError, connection

from pilot.contract.job import FileSpec, Role
from pilot.contract.server_codes import TaskBufferCode
from pilot.contract.states import JobState
from server.accounting import logic, queries
from server.accounting.models import Bookmark, Failure, Usage
from server.accounting.rebuild import rebuild
from server.taskbuffer import followers
from server.taskbuffer import logic as taskbuffer
from server.taskbuffer.logic import archive, reset
from server.taskbuffer.logic.end import end_one
from server.taskbuffer.models import ArchivedJob, JobEvent
from server.taskbuffer.states import Kill
from tests.server import jobs
from tests.server.accounting.usage import HOUR, INPUTS, NOW, everything, fold, fold_all, keep, run, submit, sums

pytestmark = pytest.mark.one_python
DAY = timedelta(days=1)


def test_a_job_that_finishes_is_counted_with_all_that_it_used(queue):
    run(submit(inputs=INPUTS), "finished", hours=2, cpu_time=20_000)
    assert fold_all().days == 1
    assert sums() == [
        {
            "day": date(2026, 11, 21),
            "user": "ada",
            "group": "hadron",
            "queue": "LOCAL",
            "task_id": 5,
            "label": "managed",
            "jobs_finished": 1,
            "attempts": 1,
            "good_core_seconds": 4 * 7200,
            "cpu_seconds": 20_000,
            "input_files": 2,
            "input_bytes": 12,
            "output_files": 2,
            "output_bytes": 20,
        }
    ]
    assert not Failure.objects.exists()


def test_what_is_counted_is_not_counted_again(queue):
    run(submit(), "finished")
    fold_all()
    before = everything()
    assert [fold_all(NOW + HOUR), everything()] == [logic.Folded(), before]


def test_ends_of_one_kind_share_a_row_and_each_other_kind_has_its_own(queue):
    for fields in ({}, {}, {"user": "bob"}, {"working_group": "muon"}, {"task_id": 6}, {"label": "user"}):
        run(submit(**fields), "finished")
        fold_all()
    assert sorted(Usage.objects.values_list("attempts", flat=True)) == [1, 1, 1, 1, 2]


def test_an_attempt_counts_on_the_day_of_its_end_by_utc(queue):
    run(submit(), "finished", at=NOW + 11.5 * HOUR, hours=1)
    fold_all()
    assert Usage.objects.get().day == date(2026, 11, 22)


def test_an_attempt_that_is_tried_again_is_lost_and_its_job_has_not_failed(queue):
    job_id = submit()
    run(job_id, "failed", pilot_error=1099, hours=3)
    run(job_id, "finished", 2, at=NOW + 4 * HOUR)
    fold_all()
    (row,) = sums()
    assert (row["attempts"], row["attempts_failed"], row["jobs_finished"]) == (2, 1, 1)
    assert "jobs_failed" not in row
    assert (row["lost_core_seconds"], row["good_core_seconds"]) == (4 * 3 * 3600, 4 * 3600)
    assert list(Failure.objects.values_list("source", "code", "attempts")) == [("pilot", 1099, 1)]


def test_the_first_attempt_is_counted_while_the_second_has_not_ended(queue):
    job_id = submit()
    run(job_id, "failed", pilot_error=1099)
    fold_all()
    assert [row["attempts"] for row in sums()] == [1]
    run(job_id, "finished", 2)
    fold_all(NOW + HOUR)
    assert [row["attempts"] for row in sums()] == [2]


def test_failures_are_counted_by_their_most_telling_number(queue):
    for said in ({"payload_error": 3, "pilot_error": 1305}, {"pilot_error": -1305}, {"exit_status": 9}, {}, {}):
        run(submit(max_attempts=1), "failed", **said)
    fold_all()
    found = Failure.objects.order_by("source").values_list("source", "code", "attempts")
    assert list(found) == [("exit", 9, 1), ("none", 0, 2), ("payload", 3, 1), ("pilot", 1305, 1)]
    assert Usage.objects.get().jobs_failed == 5


def test_a_lost_pilot_costs_what_it_had_until_it_was_given_up(queue):
    job_id = submit(max_attempts=1)
    jobs.claim()
    jobs.report(job_id, "running", now=NOW)
    taskbuffer.reap_lost(now=NOW + 5 * HOUR)
    fold_all(NOW + 6 * HOUR)
    (row,) = sums()
    assert (row["jobs_failed"], row["attempts_failed"], row["lost_core_seconds"]) == (1, 1, 4 * 5 * 3600)
    assert list(Failure.objects.values_list("source", "code")) == [("dispatcher", 100)]


def test_jobs_that_no_pilot_had_end_without_an_attempt(queue):
    taskbuffer.kill([submit()], by="bob", now=NOW)
    taskbuffer.kill([submit()], code=2, by="bob", now=NOW)
    fold_all()
    assert sums() == [
        {
            "day": NOW.date(),
            "user": "ada",
            "group": "hadron",
            "queue": "LOCAL",
            "task_id": 5,
            "label": "managed",
            "jobs_cancelled": 1,
            "jobs_closed": 1,
        }
    ]


def test_a_job_that_is_killed_at_once_loses_its_attempt_without_a_failure(queue):
    job_id = submit()
    jobs.claim()
    jobs.report(job_id, "running", now=NOW)
    taskbuffer.kill([job_id], code=9, by="bob", now=NOW + HOUR)
    fold_all()
    (row,) = sums()
    assert (row["jobs_cancelled"], row["attempts"], row["lost_core_seconds"]) == (1, 1, 4 * 3600)
    assert "attempts_failed" not in row


def test_a_job_that_is_reset_ends_again_and_its_attempts_count_once_each(queue):
    job_id = submit(max_attempts=1)
    run(job_id, "failed", pilot_error=1305)
    fold_all()
    reset.reset([job_id], by="alice", why="the disk was full", now=NOW + DAY)
    run(job_id, "finished", 2, at=NOW + DAY)
    fold_all(NOW + DAY)
    first, second = sums()
    assert (first["jobs_failed"], first["attempts"]) == (1, 1)
    assert (second["jobs_finished"], second["attempts"]) == (1, 1)


def test_a_job_whose_reset_is_undone_has_not_ended_twice(queue):
    job_id = submit(max_attempts=1)
    run(job_id, "failed", pilot_error=1305)
    done = reset.reset([job_id], by="alice", why="the disk was full", now=NOW + DAY)
    reset.undo(done.reset, by="alice", now=NOW + DAY + HOUR)
    fold_all(NOW + 2 * DAY)
    (row,) = sums()
    assert (row["jobs_failed"], row["attempts"]) == (1, 1)


def test_nothing_is_archived_before_it_is_counted(queue, monkeypatch):
    monkeypatch.setattr(followers, "_POSITIONS", {"accounting.fold": queries.position})
    run(submit(), "finished")

    def archived() -> int:
        archive.archive_ended(now=NOW + 40 * DAY, after=30 * DAY.total_seconds(), keep=keep)
        return ArchivedJob.objects.count()

    assert archived() == 0
    fold_all()
    assert [archived(), Usage.objects.get().attempts] == [1, 1]


def test_a_pilot_that_reports_nonsense_does_not_stop_the_rest(queue):
    run(submit(), "finished", cpu_time=2**60)
    run(submit(), "finished", hours=-5, cpu_time=-5)
    fold_all()
    assert [(row["attempts"], row["cpu_seconds"], row["good_core_seconds"]) for row in sums()] == [(2, 10**13, 14400)]


def test_inputs_of_any_size_do_not_stop_the_rest(queue):
    largest = [FileSpec(name, Role.INPUT, dataset="raw", size=2**63 - 1) for name in ("a.raw", "b.raw")]
    run(submit(inputs=(*largest, FileSpec("c.raw", Role.INPUT, dataset="raw"))), "finished")
    fold_all()
    before = everything()
    assert [(row["input_files"], row["input_bytes"]) for row in sums()] == [(3, 10**13)]
    assert rebuild(NOW.date(), NOW.date()) == 1
    assert everything() == before


def test_names_that_differ_in_blanks_at_their_ends_are_the_same(queue):
    for name in ("", " "):
        run(submit(user="ada" + name, working_group="hadron" + name), "finished")
    fold_all()
    assert [(row["user"], row["group"], row["attempts"]) for row in sums()] == [("ada", "hadron", 2)]


def test_batches_add_up(queue, monkeypatch):
    monkeypatch.setattr(logic, "BATCH", 3)
    for _ in range(4):
        run(submit(), "finished")
    assert [fold_all().events, sums()[0]["attempts"]] == [JobEvent.objects.count(), 4]


class Killed(Exception):
    """The process is gone."""


def forget_all() -> None:
    Usage.objects.all().delete()
    Bookmark.objects.all().delete()


def test_who_is_killed_at_any_statement_has_counted_all_of_a_batch_or_nothing(transactional_db, request):
    request.getfixturevalue("queue")
    run(submit(max_attempts=1), "failed", pilot_error=1305)
    run(submit(), "finished")
    fold_all()
    whole, statements, killed = everything(), 0, True
    while killed:
        forget_all()
        left = iter(range(statements))

        def die(execute, sql, params, many, context, left=left):
            if next(left, None) is None:
                raise Killed
            return execute(sql, params, many, context)

        try:
            with connection.execute_wrapper(die):
                fold()
            killed = False
        except Killed:
            statements += 1
        assert everything() == (whole if queries.position() else ([], []))
    assert statements > 10
    fold_all()
    assert everything() == whole


def test_who_counted_the_same_meanwhile_is_not_counted_again(queue):
    run(submit(), "finished")
    fold_all()
    newest = queries.position()
    with pytest.raises(logic.Held):
        logic.add(logic.Tally(), before=newest - 1, after=newest, now=NOW)
    logic.add(logic.Tally(), before=newest, after=newest, now=NOW)


def test_nothing_is_counted_while_days_are_made_anew(queue):
    run(submit(), "finished")
    Bookmark.objects.update_or_create(name="usage", defaults={"held_until": NOW + HOUR})
    fold()
    assert sums() == []
    fold_all(NOW + 2 * HOUR)
    assert len(sums()) == 1


def test_an_event_that_is_committed_behind_later_ones_is_counted(transactional_db, request):
    request.getfixturevalue("queue")
    late, soon = submit(), submit()
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer: numbers are in the order of commits")
    other = connection.copy()
    other.set_autocommit(False)
    try:
        with other.cursor() as cursor:
            kill = Kill(JobState.CANCELLED, TaskBufferCode.KILLED)
            end_one(cursor, late, kill, NOW, "bob", "no more")
        taskbuffer.kill([soon], by="bob", now=NOW)
        assert JobEvent.objects.filter(after="cancelled").count() == 1
        if connection.vendor == "postgresql":
            fold()
            assert sums() == []
        else:
            with connection.cursor() as cursor:
                cursor.execute("SET SESSION innodb_lock_wait_timeout = 1")
            with pytest.raises(DatabaseError, match="Lock wait"):
                fold()
        other.commit()
    finally:
        other.close()
    fold_all(NOW + HOUR)
    assert [row["jobs_cancelled"] for row in sums()] == [2]


def test_a_note_that_another_database_has_left_stops_nothing(queue):
    run(submit(), "finished")
    Bookmark.objects.update_or_create(name="usage", defaults={"horizon": 2**62, "seen_at": NOW - DAY})
    fold_all()
    assert [row["attempts"] for row in sums()] == [1]
