"""A request whose storage stays silent comes to an end: by a person, or when its bound is over."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from pilot.contract.job import FileSpec, Role
from pilot.contract.queue import local_storage
from server.dataservice import logic
from server.dataservice.logic import acts
from server.dataservice.models import DatasetFile, RequestEvent, Submission, Transfer, TransferEvent
from server.dataservice.steps import calls, cancel, overdue
from server.dataservice.steps.cancel import within
from server.dataservice.where import Rims
from server.pandaconfig.logic import define_storage
from server.storage.base import StorageUnavailable
from server.taskbuffer.models import Job
from tests.server import jobs
from tests.server.dataservice.conftest import DAY, audit, filled, history, nothing, replicas, states, words

WHY = "the disk servers were sold"


def asked(world, kind: str, count: int = 1):
    """Ask for something whose storage never answers; answer the request."""
    files = filled(world, count, at="TAPE" if kind == "prestage" else "DISK")
    if kind == "prestage":
        return logic.request_prestage(files, "TAPE", 3600, "manager", now=world.now)
    if kind == "delete":
        return logic.request_delete(files, "DISK", "manager", now=world.now)
    ask = {"archive": logic.request_archive, "replicate": logic.request_replicate}[kind]
    return ask(files, "FAR", "manager", now=world.now)


def silence(world, silent: bool = True) -> None:
    for storage in (world.tape, world.disk, world.far, world.porter):
        storage.silent = silent


def overdue_now(world) -> int:
    return overdue.give_up_overdue(now=world.now, keep=nothing)


def cancel_now(world, **more) -> int:
    return cancel.cancel(world.rims, now=world.now, keep=nothing, **more)


KINDS = ("prestage", "archive", "replicate", "delete")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_asked_of_a_storage_that_is_silent_for_ever_is_given_up_when_its_bound_is_over(world, kind):
    request = asked(world, kind, 3)
    silence(world)
    for _ in range(3):
        world.turn()
    assert overdue_now(world.later(days=59)) == 0
    assert overdue_now(world.later(days=1, hours=1)) == 3
    assert states(request) == ["failed"] * 3
    request.refresh_from_db()
    assert (request.state, request.given_up_by) == ("failed", "dataservice.give_up")
    assert "its bound is 60.0 d (the default" in words(request)
    assert overdue_now(world) == 0
    audit()


def test_a_storage_has_a_bound_of_its_own(world):
    define_storage("FAR", {**local_storage("FAR", "/FAR"), "compass_storage": {"give_up_after": DAY}})
    request = asked(world, "replicate")
    assert overdue_now(world.later(hours=23)) == 0
    assert overdue_now(world.later(hours=2)) == 1
    assert "(compass_storage.give_up_after of FAR)" in words(request)


def test_a_kind_has_a_bound_of_its_own(world, settings):
    settings.DATASERVICE = {"give_up_after": 9 * DAY, "delete": {"give_up_after": DAY}}
    copy = asked(world, "replicate")
    delete = logic.request_delete(filled(world, at="DISK", dataset="old"), "DISK", "manager", now=world.now)
    assert overdue_now(world.later(days=2)) == 1
    assert "DATASERVICE['delete']['give_up_after']" in words(delete)
    assert overdue_now(world.later(days=8)) == 1
    assert "DATASERVICE['give_up_after']" in words(copy)


def test_a_bound_that_cannot_be_read_counts_as_none_and_is_told(world):
    define_storage("FAR", {**local_storage("FAR", "/FAR"), "compass_storage": {"give_up_after": "soon"}})
    request = asked(world, "replicate")
    assert overdue_now(world.later(days=59)) == 0
    assert overdue_now(world.later(days=2)) == 1
    assert "the default, since storage FAR: compass_storage.give_up_after" in words(request)


def test_files_that_are_kept_on_disk_do_not_make_their_request_too_old(world):
    request = logic.request_prestage(filled(world), "TAPE", 90 * DAY, "manager", now=world.now)
    world.submit()
    world.tape.work()
    world.turn()
    assert states(request) == ["pinned"]
    assert overdue_now(world.later(days=89)) == 0
    assert states(request) == ["pinned"]


def test_the_age_of_a_request_that_a_wrong_clock_has_made_begins_when_that_is_seen(world):
    request = asked(world, "replicate")
    type(request).objects.update(asked=world.now + timedelta(days=3000))
    assert overdue_now(world) == 0
    request.refresh_from_db()
    assert request.asked == world.now
    assert overdue_now(world.later(days=61)) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_person_gives_up_and_is_told_in_row_and_events(world, kind):
    request = asked(world, kind, 2)
    silence(world)
    world.turn()
    assert logic.give_up(request, by="shift", why=WHY, now=world.now) == 2
    request.refresh_from_db()
    assert (request.state, request.given_up_by, request.given_up_at) == ("failed", "shift", world.now)
    assert words(request) == f"given up by shift: {WHY}"
    (act,) = RequestEvent.objects.filter(request=request)
    assert (act.act, act.files, act.by, act.why) == ("give_up", 2, "shift", WHY)
    assert TransferEvent.objects.filter(after="failed", by="shift").count() == 2
    with pytest.raises(logic.RequestRefused, match="it is failed; there is nothing to give up"):
        logic.give_up(request, by="shift", why=WHY)
    audit()


def test_a_file_that_was_absent_for_a_moment_is_not_lost_when_its_request_is_given_up(world):
    request = asked(world, "prestage")
    world.submit()
    world.tape.work()
    world.later(seconds=30).poll()
    world.tape.files.clear()
    world.look()
    assert Transfer.objects.get().answer == "absent"
    logic.give_up(request, by="shift", why=WHY, now=world.now)
    assert (states(request), replicas("TAPE")) == (["failed"], ["on_tape"])
    assert DatasetFile.objects.get().state == "available"
    audit()


def test_nobody_gives_up_without_a_reason(world):
    with pytest.raises(logic.RequestRefused, match="why: empty; say why"):
        logic.give_up(asked(world, "delete"), by="shift", why="  ")


def test_what_hangs_on_the_files_follows(world, queue):
    delete = asked(world, "delete")
    logic.give_up(delete, by="shift", why=WHY, now=world.now)
    assert replicas("DISK") == ["available"]
    copy = logic.request_replicate([DatasetFile.objects.get().pk], "FAR", "manager", now=world.now)
    logic.give_up(copy, by="shift", why=WHY, now=world.now)
    assert replicas("FAR") == ["lost"]
    prestage = logic.request_prestage(filled(world, dataset="wanted"), "TAPE", 60, "manager", now=world.now)
    inputs = (FileSpec("cdr00000-1.raw", Role.INPUT, dataset="wanted"),)
    (job,) = jobs.submit(waits=True, outputs=(), log=None, inputs=inputs)
    world.follow()
    logic.give_up(prestage, by="shift", why=WHY, now=world.now)
    world.activate()
    assert Job.objects.get(pk=job).state == "failed"
    assert WHY in Job.objects.get(pk=job).server_error_words
    audit()


def test_what_has_come_is_let_go_and_has_not_failed(world):
    request = asked(world, "prestage", 2)
    world.submit()
    world.tape.work("raw/cdr00000-1.raw")
    world.turn()
    assert states(request) == ["pinned", "queued"]
    assert logic.give_up(request, by="shift", why=WHY, now=world.now) == 2
    assert states(request) == ["expired", "failed"]
    assert replicas("TAPE") == ["on_tape", "on_tape"]
    assert cancel_now(world) == 1
    assert sorted(world.tape.released) == ["raw/cdr00000-1.raw", "raw/cdr00001-1.raw"]
    audit()


def test_what_was_given_up_may_be_asked_for_once_more_and_its_age_begins_anew(world):
    request = asked(world, "replicate")
    silence(world)
    world.turn()
    logic.give_up(request, by="shift", why=WHY, now=world.now)
    silence(world, False)
    assert logic.try_again(request, by="expert", why="they came back", now=world.later(days=70).now) == 1
    request.refresh_from_db()
    assert (request.state, request.given_up_at, request.asked) == ("open", None, world.now)
    assert words(request) == "asked for once more: they came back"
    assert overdue_now(world.later(days=1)) == 0
    world.turn()
    world.porter.work()
    world.turn()
    assert states(request) == ["verified"]
    assert list(RequestEvent.objects.values_list("act", flat=True)) == ["give_up", "try_again"]
    audit()


def test_the_mover_is_told_once_it_answers_and_others_in_the_same_call_go_on(world):
    files = filled(world, 2, at="DISK")
    first, second = (logic.request_replicate([file], "FAR", "manager", now=world.now) for file in files)
    world.submit()
    (number,) = world.porter.requests
    logic.give_up(first, by="shift", why=WHY, now=world.now)
    assert cancel_now(world) == 1
    assert number in world.porter.done
    logic.give_up(second, by="shift", why=WHY, now=world.now)
    world.porter.silent = True
    assert cancel_now(world) == 0
    world.porter.silent = False
    assert cancel_now(world.later(days=1)) == 1
    assert number not in world.porter.done
    assert cancel_now(world) == 0


def test_who_is_never_there_is_not_told_for_ever(world):
    request = asked(world, "replicate")
    world.submit()
    logic.give_up(request, by="shift", why=WHY, now=world.now)
    world.porter.silent = True
    assert cancel_now(world.later(days=8)) == 0
    assert not Submission.objects.filter(to_cancel__isnull=False).exists()


class Hanging:
    """A mover that never comes back from being told; ``begun`` says that it was."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()

    def cancel(self, request: str) -> None:
        self.begun.set()
        self.go.wait(30)


