"""What every storage of the server promises, as tests to inherit. They run against the real thing.

Inherit `StorageKit`, and say how files get there and how the service is made to fail. Faults that each storage brings
about in its own way are tested beside it.
"""

from __future__ import annotations

import zlib
from contextlib import AbstractContextManager

import pytest

from server.storage.base import Fault, FaultKind, Found, Locality, Storage, StorageUnavailable

CONTENT = b"COMPASS " * 1000
SUM = f"adler32:{zlib.adler32(CONTENT):08x}"


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
        with self.unavailable():
            for ask in (
                lambda: storage.look(["a", "gone"]),
                lambda: storage.remove(["gone"]),
                lambda: list(storage.list_below("")),
            ):
                with pytest.raises(StorageUnavailable, match=r"\w"):
                    ask()
        assert storage.look(["a"])["a"].size == len(CONTENT)
