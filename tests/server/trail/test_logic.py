"""The audit log's rows: bounded, written in order, and forgotten after their time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError

from server.trail import logic
from server.trail.models import Entry
from server.trail.states import Action

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _nothing_on_its_way():
    logic.LATER._afresh()
    yield
    logic.LATER._afresh()


def entry(action=Action.CHANGE, days=0, **more):
    fields = {"at": NOW - timedelta(days=days), "method": "POST", "path": "/x", "outcome": 200, "duration": 1}
    return logic.entry(action=action, **fields | more)


def test_texts_are_bounded_and_without_secrets(db):
    logic.keep([entry(person="p" * 999, reason=f"Bearer {'x' * 20} \0", path="/" + "y" * 999)])
    row = Entry.objects.get()
    assert (len(row.person), len(row.path)) == (150, 300)
    assert row.reason == "Bearer (hidden) \ufffd"


def test_what_changes_something_is_written_at_once_and_what_was_looked_at_a_moment_later(db):
    logic.keep([entry(), entry(Action.VIEW), entry(Action.REFUSED)])
    assert Entry.objects.get().action == Action.CHANGE
    assert logic.LATER.flush()
    assert Entry.objects.count() == 3


def test_a_row_that_the_database_does_not_take_is_kept_and_breaks_no_answer(db, caplog):
    def broken(entries):
        raise DatabaseError("away")

    logic.keep([entry(what="put offline")], now_by=broken)
    assert "could not be written" in caplog.text
    assert logic.LATER.flush()
    assert Entry.objects.get().what == "put offline"


def test_views_are_forgotten_before_deeds(db):
    Entry.objects.bulk_create(
        entry(action, days)
        for action in (Action.VIEW, Action.FILTER, Action.CHANGE, Action.REFUSED)
        for days in (10, 100, 500)
    )
    kept = []
    forgotten = logic.prune(NOW, days=400, view_days=60, keep_on=lambda: kept.append(1))
    assert forgotten == {"views": 4, "deeds": 2}
    assert Entry.objects.filter(at__lt=NOW - timedelta(days=60)).count() == 2
    assert kept