def test_a_mover_that_hangs_holds_up_neither_giving_up_nor_who_tells_it(world):
    request = asked(world, "replicate")
    world.submit()
    assert logic.give_up(request, by="shift", why=WHY, now=world.now) == 1
    hanging = Hanging()
    rims = Rims(world.open, lambda source, target: hanging)
    try:
        assert cancel.cancel(rims, now=world.now, keep=nothing, patience=0.05) == 0
        assert hanging.begun.wait(30)
        assert not Submission.objects.filter(to_cancel__isnull=False).exists()  # no second thread waits for it
    finally:
        hanging.go.set()
    assert states(request) == ["failed"]


def test_a_plugin_that_breaks_is_one_that_does_not_answer():
    def broken() -> None:
        raise ZeroDivisionError

    def silent() -> None:
        raise StorageUnavailable("gone")

    with pytest.raises(StorageUnavailable, match="its plugin failed"):
        within(30, broken)
    with pytest.raises(StorageUnavailable, match="gone"):
        within(30, silent)
    within(30, lambda: None)


class Late:
    """Gives a request up while its storage is being asked."""

    def __init__(self, world, request) -> None:
        self.world, self.request, self.rims = world, request, world.rims

    def __getattr__(self, name: str):
        def answer(storage_or_source: str, *target: str):
            real = getattr(self.rims, name)(storage_or_source, *target)
            if self.request.given_up_at is None:
                logic.give_up(self.request, by="shift", why=WHY, now=self.world.now)
                self.request.refresh_from_db()
            return real

        return answer


