"""Replicas are removed when somebody asks."""

from __future__ import annotations

from server.dataservice import logic
from server.dataservice.logic.files import move_replicas
from server.dataservice.models import DatasetFile, Submission
from server.dataservice.states import ReplicaState
from server.dataservice.steps import remove
from server.storage.base import Fault, FaultKind
from tests.server.dataservice.conftest import audit, filled, history, replicas, states, words


def delete(world, files, at="DISK"):
    return logic.request_delete(files, at, "manager", now=world.now)


def test_files_are_removed_in_one_call_and_are_deleted_in_the_catalogue(world):
    request = delete(world, filled(world, 3, at="DISK"))
    assert replicas("DISK") == ["removing"] * 3
    assert world.remove() == 3
    assert world.disk.calls == ["remove"]
    assert world.disk.files == {}
    assert states(request) == ["verified"] * 3
    assert history(request) == ["requested", "active", "verified"]
    assert replicas("DISK") == ["deleted"] * 3
    assert set(DatasetFile.objects.values_list("state", flat=True)) == {"deleted"}
    request.refresh_from_db()
    assert request.state == "done"
    audit()


def test_a_file_with_another_replica_stays_available(world):
    files = filled(world, at="DISK")
    logic.request_replicate(files, "FAR", "manager", now=world.now)
    world.submit()
    world.porter.work()
    world.later(seconds=30).poll()
    world.look()
    delete(world, files)
    world.remove()
    assert DatasetFile.objects.get().state == "available"
    assert replicas("FAR") == ["available"]
    audit()


def test_what_cannot_be_removed_is_what_it_was(world):
    request = delete(world, filled(world, at="DISK"))
    world.disk.refuses["raw/cdr00000-1.raw"] = Fault(FaultKind.FORBIDDEN, "read only")
    for _ in range(5):
        world.later(days=1).remove()
    assert states(request) == ["failed"]
    assert words(request) == "after 5 tries: forbidden: read only"
    assert replicas("DISK") == ["available"]
    audit()


def test_what_could_not_be_removed_and_is_removed_later_is_deleted(world):
    request = delete(world, filled(world, at="DISK"))
    world.disk.refuses["raw/cdr00000-1.raw"] = Fault(FaultKind.FORBIDDEN, "read only")
    for _ in range(5):
        world.later(days=1).remove()
    world.disk.refuses.clear()
    assert logic.try_again(request, by="manager", now=world.now) == 1
    assert replicas("DISK") == ["removing"]
    world.remove()
    assert world.disk.files == {}
    assert replicas("DISK") == ["deleted"]
    assert DatasetFile.objects.get().state == "deleted"
    audit()


def test_a_lost_file_that_cannot_be_removed_is_lost_still(world):
    files = filled(world, at="DISK")
    move_replicas(files, "DISK", ReplicaState.LOST, now=world.now)
    request = delete(world, files)
    assert replicas("DISK") == ["lost"]
    world.disk.refuses["raw/cdr00000-1.raw"] = Fault(FaultKind.FORBIDDEN, "read only")
    for _ in range(5):
        world.later(days=1).remove()
    assert states(request) == ["failed"]
    assert (replicas("DISK"), DatasetFile.objects.get().state) == (["lost"], "lost")
    world.disk.refuses.clear()
    logic.try_again(request, by="manager", now=world.now)
    world.remove()
    assert replicas("DISK") == ["deleted"]
    audit()


def test_a_call_that_nobody_heard_the_answer_of_is_made_again(world):
    request = delete(world, filled(world, 2, at="DISK"))
    remove._begin_some(world.now, set())  # and then it was killed
    assert states(request) == ["active"] * 2
    assert Submission.objects.get().state == "begun"
    assert world.remove() == 2
    assert states(request) == ["verified"] * 2
    audit()


def test_a_silent_storage_loses_nothing(world):
    request = delete(world, filled(world, 2, at="DISK"))
    world.disk.silent = True
    assert world.remove() == 0
    world.disk.silent = False
    assert world.later(days=3).remove() == 2
    assert states(request) == ["verified"] * 2
    audit()


def test_a_storage_that_says_nothing_of_a_file_has_not_removed_it(world, monkeypatch):
    request = delete(world, filled(world, at="DISK"))
    monkeypatch.setattr(world.disk, "remove", lambda paths: {})
    world.remove()
    assert states(request) == ["requested"]
    assert words(request) == "failed: the storage says nothing of it"
