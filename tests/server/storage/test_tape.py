"""Tapes behind a real XRootD: the contract, what goes wrong, and what is read from the service's answers."""

from __future__ import annotations

import time

import pytest

from server.storage.base import FaultKind, Found, Locality, Recall, Recalled, StorageMisconfigured, Tape
from server.storage.place import Place
from server.storage.tape import TapeStorage, grouped, parts_of, place_of, read_recalled
from tests.kits.storage import CONTENT, TapeKit
from tests.services.tape import running

QUICK = {"patience": 3, "lifetime_key": "pin", "accepting": 10}


def opened(root, **options):
    return TapeStorage.open(Place("TAPE", "tape", root, {**QUICK, **options}))


@pytest.fixture(scope="module")
def robot():
    with running() as tape:
        yield tape


@pytest.fixture(scope="module")
def shared(robot):
    """One storage for all tests of the contract: its processes come up once."""
    return opened(robot.root)


@pytest.mark.one_python
class TestTapeStorage(TapeKit):
    @pytest.fixture(autouse=True)
    def _empty(self, robot):
        self.tape = robot
        robot.empty()

    @pytest.fixture
    def storage(self, shared):
        return shared

    def put(self, path, content):
        self.tape.server.put(path, content)

    def put_on_tape(self, path, content):
        self.tape.put_on_tape(path, content)

    def names(self):
        return self.tape.server.files()

    def unavailable(self):
        return self.tape.server.frozen()

    def test_many_requests_make_one_ticket(self, robot):
        storage = opened(robot.root, files_per_request=7)
        paths = [f"raw/{number}" for number in range(30)]
        for path in paths:
            self.put_on_tape(path, CONTENT)
        ticket = storage.recall(paths, lifetime=600, request="x")
        assert len(ticket.id.split()) > 4
        self.wait(storage, ticket, paths, Recall.ON_DISK)
        storage.release(ticket.id, paths[:10])
        self.wait(storage, ticket, paths[:10], Recall.UNKNOWN)
        assert {one.state for one in storage.recalled(ticket.id, paths[10:]).values()} == {Recall.ON_DISK}

    def test_a_file_stays_on_disk_as_long_as_was_asked_for(self, storage):
        self.put_on_tape("raw/a", CONTENT)
        asked = time.time()
        ticket = storage.recall(["raw/a"], lifetime=1, request="x")
        pinned = self.wait(storage, ticket, ["raw/a"], Recall.ON_DISK)["raw/a"].pinned_until
        assert asked + 1 <= pinned <= time.time() + 1
        self.wait(storage, ticket, ["raw/a"], Recall.UNKNOWN)
        assert time.time() >= pinned
        assert storage.look(["raw/a"])["raw/a"].locality is Locality.TAPE

    def test_what_two_requests_want_stays_until_both_let_it_go(self, storage):
        self.put_on_tape("raw/a", CONTENT)
        first, second = (storage.recall(["raw/a"], lifetime=600, request=name) for name in "xy")
        self.wait(storage, second, ["raw/a"], Recall.ON_DISK)
        storage.release(first.id, ["raw/a"])
        assert storage.look(["raw/a"])["raw/a"].locality is Locality.DISK_AND_TAPE
        storage.release(second.id, ["raw/a"])
        self.wait(storage, second, ["raw/a"], Recall.UNKNOWN)
        assert storage.look(["raw/a"])["raw/a"].locality is Locality.TAPE

    def test_a_killed_robot_goes_on_where_it_was(self, storage):
        paths = [f"raw/{number}" for number in range(40)]
        for path in paths:
            self.put_on_tape(path, CONTENT)
        ticket = storage.recall(paths, lifetime=600, request="x")
        self.tape.robot_kill()
        asked_in_vain = opened(self.tape.root, accepting=0.2).recall(["raw/0"], lifetime=600, request="y")
        self.tape.robot_start()
        self.wait(storage, ticket, paths, Recall.ON_DISK)
        self.wait(storage, asked_in_vain, ["raw/0"], Recall.ON_DISK)
        assert list(self.tape.layout.passing.iterdir()) == []

    def test_a_file_that_is_renamed_on_tape_keeps_its_place(self, storage):
        self.put_on_tape("raw/a", CONTENT)
        assert self.tape.rename("/raw/a", "/raw/b") == 0
        assert set(storage.look(["raw/a", "raw/b"])) == {"raw/a", "raw/b"}
        assert storage.look(["raw/b"])["raw/b"] == Found(len(CONTENT), Locality.TAPE)
        assert [path for path, _ in storage.list_below("raw")] == ["raw/b"]


@pytest.mark.one_python
def test_what_is_stored_goes_to_tape_by_itself_and_then_leaves_the_disk():
    with running(migrate_after=0.1, keep=1.0) as tape:
        storage = opened(tape.root)
        assert tape.store("out/a", CONTENT) == 0
        seen = []
        deadline = time.monotonic() + 20
        while Locality.TAPE not in seen:
            assert time.monotonic() < deadline, seen
            seen.append(storage.look(["out/a"])["out/a"].locality)
        assert list(dict.fromkeys(seen)) in (
            [Locality.DISK, Locality.DISK_AND_TAPE, Locality.TAPE],
            [Locality.DISK_AND_TAPE, Locality.TAPE],
        )


