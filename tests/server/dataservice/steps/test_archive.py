"""Files go to tape: copied, watched, verified; and copies to other disks."""

from __future__ import annotations

import pytest

from server.dataservice import logic
from server.dataservice.models import DatasetFile, Replica, Submission, Transfer
from server.storage.base import Found, Locality
from tests.server.dataservice.conftest import DAY, audit, filled, history, replicas, states, words

FIRST = "out/cdr00000-1.raw"


def archive(world, files):
    return logic.request_archive(files, "TAPE", "manager", now=world.now)


def to_tape(world, path=FIRST, **changes):
    found = world.tape.files[path]
    world.tape.files[path] = Found(
        changes.get("size", found.size), Locality.TAPE, changes.get("checksum", found.checksum)
    )


def copied(world, count=1):
    """Make files on DISK, ask for them on tape, and bring them to the tape system's disk."""
    request = archive(world, filled(world, count, at="DISK", dataset="out"))
    world.submit()
    world.porter.work()
    world.later(seconds=30).poll()
    return request


def test_a_file_is_copied_watched_until_it_is_on_tape_and_compared(world):
    request = copied(world, 2)
    assert states(request) == ["on_disk"] * 2
    assert replicas("TAPE") == ["copying"] * 2
    world.look()
    assert states(request) == ["on_disk"] * 2
    assert words(request) == "it is not on tape yet"
    to_tape(world)
    world.later(minutes=10).look()
    assert states(request) == ["verified", "on_disk"]
    assert replicas("TAPE") == ["on_tape", "copying"]
    assert history(request) == ["requested", "queued", "on_disk", "on_tape", "verified"]
    request.refresh_from_db()
    assert request.state == "open"
    to_tape(world, "out/cdr00001-1.raw")
    world.later(minutes=10).look()
    request.refresh_from_db()
    assert request.state == "done"
    audit()


def test_a_file_written_to_the_tape_system_itself_is_only_watched(world):
    files = filled(world, at="TAPE", dataset="out")
    world.tape.put(FIRST, on="disk")
    request = archive(world, files)
    assert world.submit() == 1
    assert world.porter.submitted == 0
    to_tape(world)
    world.look()
    assert states(request) == ["verified"]
    audit()


def test_absent_empty_deleted_and_another_checksum_are_four_answers(world):
    request = copied(world, 4)
    paths = [f"out/cdr{number:05}-1.raw" for number in range(4)]
    world.look()
    del world.tape.files[paths[0]]
    world.tape.files[paths[1]] = Found(0, Locality.TAPE)
    del world.tape.files[paths[2]]
    Replica.objects.filter(endpoint="TAPE", path=paths[2]).update(seen=world.now)
    to_tape(world, paths[3], checksum="adler32:00000bad")
    world.later(minutes=10).look()
    answers = list(Transfer.objects.order_by("pk").values_list("answer", "words"))
    assert answers == [
        ("absent", "it is not there: no such file"),
        ("empty", "it has size 0"),
        ("deleted", "it was there and is not any more: no such file"),
        ("checksum", "it has adler32:00000bad instead of adler32:0000000a"),
    ]
    # Time may mend the first two; the others are begun anew at once.
    assert states(request) == ["on_disk", "on_disk", "requested", "requested"]
    audit()


def test_a_file_that_is_absent_for_an_hour_is_copied_again(world):
    request = copied(world)
    del world.tape.files[FIRST]
    world.look()
    world.later(minutes=55).look()
    assert states(request) == ["on_disk"]
    world.later(minutes=6).look()
    assert states(request) == ["requested"]
    world.later(minutes=6).submit()
    assert world.porter.submitted == 2
    audit()


@pytest.mark.parametrize("hours", [13, 25, 49])
def test_size_0_is_believed_after_12_hours_whatever_the_days_between_looks(world, hours):
    request = copied(world)
    world.tape.files[FIRST] = Found(0, Locality.TAPE)
    world.look()
    world.later(hours=11, minutes=50).look()
    assert states(request) == ["on_disk"]
    world.later(hours=hours - 11).look()
    assert states(request) == ["requested"]
    assert words(request) == "it has size 0"


def test_how_long_size_0_may_last_is_a_setting_of_each_kind(world, settings):
    settings.DATASERVICE = {"archive": {"empty_for": 2 * DAY}, "poll_every": 1}
    request = copied(world)
    world.tape.files[FIRST] = Found(0, Locality.TAPE)
    world.look()
    world.later(hours=47).look()
    assert states(request) == ["on_disk"]
    world.later(hours=2).look()
    assert states(request) == ["requested"]


def test_an_answer_that_changes_begins_its_time_anew(world):
    request = copied(world)
    world.tape.files[FIRST] = Found(0, Locality.TAPE)
    world.look()
    world.later(hours=11).look()
    world.tape.put(FIRST)
    world.later(minutes=30).look()
    world.tape.files[FIRST] = Found(0, Locality.TAPE)
    world.later(hours=2).look()
    assert states(request) == ["on_disk"]


def test_what_is_wrong_at_the_target_is_removed_before_it_is_copied_again(world):
    request = copied(world)
    to_tape(world, checksum="adler32:00000bad")
    world.look()
    assert states(request) == ["requested"]
    world.tape.calls.clear()
    world.later(hours=1).submit()
    assert world.tape.calls == ["look", "remove"]
    assert FIRST not in world.tape.files
    world.porter.work()
    world.later(seconds=30).poll()
    to_tape(world)
    world.look()
    assert states(request) == ["verified"]
    assert Transfer.objects.get().tries == 2
    audit()


def test_a_copy_that_lies_at_its_target_already_is_not_made_again(world):
    request = logic.request_replicate(filled(world, 2, at="DISK", dataset="out"), "FAR", "manager", now=world.now)
    world.far.put(FIRST)
    world.submit()
    assert states(request) == ["on_disk", "queued"]
    assert world.porter.submitted == 1
    world.porter.work()
    world.later(seconds=30).poll()
    world.look()
    assert states(request) == ["verified"] * 2
    assert replicas("FAR") == ["available"] * 2
    world.later(seconds=30).poll()
    assert Submission.objects.get().state == "over"
    audit()


def test_a_copy_without_a_source_ends_after_its_tries_and_leaves_no_replica(world):
    request = logic.request_replicate(filled(world, at="DISK", dataset="out"), "FAR", "manager", now=world.now)
    world.disk.files.clear()
    for _ in range(5):
        world.later(days=1).submit()
        world.porter.work()
        world.later(seconds=30).poll()
    assert states(request) == ["failed"]
    assert words(request) == "after 5 tries: the source is not there"
    assert replicas("FAR") == ["lost"]
    assert replicas("DISK") == ["available"]
    assert DatasetFile.objects.get().state == "available"
    # A copy that never was does not make a file lost that somebody removes elsewhere.
    logic.request_delete([DatasetFile.objects.get().pk], "DISK", "manager", now=world.now)
    world.remove()
    assert DatasetFile.objects.get().state == "deleted"
    audit()


def test_a_checksum_that_a_storage_does_not_tell_is_not_taken_for_right(world):
    request = copied(world)
    world.tape.files[FIRST] = Found(10, Locality.TAPE, None)
    world.look()
    world.later(minutes=5).look()
    assert states(request) == ["on_tape"]
    assert words(request).startswith("the storage does not tell its adler32")


def test_a_name_without_bytes_is_no_file(world):
    request = copied(world)
    world.tape.files[FIRST] = Found(10, Locality.LOST)
    world.look()
    assert words(request) == "the storage has its name, and nowhere its bytes"
    assert states(request) == ["requested"]
