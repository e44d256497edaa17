"""Requests are taken whole or not at all, and nothing is done twice with a file at one storage."""

from __future__ import annotations

import pytest

from server.dataservice import logic
from server.dataservice.models import Replica, Transfer, TransferRequest
from tests.server.dataservice.conftest import audit, filled, replicas, states


def test_a_prestage_wants_a_positive_time(world):
    with pytest.raises(logic.RequestRefused, match="lifetime: 0 s; give a time above 0"):
        logic.request_prestage(filled(world), "TAPE", 0, "m")


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda files: logic.request_prestage([], "TAPE", 9, "m"), "files: none; name at least one"),
        (lambda files: logic.request_prestage([*files, 999], "TAPE", 9, "m"), "there is no file 999"),
        (lambda files: logic.request_prestage(files, "NOWHERE", 9, "m"), "'NOWHERE' is not known here"),
        (
            lambda files: logic.request_prestage(files, "DISK", 9, "m"),
            "DISK: it has no replica of cdr00000-1.raw, .* and 2 more",
        ),
        (lambda files: logic.request_delete(files, "DISK", "m"), "it has no replica"),
        (
            lambda files: logic.request_replicate(files, "FAR", "m"),
            "cdr00000-1.raw: no storage has a replica that can be read",
        ),
        (lambda files: logic.request_archive(files, "FAR", "m"), "prestage it first"),
    ],
)
def test_what_cannot_be_done_is_refused_whole_with_a_remedy(world, ask, words):
    files = filled(world, 5)
    with pytest.raises(logic.RequestRefused, match=words):
        ask(files)
    assert not TransferRequest.objects.exists()
    assert not Transfer.objects.exists()


def test_nothing_is_written_or_removed_twice_at_once(world):
    files = filled(world, 2, at="DISK")
    logic.request_replicate(files[:1], "FAR", "m", now=world.now)
    with pytest.raises(logic.RequestRefused, match="FAR: something is being done there with cdr00000-1.raw"):
        logic.request_replicate(files, "FAR", "m", now=world.now)
    logic.request_delete(files, "DISK", "m", now=world.now)
    with pytest.raises(logic.RequestRefused, match="something is being done there|no replica"):
        logic.request_delete(files, "DISK", "m", now=world.now)
    assert TransferRequest.objects.count() == 2
    audit()


def test_a_pinned_file_is_not_deleted_and_one_that_goes_is_not_brought(world):
    files = filled(world)
    request = logic.request_prestage(files, "TAPE", 60, "m", now=world.now)
    with pytest.raises(logic.RequestRefused, match="release it"):
        logic.request_delete(files, "TAPE", "m", now=world.now)
    logic.release(request, by="m", now=world.now)
    world.pins()
    logic.request_delete(files, "TAPE", "m", now=world.now)
    with pytest.raises(logic.RequestRefused, match="it has no replica"):
        logic.request_prestage(files, "TAPE", 60, "m", now=world.now)


def test_when_a_copy_has_ended_another_may_be_asked_for(world):
    files = filled(world, at="DISK")
    logic.request_replicate(files, "FAR", "m", now=world.now)
    world.turn()
    world.porter.work()
    world.turn()
    assert replicas("FAR") == ["available"]
    request = logic.request_delete(files, "FAR", "m", now=world.now)
    world.remove()
    assert states(request) == ["verified"]
    again = logic.request_replicate(files, "FAR", "m", now=world.now)
    assert replicas("FAR") == ["copying"]
    world.turn()
    world.porter.work()
    world.turn()
    assert states(again) == ["verified"]
    audit()


def test_what_failed_is_not_tried_again_while_something_else_is_done_with_the_file(world):
    files = filled(world, at="DISK")
    request = logic.request_replicate(files, "FAR", "m", now=world.now)
    world.disk.files.clear()
    for _ in range(10):
        world.later(days=1).turn()
        world.porter.work()
    assert states(request) == ["failed"]
    logic.request_replicate(files, "FAR", "m", now=world.now)
    with pytest.raises(logic.RequestRefused, match="something else is being done"):
        logic.try_again(request, by="m", now=world.now)
    assert states(request) == ["failed"]
    assert logic.try_again(TransferRequest.objects.latest("pk"), by="m") == 0
    audit()


def test_a_source_is_a_replica_that_can_be_read(world):
    files = filled(world, at="DISK")
    Replica.objects.create(file_id=files[0], endpoint="TAPE", state="on_tape", path="raw/cdr00000-1.raw")
    logic.request_replicate(files, "FAR", "m", now=world.now)
    assert Transfer.objects.get().source == "DISK"
