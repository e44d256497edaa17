"""What is removed in the course of time, and what stays because nobody could remove it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from server.batch.base import BatchFailed, BatchJob, BatchState
from server.factory import logic
from server.factory.models import FactoryConfirmation, FactoryQueue, FactorySystemState
from server.factory.systems import UnknownSystem
from server.pilots.models import Pilot
from server.taskbuffer.models import Ready
from tests.server.factory.played import NOW, activate

pytestmark = [pytest.mark.django_db, pytest.mark.one_python]


@pytest.fixture
def ended(cycle, batch):
    """Two pilots that have ended."""
    activate(2)
    cycle()
    Ready.objects.all().delete()
    batch.all_become(BatchJob(BatchState.DONE, 0, NOW, NOW))
    cycle(1)


def clean(batch, days: float, **more) -> int:
    return logic.clean(NOW + timedelta(days=days), **{"system_of": lambda name, queue: batch, **more})


def directories() -> set[str]:
    return set(Pilot.objects.values_list("directory", flat=True))


def test_files_of_pilots_go_after_their_time_and_rows_stay(ended, batch):
    signs: list[int] = []
    few = {"keep": lambda: signs.append(1), "limit": 1}
    assert clean(batch, 6.9, **few) == 0
    signs.clear()
    assert clean(batch, 7.1, **few) == 2
    assert (batch.jobs, len(signs)) == ({}, 3)
    assert directories() == {""}


def test_what_a_system_could_not_remove_is_tried_again(ended, batch, monkeypatch):
    before = directories()

    def fails(ids):
        raise BatchFailed("the scheduler is down")

    with monkeypatch.context() as broken:
        broken.setattr(batch, "forget", fails)
        assert clean(batch, 8) == 0
    assert directories() == before
    assert clean(batch, 8) == 2


def test_a_system_that_fails_keeps_no_other_from_its_cleaning(ended, batch, monkeypatch):
    first = Pilot.objects.order_by("pk")[0]
    Pilot.objects.filter(pk=first.pk).update(batch_system="broken")

    def system_of(name, queue):
        if name == "broken":
            raise BatchFailed("no answer")
        return batch

    assert clean(batch, 8, system_of=system_of, limit=1) == 1
    assert list(Pilot.objects.exclude(directory="")) == [first]


def test_files_of_a_queue_that_the_factory_no_longer_has_are_removed_too(ended, batch):
    FactoryQueue.objects.all().delete()
    assert (clean(batch, 6.9), clean(batch, 7.1)) == (0, 2)
    assert batch.jobs == {}


def test_files_of_a_system_that_is_gone_are_named_and_not_asked_for_again(ended, caplog):
    def gone(name, queue):
        raise UnknownSystem("there is no batch system local")

    folder = str(Pilot.objects.first().directory).rpartition("/")[0]
    assert clean(None, 8, system_of=gone) == 2
    assert f"nobody removes the files of its pilots but you: {folder}" in caplog.text


def test_wishes_of_long_ago_and_states_of_removed_systems_go(ended, batch):
    for days in (365, 367):
        FactoryConfirmation.objects.create(queue_id="LOCAL", change=90, asked_at=NOW, latest=NOW - timedelta(days=days))
    FactorySystemState.objects.create(name="gone", asked_at=NOW)
    clean(batch, 0)
    assert FactoryConfirmation.objects.count() == 1
    assert [state.name for state in FactorySystemState.objects.all()] == ["local"]
