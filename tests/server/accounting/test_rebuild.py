"""Days that are made anew have the sums that they had, whether their jobs stand in tables or in the archive."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from server.accounting import rebuild
from server.accounting.logic import Held
from server.accounting.models import Bookmark, Usage
from server.taskbuffer import followers
from server.taskbuffer import logic as taskbuffer
from server.taskbuffer.logic import archive, reset
from server.taskbuffer.models import ArchivedJob
from tests.server.accounting.usage import HOUR, INPUTS, NOW, everything, fold_all, keep, run, submit

pytestmark = pytest.mark.one_python
DAY = timedelta(days=1)
FIRST, LAST = date(2026, 11, 21), date(2026, 11, 24)


def make_history() -> None:
    """Have jobs end in every way that counts, over three days."""
    run(submit(inputs=INPUTS), "finished", hours=2, cpu_time=20_000)
    again = submit()
    run(again, "failed", pilot_error=1099)
    run(again, "finished", 2, at=NOW + DAY)
    brought_back, put_back, waits = submit(max_attempts=1), submit(max_attempts=1), submit(user="bob")
    run(brought_back, "failed", payload_error=3)
    run(put_back, "failed", exit_status=9)
    taskbuffer.kill([waits], by="bob", now=NOW + DAY)
    done = reset.reset([put_back], by="alice", why="why not", now=NOW + DAY)
    reset.undo(done.reset, by="alice", now=NOW + DAY + HOUR)
    reset.reset([brought_back], by="alice", why="the disk was full", now=NOW + 2 * DAY)
    run(brought_back, "finished", 2, at=NOW + 2 * DAY)
    fold_all(NOW + 3 * DAY)


def archive_all() -> int:
    archive.archive_ended(now=NOW + 40 * DAY, after=30 * DAY.total_seconds(), keep=keep)
    return ArchivedJob.objects.count()


@pytest.mark.parametrize("archived", [False, True])
def test_days_made_anew_are_what_they_were(queue, monkeypatch, archived):
    monkeypatch.setattr(followers, "_POSITIONS", {})
    make_history()
    before = everything()
    assert len({row["day"] for row in before[0]}) == 3
    if archived:
        assert archive_all() == 5
    Usage.objects.filter(day__gt=FIRST).delete()
    Usage.objects.update(attempts=77)
    assert rebuild.rebuild(FIRST, LAST) == len(before[0])
    assert everything() == before
    assert Bookmark.objects.get().held_until is None


def test_other_days_stay_as_they_are(queue):
    make_history()
    Usage.objects.update(attempts=77)
    rebuild.rebuild(FIRST, FIRST)
    assert set(Usage.objects.exclude(day=FIRST).values_list("attempts", flat=True)) == {77}
    assert 77 not in Usage.objects.filter(day=FIRST).values_list("attempts", flat=True)


def test_the_bookmark_is_held_until_the_last_day_is_written(queue):
    make_history()
    held = []

    def look(execute, sql, params, many, context):
        if sql.startswith("DELETE") and "accounting_usage" in sql:
            held.append(Bookmark.objects.get().held_until > timezone.now())
        return execute(sql, params, many, context)

    def work_for_long() -> None:
        Bookmark.objects.update(held_until=NOW)

    with connection.execute_wrapper(look):
        rebuild.rebuild(FIRST, LAST, keep=work_for_long)
    assert len(held) >= 3
    assert all(held)


def test_what_is_not_yet_counted_is_counted_later_and_once(queue):
    make_history()
    run(submit(), "finished")
    before = everything()
    rebuild.rebuild(FIRST, LAST)
    assert everything() == before
    fold_all(timezone.now() + HOUR)
    assert sum(row["attempts"] for row in everything()[0] if "attempts" in row) == 7


def test_two_do_not_make_days_anew_at_once_and_who_died_holds_nobody(queue):
    make_history()
    Bookmark.objects.update(held_until=timezone.now() + HOUR)
    with pytest.raises(Held, match="try again"):
        rebuild.rebuild(FIRST, LAST)
    Bookmark.objects.update(held_until=timezone.now() - HOUR)
    rebuild.rebuild(FIRST, LAST)


def test_days_are_not_replaced_when_something_was_counted_meanwhile(queue):
    make_history()
    before = everything()

    def count_meanwhile() -> None:
        Bookmark.objects.update(position=1)

    with pytest.raises(Held, match="meanwhile"):
        rebuild.rebuild(FIRST, LAST, keep=count_meanwhile)
    assert everything() == before


def test_the_command_says_how_many_rows_there_are(queue, capsys):
    make_history()
    call_command("usage", "rebuild", "--first", "2026-11-21")
    assert capsys.readouterr().out == f"2026-11-21 to 2026-11-21: {Usage.objects.filter(day=FIRST).count()} rows\n"


def test_the_command_refuses_a_last_day_before_the_first():
    with pytest.raises(CommandError, match="--last: 2026-11-20 is before 2026-11-21"):
        call_command("usage", "rebuild", "--first", "2026-11-21", "--last", "2026-11-20")


def test_days_of_which_jobs_are_forgotten_are_not_made_anew(db, settings):
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, purge_after=86400)
    with pytest.raises(CommandError, match="too long ago"):
        call_command("usage", "rebuild", "--first", "2020-01-01")
