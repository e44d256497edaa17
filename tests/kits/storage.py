"""What every storage of the server promises, as tests to inherit. They run against the real thing.

Inherit `StorageKit`, and say how files get there and how the service is made to fail. Faults that each storage brings
about in its own way are tested beside it.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import pytest

from server.storage.base import (
    Fault,
    FaultKind,
    Found,
    Locality,
    Recall,
    Recalled,
    Storage,
    StorageUnavailable,
    Tape,
    Ticket,
)

CONTENT = b"COMPASS " * 1000
SUM = f"adler32:{zlib.adler32(CONTENT):08x}"


def assert_that_none_answers(asks: Sequence[Callable[[], object]]) -> None:
    """Ask all at once, for each takes as long as it has patience."""
    with ThreadPoolExecutor(len(asks)) as pool:
        for told in [pool.submit(ask) for ask in asks]:
            with pytest.raises(StorageUnavailable, match=r"\w"):
                told.result()


class StorageKit:
    """Inherit, and override `storage`, `put`, `names` and `unavailable`; all others are the contract."""

    #: What a file is at once after it was put there.
    fresh = Locality.DISK

    @pytest.fixture
    def storage(self) -> Storage:
        raise NotImplementedError

    def put(self, path: str, content: bytes) -> None:
        """Let a file lie there."""
        raise NotImplementedError

    def names(self) -> list[str]:
        """Answer the paths of all files that lie there, in order, without asking the storage."""
        raise NotImplementedError

    def unavailable(self) -> AbstractContextManager[None]:
        """Have the service not answer for a while."""
        raise NotImplementedError

    def test_files_are_looked_at_many_at_a_time_each_with_its_size(self, storage):
        paths = [f"many/f{number}" for number in range(50)]
        for number, path in enumerate(paths):
            self.put(path, b"x" * number)
        found = storage.look(paths)
        assert found == {path: Found(number, self.fresh) for number, path in enumerate(paths)}

    def test_a_file_that_is_not_there_is_absent_and_the_others_are_told_all_the_same(self, storage):
        self.put("a", CONTENT)
        found = storage.look(["a", "gone", "no/such/folder/gone", "a/below/a/file"])
        assert found.pop("a") == Found(len(CONTENT), self.fresh)
        assert {path: fault.kind for path, fault in found.items()} == {
            "gone": FaultKind.ABSENT,
            "no/such/folder/gone": FaultKind.ABSENT,
            "a/below/a/file": FaultKind.ABSENT,
        }

    def test_an_empty_file_is_there(self, storage):
        self.put("empty", b"")
        assert storage.look(["empty"])["empty"].size == 0

    def test_a_checksum_is_told_when_it_is_asked_for(self, storage):
        self.put("a", CONTENT)
        self.put("empty", b"")
        found = storage.look(["a", "gone", "empty"], checksums=True)
        assert found["a"] == Found(len(CONTENT), self.fresh, SUM)
        assert found["empty"].checksum == "adler32:00000001"
        assert isinstance(found["gone"], Fault)

    def test_a_folder_is_no_file(self, storage):
        self.put("folder/a", CONTENT)
        assert storage.look(["folder"])["folder"].kind is FaultKind.FAILED

    @pytest.mark.parametrize("path", ["", "/etc/passwd", "../outside", "a/../../outside", "a//b", "./a", "a/", "a?b=c"])
    def test_no_path_leads_out_of_the_storage(self, storage, path):
        self.put("a", CONTENT)
        assert storage.look([path, "a"])[path].kind is FaultKind.FORBIDDEN
        assert storage.remove([path])[path].kind is FaultKind.FORBIDDEN
        assert self.names() == ["a"]

    def test_a_path_that_is_asked_for_twice_is_answered_once(self, storage):
        self.put("a", CONTENT)
        assert list(storage.look(["a", "a"])) == ["a"]

    def test_names_may_have_blanks_and_letters_of_any_script(self, storage):
        path = "a folder/µ+ 50 % &.root"
        self.put(path, CONTENT)
        assert storage.look([path])[path].size == len(CONTENT)
        assert [name for name, _ in storage.list_below("a folder")] == [path]
        assert storage.remove([path]) == {path: None}
        assert self.names() == []

    def test_nothing_is_asked_of_nothing(self, storage):
        assert storage.look([]) == {}
        assert storage.remove([]) == {}

    def test_what_is_removed_is_gone_and_what_was_not_there_is_gone_too(self, storage):
        for name in ("a", "folder/b", "stays"):
            self.put(name, CONTENT)
        assert storage.remove(["a", "folder/b", "never"]) == {"a": None, "folder/b": None, "never": None}
        assert self.names() == ["stays"]

    def test_a_folder_is_not_removed(self, storage):
        self.put("folder/a", CONTENT)
        assert storage.remove(["folder"])["folder"].kind in (FaultKind.FAILED, FaultKind.FORBIDDEN)
        assert self.names() == ["folder/a"]

    def test_the_files_below_a_folder_are_listed_however_deep(self, storage):
        for name in ("f/a", "f/g/b", "f/g/h/c", "elsewhere", "fa"):
            self.put(name, name.encode())
        assert dict(storage.list_below("f")) == {
            name: Found(len(name), self.fresh) for name in ("f/a", "f/g/b", "f/g/h/c")
        }
        assert sorted(name for name, _ in storage.list_below("")) == ["elsewhere", "f/a", "f/g/b", "f/g/h/c", "fa"]

    @pytest.mark.parametrize("folder", ["no/such/folder", "a", "../"])
    def test_below_what_is_no_folder_there_is_nothing(self, storage, folder):
        self.put("a", CONTENT)
        assert list(storage.list_below(folder)) == []

    def test_free_space_is_not_more_than_there_is_in_all(self, storage):
        space = storage.space()
        assert 0 <= space.free <= space.total

    def test_an_address_ends_with_the_path(self, storage):
        assert storage.url("folder/a").endswith("/folder/a")
        assert "://" in storage.url("a")

    def test_a_service_that_does_not_answer_is_told_from_files_that_are_not_there(self, storage):
        self.put("a", CONTENT)
        asks = (
            lambda: storage.look(["a", "gone"]),
            lambda: storage.remove(["gone"]),
            lambda: list(storage.list_below("")),
        )
        with self.unavailable():
            assert_that_none_answers(asks)
        assert storage.look(["a"])["a"].size == len(CONTENT)


class TapeKit(StorageKit):
    """Of a storage with tapes: inherit, and override what `StorageKit` wants, and `put_on_tape`.

    Files that are put there anew stay away from tape while a test runs.
    """

    #: Seconds within which a file comes from tape.
    patience = 30.0

    def put_on_tape(self, path: str, content: bytes) -> None:
        """Let a file lie on tape only."""
        raise NotImplementedError

    def wait(self, tape: Tape, ticket: Ticket, paths: Sequence[str], *states: Recall) -> Mapping[str, Recalled]:
        """Ask until all files are in one of these states."""
        deadline = time.monotonic() + self.patience
        while True:
            found = tape.recalled(ticket.id, paths)
            if {one.state for one in found.values()} <= set(states):
                return found
            assert time.monotonic() < deadline, found
            time.sleep(0.05)  # tape systems are asked, they do not call

    def test_a_file_that_is_on_tape_only_has_its_size_and_is_not_read_for_its_checksum(self, storage):
        self.put_on_tape("raw/a", CONTENT)
        assert storage.look(["raw/a"], checksums=True)["raw/a"] == Found(len(CONTENT), Locality.TAPE)
        assert dict(storage.list_below("raw")) == {"raw/a": Found(len(CONTENT), Locality.TAPE)}

    def test_a_recalled_file_comes_to_disk_and_stays_on_tape(self, storage):
        self.put_on_tape("raw/a", CONTENT)
        ticket = storage.recall(["raw/a"], lifetime=600, request="1")
        assert ticket.refused == {}
        self.wait(storage, ticket, ["raw/a"], Recall.ON_DISK)
        assert storage.look(["raw/a"], checksums=True)["raw/a"] == Found(len(CONTENT), Locality.DISK_AND_TAPE, SUM)

    def test_a_file_that_is_not_there_is_refused_and_does_not_keep_the_others(self, storage):
        self.put_on_tape("raw/a", CONTENT)
        paths = ["raw/a", "raw/gone", "../outside"]
        ticket = storage.recall(paths, lifetime=600, request="2")
        assert {path: fault.kind for path, fault in ticket.refused.items()} == {
            "raw/gone": FaultKind.ABSENT,
            "../outside": FaultKind.FORBIDDEN,
        }
        self.wait(storage, ticket, ["raw/a"], Recall.ON_DISK)

    def test_where_nothing_can_be_brought_nothing_is_asked_for(self, storage):
        ticket = storage.recall(["raw/gone"], lifetime=600, request="3")
        assert ticket.refused["raw/gone"].kind is FaultKind.ABSENT
        assert storage.recalled(ticket.id, ["raw/gone"])["raw/gone"].state in (Recall.UNKNOWN, Recall.FAILED)
        storage.release(ticket.id, ["raw/gone"])

    def test_a_hundred_files_are_brought_by_one_call(self, storage):
        paths = [f"raw/run{number % 5}/cdr{number}.raw" for number in range(100)]
        for path in paths:
            self.put_on_tape(path, path.encode())
        ticket = storage.recall(paths, lifetime=600, request="4")
        assert ticket.refused == {}
        self.wait(storage, ticket, paths, Recall.ON_DISK)
        assert {found.locality for found in storage.look(paths).values()} == {Locality.DISK_AND_TAPE}

    def test_what_is_on_disk_already_is_there_at_once(self, storage):
        self.put("new", CONTENT)
        ticket = storage.recall(["new"], lifetime=600, request="5")
        assert storage.recalled(ticket.id, ["new"])["new"].state is Recall.ON_DISK

    def test_the_same_request_again_is_no_failure(self, storage):
        self.put_on_tape("raw/a", CONTENT)
        tickets = [storage.recall(["raw/a"], lifetime=600, request="6") for _ in range(2)]
        for ticket in tickets:
            assert ticket.refused == {}
            self.wait(storage, ticket, ["raw/a"], Recall.ON_DISK)

    def test_a_request_that_nobody_made_is_unknown(self, storage):
        self.put_on_tape("raw/a", CONTENT)
        assert storage.recalled("never-made", ["raw/a"])["raw/a"].state is Recall.UNKNOWN

    def test_a_file_that_is_gone_from_a_request_is_told_as_failed(self, storage):
        self.put_on_tape("raw/a", CONTENT)
        ticket = storage.recall(["raw/a"], lifetime=600, request="7")
        self.wait(storage, ticket, ["raw/a"], Recall.ON_DISK)
        storage.remove(["raw/a"])
        gone = storage.recalled(ticket.id, ["raw/a"])["raw/a"]
        assert gone.state is Recall.FAILED
        assert gone.words

    def test_what_is_released_need_not_stay_on_disk(self, storage):
        self.put_on_tape("raw/a", CONTENT)
        ticket = storage.recall(["raw/a"], lifetime=600, request="8")
        self.wait(storage, ticket, ["raw/a"], Recall.ON_DISK)
        storage.release(ticket.id, ["raw/a"])
        self.wait(storage, ticket, ["raw/a"], Recall.UNKNOWN)
        assert storage.look(["raw/a"])["raw/a"] == Found(len(CONTENT), Locality.TAPE)
        storage.release(ticket.id, ["raw/a"])

    def test_a_service_that_does_not_answer_has_taken_nothing(self, storage):
        self.put_on_tape("raw/a", CONTENT)
        asks = (
            lambda: storage.recall(["raw/a"], lifetime=600, request="9"),
            lambda: storage.recalled("some-request", ["raw/a"]),
        )
        with self.unavailable():
            assert_that_none_answers(asks)
