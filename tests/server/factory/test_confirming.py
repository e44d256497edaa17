"""Somebody's word for a large change: used once, and not used up when nothing comes of the change."""

from __future__ import annotations

from datetime import timedelta

import pytest

from server.batch.base import BatchFailed, BatchJob, BatchState
from server.factory import logic
from server.factory.models import FactoryConfirmation, FactoryQueue
from server.pilots.models import Pilot
from tests.server.factory.played import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.one_python]


def keep(pilots: int) -> None:
    FactoryQueue.objects.update(rules=[{"rule": "fixed", "pilots": pilots}], safe_pilots=2)


@pytest.fixture
def wanted(queue) -> FactoryConfirmation:
    """Four pilots, of which two may be submitted unasked; somebody has confirmed it."""
    keep(4)
    one = FactoryConfirmation.objects.create(queue=queue, change=4, asked_at=NOW, latest=NOW)
    logic.confirm_change("LOCAL", by="somebody", now=NOW)
    return one


def is_used(one: FactoryConfirmation) -> bool:
    one.refresh_from_db()
    return one.done_at is not None


def test_it_is_used_by_the_submission_that_needs_it(wanted, cycle):
    assert cycle().submitted == 4
    assert is_used(wanted)
    assert cycle(40).submitted == 2


def test_it_is_not_used_when_pilots_cannot_be_started(wanted, cycle, launch):
    text = launch.bundle.read_text()
    launch.bundle.unlink()
    assert cycle().failed == 1
    assert not is_used(wanted)
    launch.bundle.write_text(text)
    assert cycle(1).submitted == 4
    assert is_used(wanted)


def test_it_is_not_used_when_the_batch_system_takes_none(wanted, cycle, batch):
    batch.takes = 0
    assert cycle().submitted == 0
    assert not is_used(wanted)
    batch.takes = 1
    assert cycle(31).submitted == 1
    assert is_used(wanted)


def test_it_is_used_when_nobody_knows_what_the_batch_system_took(wanted, cycle, batch, monkeypatch):
    def silent(key):
        raise BatchFailed("no answer")

    with monkeypatch.context() as broken:
        broken.setattr(batch, "find", silent)
        assert cycle() == logic.Cycle(failed=1)
    assert is_used(wanted)
    cycle(1)
    assert Pilot.objects.filter(state="queued").count() == 4 + 2  # those of before are found, and two need no word


def test_it_is_not_used_when_nothing_is_left_to_be_cancelled(cycle, batch, queue):
    keep(2)
    cycle(), cycle(1)
    batch.all_become(BatchJob(BatchState.RUNNING, started=NOW))
    FactoryQueue.objects.update(rules=[{"rule": "keep_running", "pilots": 0}])
    one = FactoryConfirmation.objects.create(queue=queue, change=-9, asked_at=NOW, latest=NOW)
    logic.confirm_change("LOCAL", by="somebody", now=NOW + timedelta(seconds=3))
    assert cycle(4).cancelled == 0
    assert not is_used(one)


def test_what_a_failed_order_may_have_ended_is_no_failure_of_its_node(cycle, batch, monkeypatch):
    keep(2)
    cycle()
    FactoryQueue.objects.update(rules=[{"rule": "keep_running", "pilots": 0}])

    def half(ids):
        raise BatchFailed("it broke in the middle")

    with monkeypatch.context() as broken:
        broken.setattr(batch, "cancel_waiting", half)
        assert cycle(1) == logic.Cycle(failed=1)
    assert set(Pilot.objects.values_list("cancelled_for", flat=True)) == {"there were more pilots than wanted"}
    cycle(2)
    assert batch.cancelled == []
    cycle(62)
    assert len(batch.cancelled) == 2
