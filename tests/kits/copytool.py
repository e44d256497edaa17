"""What every copy tool must do. Inherit `CopyToolKit`, say how the storage is reached, and run it.

Faults that every storage brings about in its own way (full, forbidden, unreachable) are tested beside the tool.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from pilot.copytool.base import Cancel, CopyCancelled, CopyFailed, CopyTool, Deadline, FailureKind, Transfer

CONTENT = b"COMPASS " * 1000
SUM = f"adler32:{zlib.adler32(CONTENT):08x}"


class CopyToolKit:
    """Inherit, and override `tool`, `url` and, where the storage is no folder of this machine, `put` and `get`."""

    #: Bytes of a file whose copying can be given up half-way.
    LARGE = 8 * 2**20

    @pytest.fixture
    def tool(self) -> CopyTool:
        raise NotImplementedError

    @pytest.fixture
    def storage(self, tmp_path: Path) -> Path:
        folder = tmp_path / "storage"
        folder.mkdir()
        return folder

    def url(self, storage: Path, name: str) -> str:
        """Say how the tool reaches a file of the storage."""
        return f"file://{storage / name}"

    def put(self, storage: Path, name: str, content: bytes) -> None:
        """Let a file lie on the storage."""
        (storage / name).parent.mkdir(parents=True, exist_ok=True)
        (storage / name).write_bytes(content)

    def get(self, storage: Path, name: str) -> bytes:
        """Answer what lies on the storage."""
        return (storage / name).read_bytes()

    def fetch(self, tool, source, target, deadline=None, cancel=None):
        return tool.copy(
            Transfer("f", source, f"file://{target}"), deadline or Deadline(30), Cancel() if cancel is None else cancel
        )

    def test_a_file_is_fetched_whole(self, tool, storage, tmp_path):
        self.put(storage, "a", CONTENT)
        facts = self.fetch(tool, self.url(storage, "a"), tmp_path / "here")
        assert (tmp_path / "here").read_bytes() == CONTENT
        assert facts.size == len(CONTENT)
        assert facts.checksum in (None, SUM)

    def test_a_file_is_stored_whole_in_folders_that_are_made(self, tool, storage, tmp_path):
        (tmp_path / "here").write_bytes(CONTENT)
        transfer = Transfer("f", f"file://{tmp_path / 'here'}", self.url(storage, "new/folder/a"))
        assert tool.copy(transfer, Deadline(30), Cancel()).size == len(CONTENT)
        assert self.get(storage, "new/folder/a") == CONTENT

    def test_an_empty_file_is_a_file(self, tool, storage, tmp_path):
        self.put(storage, "empty", b"")
        assert self.fetch(tool, self.url(storage, "empty"), tmp_path / "here").size == 0
        assert (tmp_path / "here").read_bytes() == b""

    def test_what_an_earlier_try_left_at_the_target_is_replaced(self, tool, storage, tmp_path):
        self.put(storage, "a", CONTENT)
        (tmp_path / "here").write_bytes(b"x" * (len(CONTENT) + 1))
        self.fetch(tool, self.url(storage, "a"), tmp_path / "here")
        assert (tmp_path / "here").read_bytes() == CONTENT

    def test_a_missing_source_is_told_as_such(self, tool, storage, tmp_path):
        with pytest.raises(CopyFailed) as caught:
            self.fetch(tool, self.url(storage, "gone"), tmp_path / "here")
        assert caught.value.kind is FailureKind.NO_SUCH_FILE
        assert "gone" in caught.value.words
        assert not (tmp_path / "here").exists()

    def test_a_copy_is_not_begun_when_its_time_is_up(self, tool, storage, tmp_path):
        self.put(storage, "a", b"x" * self.LARGE)
        with pytest.raises(CopyFailed) as caught:
            self.fetch(tool, self.url(storage, "a"), tmp_path / "here", Deadline(0))
        assert caught.value.kind is FailureKind.TIMEOUT

    def test_a_copy_is_given_up_when_that_is_asked_for(self, tool, storage, tmp_path):
        self.put(storage, "a", b"x" * self.LARGE)
        cancel = Cancel()
        cancel.ask()
        with pytest.raises(CopyCancelled):
            self.fetch(tool, self.url(storage, "a"), tmp_path / "here", cancel=cancel)

    def test_stat_tells_the_size_or_that_nothing_is_there(self, tool, storage):
        self.put(storage, "a", CONTENT)
        assert tool.stat(self.url(storage, "a"), Deadline(30)).size == len(CONTENT)
        assert tool.stat(self.url(storage, "gone"), Deadline(30)) is None
        assert tool.stat(self.url(storage, "no/such/folder"), Deadline(30)) is None

    @pytest.mark.parametrize("algorithm", ["adler32", "md5"])
    def test_a_checksum_is_told_with_its_algorithm(self, tool, storage, algorithm):
        self.put(storage, "a", CONTENT)
        expected = {"adler32": SUM, "md5": "md5:f08eeede3b7d2a99ca13af9a49685d6a"}
        assert tool.checksum(self.url(storage, "a"), algorithm, Deadline(30)) == expected[algorithm]

    def test_the_checksum_of_what_is_not_there_is_a_failure(self, tool, storage):
        with pytest.raises(CopyFailed) as caught:
            tool.checksum(self.url(storage, "gone"), "adler32", Deadline(30))
        assert caught.value.kind is FailureKind.NO_SUCH_FILE

    def test_a_file_gets_another_name(self, tool, storage):
        self.put(storage, "a.part", CONTENT)
        tool.rename(self.url(storage, "a.part"), self.url(storage, "a"), Deadline(30))
        assert self.get(storage, "a") == CONTENT
        assert tool.stat(self.url(storage, "a.part"), Deadline(30)) is None

    def test_a_name_that_is_taken_is_not_given_again(self, tool, storage):
        self.put(storage, "a.part", CONTENT)
        self.put(storage, "a", b"older")
        with pytest.raises(CopyFailed) as caught:
            tool.rename(self.url(storage, "a.part"), self.url(storage, "a"), Deadline(30))
        assert caught.value.kind is FailureKind.EXISTS
        assert self.get(storage, "a") == b"older"

    def test_a_file_is_removed_and_one_that_is_gone_is_no_failure(self, tool, storage):
        self.put(storage, "a", CONTENT)
        tool.remove(self.url(storage, "a"), Deadline(30))
        tool.remove(self.url(storage, "a"), Deadline(30))
        assert tool.stat(self.url(storage, "a"), Deadline(30)) is None
