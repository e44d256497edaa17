"""Requests are asked after, one after the other; a silent storage or a wrong clock holds up none for ever."""

from __future__ import annotations

from datetime import timedelta

import pytest

from server.dataservice import logic
from server.dataservice.models import Transfer
from server.storage.base import Fault, FaultKind, Recall, Recalled
from tests.server.dataservice.conftest import audit, filled, states


def test_many_requests_at_a_silent_storage_hold_up_no_other(world, settings):
    settings.DATASERVICE = {**settings.DATASERVICE, "calls_per_cycle": 3}
    for number in filled(world, 5):
        logic.request_prestage([number], "TAPE", 3600 + number, "manager", now=world.now)
        world.submit()
    copied = logic.request_replicate(filled(world, at="DISK", dataset="out"), "FAR", "manager", now=world.now)
    world.submit()
    world.tape.silent = True
    world.porter.work()
    world.later(seconds=30).poll()
    world.look()
    assert states(copied) == ["verified"]


@pytest.mark.parametrize("told", [1e300, float("inf"), float("nan"), -1e300, 0.0])
def test_a_pin_that_cannot_be_is_the_one_that_was_asked_for(world, monkeypatch, told):
    request = logic.request_prestage(filled(world), "TAPE", 3600, "manager", now=world.now)
    world.submit()
    world.tape.work()
    monkeypatch.setattr(
        world.tape, "recalled", lambda ticket, paths: dict.fromkeys(paths, Recalled(Recall.ON_DISK, "", told))
    )
    world.later(seconds=30).poll()
    world.look()
    assert states(request) == ["pinned"]
    assert Transfer.objects.get().pinned_until == world.now + timedelta(hours=1)


def test_a_shorter_pin_than_asked_for_is_believed(world, monkeypatch):
    logic.request_prestage(filled(world), "TAPE", 3600, "manager", now=world.now)
    world.submit()
    told = (world.now + timedelta(minutes=10)).timestamp()
    monkeypatch.setattr(
        world.tape, "recalled", lambda ticket, paths: dict.fromkeys(paths, Recalled(Recall.ON_DISK, "", told))
    )
    world.later(seconds=30).poll()
    assert Transfer.objects.get().pinned_until == world.now + timedelta(minutes=9, seconds=30)


def test_a_clock_that_was_ten_years_ahead_for_a_moment_stops_nothing_for_so_long(world):
    request = logic.request_prestage(filled(world), "TAPE", 3600, "manager", now=world.now)
    right = world.now
    world.tape.refuses["raw/cdr00000-1.raw"] = Fault(FaultKind.BUSY, "later")
    world.later(days=3650).submit()
    world.now = right
    world.tape.refuses.clear()
    world.submit()
    assert states(request) == ["queued"]
    world.later(days=3650).poll()  # asked after, and to be asked after again in ten years
    world.now = right
    for _ in range(3):
        world.tape.work()
        world.turn()
    assert states(request) == ["pinned"]
    audit()