@pytest.mark.one_python
def test_a_tape_that_cannot_be_read_is_told_and_drives_that_jam_only_take_longer():
    with running(unreadable=0.3, jammed=0.3, seed=5) as tape:
        storage = opened(tape.root)
        paths = [f"raw/{number % 3}/{number}" for number in range(30)]
        for path in paths:
            tape.put_on_tape(path, CONTENT)
        ticket = storage.recall(paths, lifetime=600, request="x")
        found = dict.fromkeys(ticket.refused, Recalled(Recall.FAILED, "the tape cannot be read"))
        kit = TestTapeStorage()
        found.update(kit.wait(storage, ticket, [p for p in paths if p not in found], Recall.ON_DISK, Recall.FAILED))
        failed = [path for path, one in found.items() if one.state is Recall.FAILED]
        assert 0 < len(failed) < 20
        assert {found[path].words for path in failed} == {"the tape cannot be read"}
        for attempt in range(10):  # asked again, each is read in the end
            again = storage.recall(failed, lifetime=600, request=f"x{attempt}")
            left = [path for path in failed if path not in again.refused]
            ended = kit.wait(storage, again, left, Recall.ON_DISK, Recall.FAILED)
            failed = [*again.refused, *(path for path, one in ended.items() if one.state is Recall.FAILED)]
            if not failed:
                break
        assert failed == []


@pytest.mark.one_python
def test_a_drive_out_of_service_keeps_nobody_waiting_but_the_last_one_does():
    with running(drives=2) as tape:
        storage = opened(tape.root)
        tape.put_on_tape("raw/a", CONTENT)
        tape.drive(0, "down")
        ticket = storage.recall(["raw/a"], lifetime=0.1, request="x")
        TestTapeStorage().wait(storage, ticket, ["raw/a"], Recall.UNKNOWN)
        tape.drive(1, "down")
        ticket = storage.recall(["raw/a"], lifetime=600, request="y")
        assert storage.recalled(ticket.id, ["raw/a"])["raw/a"].state is Recall.QUEUED
        tape.drive(1, "up")
        TestTapeStorage().wait(storage, ticket, ["raw/a"], Recall.ON_DISK)


@pytest.mark.one_python
def test_a_service_without_tapes_does_not_look_as_if_it_had_taken_a_request(xrootd):
    xrootd.put("no-tapes/a", CONTENT)
    storage = opened(f"{xrootd.root}/no-tapes", accepting=0.2)
    assert storage.look(["a"])["a"] == Found(len(CONTENT))
    ticket = storage.recall(["a"], lifetime=600, request="x")
    assert ticket.refused["a"].kind in (FaultKind.BUSY, FaultKind.FAILED)
    assert ticket.refused["a"].words


@pytest.mark.parametrize("count", [0, 1, 7, 8, 1000])
def test_groups_are_small_enough_and_each_file_is_found_by_its_name(count):
    paths = [f"raw/{number}" for number in range(count)]
    groups = grouped(paths, 8)
    assert sorted(path for group in groups for path in group) == sorted(paths)
    for index, group in enumerate(groups):
        assert len(group) <= 8
        assert {place_of(path, len(groups)) for path in group} <= {index}


def test_files_of_a_part_that_was_not_taken_belong_to_no_request():
    paths = [f"raw/{number}" for number in range(20)]
    first, second = ([path for path in paths if place_of(path, 2) == index] for index in (0, 1))
    assert parts_of("id -", paths) == [("id", first)]
    assert parts_of("id1 id2", paths) == [("id1", first), ("id2", second)]
    assert parts_of("", paths) == []


SAID = {"path_exists": True, "on_tape": True, "online": False, "requested": True, "has_reqid": True, "error_text": ""}


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (SAID, Recalled(Recall.QUEUED)),
        ({**SAID, "online": True}, Recalled(Recall.ON_DISK)),
        ({**SAID, "online": 1, "pin": 5}, Recalled(Recall.ON_DISK, pinned_until=5.0)),
        ({**SAID, "error_text": "no drive"}, Recalled(Recall.FAILED, "no drive")),
        ({**SAID, "error_text": "no drive", "online": "true"}, Recalled(Recall.ON_DISK)),
        ({**SAID, "path_exists": False}, Recalled(Recall.FAILED, "the storage does not have it any more")),
        ({**SAID, "path_exists": 0, "error_text": "USER ERROR"}, Recalled(Recall.FAILED, "USER ERROR")),
        ({**SAID, "has_reqid": False}, Recalled(Recall.UNKNOWN, "the service does not know the request any more")),
        (None, Recalled(Recall.UNKNOWN, "the service does not know the request")),
        ({"kind": "failed", "words": "w"}, Recalled(Recall.UNKNOWN, "w")),
    ],
)
def test_what_the_service_says_of_a_file_is_read(said, meant):
    assert read_recalled(said) == meant


def test_a_storage_with_tapes_is_one_of_the_registrys():
    from server.storage.registry import registry

    data = {"type": "DATATAPE", "arprotocols": {"r": [{"endpoint": "root://cta:1094", "path": "/a"}]}}
    assert isinstance(registry().open_tape("CTA", data), Tape)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"files_per_request": 0}, "files_per_request: 0 is less than 1"),
        ({"accepting": -1}, "accepting: -1.* is no time from 0"),
        ({"lifetime_key": "a b&"}, "lifetime_key: 'a b&' is no word, such as pin"),
        ({"patience": 0}, "patience: 0.* is no time above 0"),
    ],
)
def test_options_that_cannot_be_are_refused(options, said):
    with pytest.raises(StorageMisconfigured, match=f"storage TAPE: {said}"):
        opened("root://cta//a", **options)
