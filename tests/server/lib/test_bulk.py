"""Rows that the driver writes alone are those that Django would have written."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, transaction

from server.lib import bulk
from server.production.models import Chunk, Run
from tests.server.production.conftest import define_data

pytestmark = pytest.mark.django_db(transaction=False)


@pytest.fixture
def run(db) -> Run:
    return define_data(runs=1, chunks=0).runs.get()


def written(run: Run) -> list[tuple]:
    return list(Chunk.objects.filter(run=run).values_list("number", "state", "attempts", "words", "seed"))


def test_what_is_not_said_has_the_models_default(run):
    count = bulk.write(Chunk, ("task_id", "run_id", "number"), [(run.task_id, run.pk, 1)])
    chunk = Chunk.objects.get(run=run)
    assert count == 1
    assert (chunk.state, chunk.attempts, chunk.words, chunk.seed, chunk.job_id) == ("defined", 0, "", None, None)
    assert chunk.updated.tzinfo is not None


def test_more_than_a_batch_is_written_in_order_whatever_gives_the_rows(run, monkeypatch):
    monkeypatch.setattr(bulk, "BATCH", 2)
    rows = ((run.task_id, run.pk, number, "staged", 10 + number) for number in range(1, 6))
    assert bulk.write(Chunk, ("task_id", "run_id", "number", "state", "seed"), rows) == 5
    assert written(run) == [(number, "staged", 0, "", 10 + number) for number in range(1, 6)]


def test_texts_of_any_kind_come_as_they_are(run):
    odd = "tab\tline\nback\\slash 'quote\" \\N %s é"
    bulk.write(Chunk, ("task_id", "run_id", "number", "words"), [(run.task_id, run.pk, 1, odd)])
    assert Chunk.objects.get(run=run).words == odd


def test_nothing_is_written_of_nothing(run):
    assert bulk.write(Chunk, ("task_id", "run_id", "number"), []) == 0


def test_a_row_that_is_refused_is_told_as_django_tells_it(run):
    twice = [(run.task_id, run.pk, 1), (run.task_id, run.pk, 1)]
    with pytest.raises(IntegrityError), transaction.atomic():
        bulk.write(Chunk, ("task_id", "run_id", "number"), twice)
    assert written(run) == []


def test_a_name_that_no_column_has_is_refused():
    with pytest.raises(LookupError, match="Chunk has no colour"):
        bulk.write(Chunk, ("task_id", "colour"), [(1, 2)])


def test_columns_of_many_rows_are_written_as_their_objects_have_them(run):
    bulk.write(Chunk, ("task_id", "run_id", "number"), [(run.task_id, run.pk, number) for number in (1, 2)])
    first, second = Chunk.objects.filter(run=run)
    first.attempts, first.words, second.attempts, second.words = 3, "é'\n", 4, "not written"
    first.updated = second.updated = datetime(2026, 1, 2, 3, 4, 5, 6, UTC)
    second.number = 7
    bulk.update([first, second], ["attempts", "updated"])
    found = list(Chunk.objects.filter(run=run).values_list("number", "attempts", "words", "updated"))
    assert found == [(1, 3, "", first.updated), (2, 4, "", first.updated)]
    bulk.update([first], ["words"])
    assert Chunk.objects.get(pk=first.pk).words == "é'\n"
    bulk.update([], ["words"])
    with pytest.raises(LookupError, match="Chunk has no colour"):
        bulk.update([first], ["colour"])