@pytest.mark.parametrize(
    ("kind", "at", "said"),
    [
        ("prestage", "submit", "taken as ticket-1"),
        ("prestage", "poll", "on disk"),
        ("replicate", "poll", "on disk"),
        ("prestage", "look", "right"),
        ("delete", "remove", "removed"),
    ],
)
def test_what_a_storage_says_too_late_is_noted_and_changes_nothing(world, kind, at, said):
    request = asked(world, kind)
    if at in ("poll", "look"):
        world.submit()
        world.tape.work()
        world.porter.work()
        world.later(seconds=30)
    if at == "look":
        world.poll()
    world.rims, kept = Late(world, request), replicas("TAPE" if kind == "prestage" else "DISK")
    getattr(world, at)()
    assert states(request) == ["failed"]
    assert history(request)[-2:] == ["failed", "failed"]
    note = TransferEvent.objects.order_by("-pk").first()
    assert note.words == f"said too late, when it was given up: {said}"
    assert note.before == note.after
    assert replicas("TAPE" if kind == "prestage" else "DISK") == (["available"] if kind == "delete" else kept)
    assert Transfer.objects.get().words == f"given up by shift: {WHY}"
    audit()


def test_a_call_that_nobody_heard_the_end_of_is_closed_and_then_cancelled(world):
    request = asked(world, "replicate")
    world.porter.silent = True
    world.submit()
    assert Submission.objects.get().state == "begun"
    logic.give_up(request, by="shift", why=WHY, now=world.now)
    world.porter.silent = False
    assert cancel_now(world) == 0  # what was taken is not known yet
    world.turn()
    assert Submission.objects.get().state == "over"
    assert world.porter.submitted == 0
    assert cancel_now(world) == 1


def test_who_dies_while_giving_up_is_followed_by_one_that_finishes(world, monkeypatch):
    request = asked(world, "replicate", 5)
    monkeypatch.setattr(acts, "AT_ONCE", 2)
    killed = iter([None, KeyboardInterrupt])

    def follow(steps, now):
        if (wrong := next(killed)) is not None:
            raise wrong

    with monkeypatch.context() as patched:
        patched.setattr(acts, "follow_failures", follow)
        with pytest.raises(KeyboardInterrupt):
            logic.give_up(request, by="shift", why=WHY, now=world.now)
    assert states(request) == ["failed"] * 2 + ["requested"] * 3
    assert overdue_now(world) == 3
    request.refresh_from_db()
    assert request.state == "failed"
    assert words(request) == f"given up by shift: {WHY}"
    assert calls.SERVICE not in set(TransferEvent.objects.values_list("by", flat=True))


@pytest.mark.parametrize("kind", KINDS)
def test_many_files_are_given_up_in_hardly_more_statements_than_few(world, kind):
    spent = []
    for count in (3, 60):
        where = "TAPE" if kind == "prestage" else "DISK"
        files = filled(world, count, at=where, dataset=f"{kind}{count}")
        asks = {
            "prestage": lambda files=files: logic.request_prestage(files, "TAPE", 60, "manager", now=world.now),
            "archive": lambda files=files: logic.request_archive(files, "FAR", "manager", now=world.now),
            "replicate": lambda files=files: logic.request_replicate(files, "FAR", "manager", now=world.now),
            "delete": lambda files=files: logic.request_delete(files, "DISK", "manager", now=world.now),
        }
        request = asks[kind]()
        with CaptureQueriesContext(connection) as asked:
            assert logic.give_up(request, by="shift", why=WHY, now=world.now) == count
        spent.append(len(asked))
    assert spent[1] < spent[0] + 10
