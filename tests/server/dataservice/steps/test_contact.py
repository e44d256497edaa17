"""A storage that fails, hangs or answers nonsense is silent, says so, and stops nobody else."""

from __future__ import annotations

import pytest
from django.db import OperationalError

from server.dataservice import logic
from server.dataservice.models import Contact
from server.dataservice.steps.contact import Silent, ask, checked
from server.storage.base import Fault, Found, StorageUnavailable
from tests.server.dataservice.conftest import audit, filled, states


def one_of_each(world, lifetime: float = 3600):
    """Ask a tape system for a file, and for a copy elsewhere that has nothing to do with it."""
    brought = logic.request_prestage(filled(world), "TAPE", lifetime, "manager", now=world.now)
    copied = logic.request_replicate(filled(world, at="DISK", dataset="out"), "FAR", "manager", now=world.now)
    return brought, copied


def run(world, turns: int = 8) -> None:
    for _ in range(turns):
        world.turn()
        world.tape.work()
        world.porter.work()


@pytest.mark.parametrize("raised", [ValueError("nonsense"), OSError("input/output"), RecursionError("too deep")])
@pytest.mark.parametrize("method", ["recall", "recalled", "look", "release"])
def test_a_plugin_that_fails_stops_no_other_storage(world, monkeypatch, method, raised):
    def fail(*arguments, **options):
        raise raised

    monkeypatch.setattr(world.tape, method, fail)
    brought, copied = one_of_each(world, lifetime=100 if method == "release" else 3600)
    run(world)
    assert states(copied) == ["verified"]
    contact = Contact.objects.get(endpoint="TAPE")
    assert contact.words == f"its plugin failed: {type(raised).__name__}: {raised}"
    monkeypatch.undo()
    run(world)
    assert states(brought) == ["expired" if method == "release" else "pinned"]
    audit()


@pytest.mark.parametrize("answer", [None, 5, ["raw/cdr00000-1.raw"], {"raw/cdr00000-1.raw": None}])
def test_an_answer_that_is_none_moves_nothing_and_is_shown(world, monkeypatch, answer):
    brought, copied = one_of_each(world)
    monkeypatch.setattr(world.tape, "look", lambda paths, checksums=False: answer)
    run(world)
    assert (states(brought), states(copied)) == (["on_disk"], ["verified"])
    assert Contact.objects.get(endpoint="TAPE").words == f"it answers nonsense: {answer}"


def test_what_a_storage_says_of_its_files_is_checked():
    found = {"a": Found(1)}
    assert checked(found, Found, Fault) is found
    with pytest.raises(StorageUnavailable, match="nonsense"):
        checked(found, Fault)


@pytest.mark.django_db
def test_an_error_of_our_own_database_is_no_silence_of_a_storage():
    def locked():
        raise OperationalError("database is locked")

    with pytest.raises(OperationalError):
        ask("TAPE", locked, None)
    assert not Contact.objects.exists()


def test_a_storage_is_silent_since_it_was_silent_first(world):
    request = logic.request_delete(filled(world, at="DISK"), "DISK", "manager", now=world.now)
    world.disk.silent = True
    since = world.later(seconds=30).now
    for _ in range(3):
        world.remove()
        world.later(hours=1)
    assert Contact.objects.get(endpoint="DISK").silent_since == since
    assert states(request) == ["active"]


def test_the_storages_that_were_silent_last_time_are_asked_last(world, monkeypatch):
    one_of_each(world)
    world.submit()
    world.tape.work()
    world.porter.work()
    world.later(seconds=30).poll()
    asked = []

    def look(storage, silent):
        def looked(paths, checksums=False):
            asked.append(storage.called)
            if silent:
                raise StorageUnavailable("no answer within 60 s")
            return {path: storage.files[path] for path in paths}

        return looked

    monkeypatch.setattr(world.tape, "look", look(world.tape, silent=True))
    monkeypatch.setattr(world.far, "look", look(world.far, silent=True))
    world.look()
    assert asked == ["TAPE", "FAR"]
    monkeypatch.setattr(world.far, "look", look(world.far, silent=False))
    with pytest.raises(Silent):
        ask("TAPE", lambda: world.tape.look([]), world.now)
    Contact.objects.filter(endpoint="FAR").update(silent_since=None)
    asked.clear()
    world.later(seconds=30).look()
    assert asked == ["FAR", "TAPE"]
