"""Files are brought from tape to disk, kept there, and given back."""

from __future__ import annotations

import pytest

from server.dataservice import logic
from server.dataservice.models import Contact, DatasetFile, Replica, Submission, Transfer, TransferRequest
from server.storage.base import Fault, FaultKind, Found, Locality, Recall
from tests.server.dataservice.conftest import DAY, audit, filled, history, replicas, states, words


def prestage(world, files, lifetime=3600.0):
    return logic.request_prestage(files, "TAPE", lifetime, "manager", now=world.now)


def test_files_are_asked_for_come_are_looked_at_and_pinned(world):
    files = filled(world, 3)
    request = prestage(world, files)
    assert states(request) == ["requested"] * 3
    assert world.submit() == 3
    assert world.tape.calls == ["recall"]
    assert states(request) == ["queued"] * 3
    world.tape.work("raw/cdr00000-1.raw", state=Recall.ACTIVE)
    assert world.later(seconds=30).poll() == 1
    assert states(request) == ["active", "queued", "queued"]
    world.tape.work()
    assert world.later(seconds=30).poll() == 3
    assert states(request) == ["on_disk"] * 3
    assert replicas("TAPE") == ["on_tape"] * 3
    assert world.look() == 3
    assert states(request) == ["pinned"] * 3
    assert replicas("TAPE") == ["available"] * 3
    assert history(request) == ["requested", "queued", "active", "on_disk", "pinned"]
    audit()


def test_after_its_time_a_file_is_given_back_and_the_request_is_done(world):
    request = prestage(world, filled(world, 2), lifetime=3600)
    world.submit()
    world.tape.work()
    world.later(seconds=30).poll()
    world.look()
    assert world.later(minutes=59).pins() == 0
    assert states(request) == ["pinned"] * 2
    assert world.later(minutes=2).pins() == 2
    assert states(request) == ["expired"] * 2
    assert sorted(world.tape.released) == ["raw/cdr00000-1.raw", "raw/cdr00001-1.raw"]
    assert replicas("TAPE") == ["on_tape"] * 2
    request.refresh_from_db()
    assert (request.state, request.closed) == ("done", world.now)
    world.poll()
    assert Submission.objects.get().state == "over"
    audit()


def test_a_pin_is_prolonged_before_its_end_as_long_as_the_file_is_wanted(world):
    request = prestage(world, filled(world), lifetime=3 * DAY)
    world.submit()
    world.tape.work()
    world.later(seconds=30).poll()
    world.look()
    for _ in range(3 * 24 - 1):
        world.later(hours=1).turn()
        assert states(request) == ["pinned"]
        assert replicas("TAPE") == ["available"]
    one = Transfer.objects.get()
    assert one.tries == 1
    assert one.pins >= 2
    assert Replica.objects.get().pinned_until == one.pinned_until
    assert max(world.tape.lifetimes) == DAY
    world.later(hours=2).turn()
    assert states(request) == ["expired"]
    audit()


def test_a_pin_that_ends_before_its_time_is_asked_for_anew(world):
    request = prestage(world, filled(world), lifetime=3 * DAY)
    world.submit()
    world.tape.work()
    world.later(seconds=30).poll()
    world.look()
    world.tape.silent = True  # it cannot be prolonged
    world.later(hours=25).pins()
    assert states(request) == ["requested"]
    assert history(request)[-2:] == ["expired", "requested"]
    assert replicas("TAPE") == ["on_tape"]
    assert TransferRequest.objects.get().state == "open"
    world.tape.silent = False
    world.turn()
    world.tape.work()
    world.turn()
    assert states(request) == ["pinned"]
    assert Transfer.objects.get().tries == 2
    audit()


def test_a_released_request_lets_go_of_what_came_and_of_what_did_not(world):
    request = prestage(world, filled(world, 2), lifetime=DAY)
    world.submit()
    world.tape.work("raw/cdr00000-1.raw")
    world.later(seconds=30).poll()
    world.look()
    assert states(request) == ["pinned", "queued"]
    assert logic.release(request, by="manager", now=world.now) == 2
    world.pins()
    assert states(request) == ["expired", "expired"]
    assert words(request) == "released by manager"
    assert len(world.tape.released) == 2
    audit()


def test_a_request_that_was_not_said_yet_is_released_without_a_call(world):
    request = prestage(world, filled(world))
    logic.release(request, by="manager", now=world.now)
    world.submit()
    world.pins()
    assert world.tape.calls == []
    assert states(request) == ["expired"]


