"""Usage of long ago becomes one row a month, a few rows at a time, and no sum of a month is another one afterwards."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from server.accounting import months, rebuild, tasks
from server.accounting.days import first_of_month
from server.accounting.logic import Held
from server.accounting.models import Bookmark, Failure, Quota, Usage
from server.accounting.sums import COLUMNS, Key
from server.services.registry import Turn
from tests.server.accounting.test_rebuild import make_history
from tests.server.accounting.usage import everything, keep

pytestmark = pytest.mark.one_python
TODAY = date(2026, 11, 22)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
OLD, NEW = date(2025, 9, 1), date(2025, 10, 1)


@pytest.fixture
def used(db):
    """Usage of two users on the last days of months before, and the first of one, that is kept by day."""
    for day in (
        OLD,
        OLD + timedelta(days=4),
        OLD + timedelta(days=29),
        date(2024, 2, 29),
        NEW,
        NEW + timedelta(days=1),
    ):
        for n, user in enumerate(("ada", "bob")):
            sums = {name: 10**12 + n * at for at, name in enumerate(COLUMNS)}
            row = Usage.objects.create(day=day, user=user, queue="A", label="user", task_id=n, **sums)
            Failure.objects.create(usage=row, source="pilot", code=1099, attempts=3)
            Failure.objects.create(usage=row, source="exit", code=day.day, attempts=1)


def compact(now=NOW, keep=keep, **more) -> int:
    return months.compact(now=now, keep=keep, **{"months": 13, "half_life": 604800.0, **more})


def by_month() -> tuple[Counter, Counter]:
    """Answer all sums, and all failures, by what they are of and month."""
    sums, causes, keys = Counter(), Counter(), {}
    for pk, *values in Usage.objects.values_list("pk", *Key._fields, *COLUMNS):
        key = Key(*values[: len(Key._fields)])
        keys[pk] = key._replace(day=first_of_month(key.day))
        sums.update({(keys[pk], name): n for name, n in zip(COLUMNS, values[len(Key._fields) :], strict=True)})
    for usage, source, code, n in Failure.objects.values_list("usage", "source", "code", "attempts"):
        causes[keys[usage], source, code] += n
    return sums, causes


def days() -> list[date]:
    return sorted(set(Usage.objects.values_list("day", flat=True)))


def test_old_days_become_months_and_no_sum_is_another_one(used):
    before = by_month()
    assert compact() == 6
    assert by_month() == before
    assert days() == [date(2024, 2, 1), OLD, NEW, NEW + timedelta(days=1)]
    assert Bookmark.objects.get().days_from == NEW


def test_done_again_it_changes_nothing(used):
    compact()
    rows = list(Usage.objects.order_by("pk").values())
    assert compact() == 0
    assert list(Usage.objects.order_by("pk").values()) == rows


def test_who_is_ended_in_the_middle_has_lost_nothing(used, monkeypatch):
    monkeypatch.setattr(months, "BATCH", 1)
    before, turns = by_month(), []

    class Stopped(Exception):
        pass

    def stop() -> None:
        turns.append(by_month() == before)
        if len(turns) == 4:
            raise Stopped

    with pytest.raises(Stopped):
        compact(keep=stop)
    assert turns == [True] * 4
    assert compact() == 3
    assert by_month() == before


def test_what_is_counted_later_for_an_old_day_joins_its_month(used):
    compact()
    Usage.objects.create(day=OLD + timedelta(days=7), user="ada", queue="A", label="user", task_id=0, attempts=5)
    before = by_month()
    assert compact() == 1
    assert by_month() == before
    assert Usage.objects.filter(day=OLD).count() == 2


def test_what_quotas_and_shares_still_read_stays_by_day(used):
    assert compact(half_life=500 * 86400.0) == 0
    Quota.objects.create(kind="user", name="ada", core_hours=1, days=500)
    assert compact() == 2
    assert days()[:2] == [date(2024, 2, 1), OLD]


def test_months_stay_months_when_more_days_are_wanted(used):
    compact()
    assert compact(months=100) == 0
    assert Bookmark.objects.get().days_from == NEW


def test_while_days_are_made_anew_nothing_is_added_up(used):
    Bookmark.objects.create(name="usage", held_until=NOW + timedelta(seconds=1))
    assert compact() == 0
    Bookmark.objects.update(held_until=NOW)
    assert compact() == 6


def test_the_service_asks_the_settings(used, settings):
    turn = Turn("accounting.compact", NOW, keep)
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, usage_months=0)
    assert tasks.compact_usage(turn) == {"rows": 0}
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, usage_months=13)
    assert tasks.compact_usage(turn) == {"rows": 6}


def test_a_month_is_made_anew_as_one(queue, capsys):
    make_history()
    later = datetime(2028, 1, 1, tzinfo=UTC)
    compact(now=later)
    before = everything()
    assert {row["day"] for row in before[0]} == {date(2026, 11, 1)}
    Usage.objects.update(attempts=77)
    call_command("usage", "rebuild", "--first", "2026-11-21")
    assert everything() == before
    assert capsys.readouterr().out == f"2026-11-01 to 2026-11-30: {len(before[0])} rows\n"


def test_days_that_became_months_meanwhile_are_not_made_anew(queue):
    make_history()
    calls = []

    def become_months() -> None:
        calls.append(1)
        if len(calls) == 2:
            Bookmark.objects.update(held_until=timezone.now() - timedelta(hours=1))
            compact(now=datetime(2028, 1, 1, tzinfo=UTC))

    before = by_month()
    with pytest.raises(Held, match="meanwhile"):
        rebuild.rebuild(date(2026, 11, 21), date(2026, 11, 24), keep=become_months)
    assert by_month() == before
