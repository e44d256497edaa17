"""What is requested goes out in calls, one for all that is alike."""

from __future__ import annotations

import pytest

from server.dataservice import logic
from server.dataservice.models import Contact
from server.dataservice.steps import submit
from server.services.lease import LeaseLost
from tests.server.dataservice.conftest import audit, filled, nothing, states


def test_a_target_that_says_nothing_of_a_file_is_copied_to(world, monkeypatch):
    request = logic.request_replicate(filled(world, at="DISK"), "FAR", "manager", now=world.now)
    with monkeypatch.context() as strange:
        strange.setattr(world.far, "look", lambda paths, checksums=False: {})
        world.submit()
    assert states(request) == ["queued"]
    assert Contact.objects.get(endpoint="FAR").silent_since is None
    world.porter.work()
    world.later(seconds=30).poll()
    world.look()
    assert states(request) == ["verified"]
    audit()


def test_whoever_lost_its_lease_while_a_storage_hung_removes_nothing(world):
    logic.request_replicate(filled(world, at="DISK"), "FAR", "manager", now=world.now)
    world.far.put("raw/cdr00000-1.raw", size=3)  # another worker has begun to copy
    signs = iter([nothing])

    def keep():
        next(signs, lost)()

    def lost():
        raise LeaseLost("dataservice.submit: taken over")

    with pytest.raises(LeaseLost):
        submit.submit(world.rims, now=world.now, keep=keep)
    assert "raw/cdr00000-1.raw" in world.far.files


def test_a_storage_that_was_silent_is_spoken_to_when_the_others_have_been(world, monkeypatch):
    logic.request_prestage(filled(world), "TAPE", 3600, "manager", now=world.now)
    world.tape.silent = True
    world.submit()
    world.later(seconds=30)
    logic.request_replicate(filled(world, at="DISK", dataset="out"), "FAR", "manager", now=world.now)
    spoken = []
    monkeypatch.setattr(world.tape, "recall", lambda paths, **_: spoken.append("TAPE") or world.tape.said("recall"))
    monkeypatch.setattr(world.far, "look", lambda paths, checksums=False: spoken.append("FAR") or {})
    world.submit()
    assert spoken == ["FAR", "TAPE"]