def test_two_requests_keep_a_file_on_disk_until_the_later_one_ends(world):
    files = filled(world)
    prestage(world, files, lifetime=3600)
    prestage(world, files, lifetime=7200)
    world.submit()
    world.tape.work()
    world.later(seconds=30).poll()
    world.look()
    world.later(minutes=61).pins()
    assert replicas("TAPE") == ["available"]
    world.later(minutes=61).pins()
    assert replicas("TAPE") == ["on_tape"]
    audit()


def test_a_file_that_the_tape_does_not_have_is_tried_a_bounded_number_of_times_and_then_lost(world):
    request = prestage(world, filled(world, 2))
    del world.tape.files["raw/cdr00000-1.raw"]
    for _ in range(5):
        world.later(hours=3).submit()
    assert states(request)[0] == "failed"
    assert words(request) == "after 5 tries: absent: no such file"
    assert Transfer.objects.order_by("pk").first().tries == 5
    assert world.tape.calls.count("recall") == 5
    assert replicas("TAPE")[0] == "lost"
    assert DatasetFile.objects.order_by("pk").first().state == "lost"
    world.later(hours=3).submit()
    assert world.tape.calls.count("recall") == 5
    audit()


def test_tries_wait_longer_each_time(world):
    prestage(world, filled(world))
    world.tape.refuses["raw/cdr00000-1.raw"] = Fault(FaultKind.BUSY, "the queue is full")
    waits = []
    for _ in range(4):
        world.submit()
        due = Transfer.objects.get().due
        waits.append((due - world.now).total_seconds())
        world.now = due
    assert waits == [60, 120, 240, 480]


def test_what_failed_is_tried_again_when_somebody_asks(world):
    request = prestage(world, filled(world))
    world.tape.refuses["raw/cdr00000-1.raw"] = Fault(FaultKind.FAILED, "drive broken")
    for _ in range(5):
        world.later(hours=1).submit()
    request.refresh_from_db()
    assert (request.state, states(request)) == ("failed", ["failed"])
    world.tape.refuses.clear()
    assert logic.try_again(request, by="manager", now=world.now) == 1
    assert TransferRequest.objects.get().state == "open"
    world.submit()
    assert states(request) == ["queued"]
    assert Transfer.objects.get().tries == 6
    audit()


@pytest.mark.parametrize(
    ("state", "told"),
    [(Recall.FAILED, "drive broken"), (Recall.UNKNOWN, "the storage does not know the request any more")],
)
def test_a_recall_that_fails_or_is_forgotten_is_begun_anew(world, state, told):
    request = prestage(world, filled(world))
    world.submit()
    world.tape.work(state=state, words="drive broken" if state is Recall.FAILED else "")
    world.later(seconds=30).poll()
    assert states(request) == ["requested"]
    assert words(request) == told
    world.later(seconds=60).submit()
    assert Transfer.objects.get().tries == 2
    assert len(world.tape.tickets) == 2
    audit()


def test_a_recall_that_takes_for_ever_is_given_up_after_its_patience_even_after_days(world, settings):
    settings.DATASERVICE = {"prestage": {"patience": 2 * DAY}, "poll_every": 1}
    request = prestage(world, filled(world))
    world.submit()
    world.later(days=1, hours=23).poll()
    assert states(request) == ["queued"]
    world.later(hours=2).poll()
    assert states(request) == ["requested"]
    assert words(request) == "given up: it was queued for 2.0 days"


def test_a_file_that_came_with_another_size_is_not_pinned(world):
    request = prestage(world, filled(world))
    world.submit()
    world.tape.work()
    world.tape.files["raw/cdr00000-1.raw"] = Found(7, Locality.DISK)
    world.later(seconds=30).poll()
    world.look()
    assert states(request) == ["requested"]
    assert words(request) == "it has 7 bytes instead of 10"
    assert replicas("TAPE") == ["on_tape"]


def test_a_silent_storage_changes_nothing_but_says_since_when(world):
    request = prestage(world, filled(world, 2))
    world.tape.silent = True
    began = world.now
    world.submit()
    world.later(days=2).submit()
    assert states(request) == ["requested", "requested"]
    contact = Contact.objects.get()
    assert (contact.endpoint, contact.silent_since, contact.words) == ("TAPE", began, "connection refused")
    assert Transfer.objects.order_by("pk").first().tries == 1
    world.tape.silent = False
    world.submit()
    assert states(request) == ["queued", "queued"]
    contact.refresh_from_db()
    assert (contact.silent_since, contact.answered) == (None, world.now)


def test_a_silent_storage_is_asked_once_in_a_run_and_does_not_stop_others(world):
    prestage(world, filled(world, 1))
    prestage(world, filled(world, 1), lifetime=99)
    world.disk.put("out/a", size=1)
    world.tape.silent = True
    world.submit()
    assert world.tape.calls == ["recall"]
    world.submit()
    assert world.tape.calls == ["recall", "recall"]
