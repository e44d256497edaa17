"""What everybody who copies from storage to storage promises, as tests to inherit; against the real thing."""

from __future__ import annotations

import time
import zlib
from collections.abc import Mapping

import pytest

from server.storage.base import Copied, Copy, CopyState, Mover

CONTENT = b"COMPASS " * 1000
SUM = f"adler32:{zlib.adler32(CONTENT):08x}"
ENDED = (CopyState.DONE, CopyState.FAILED)


class MoverKit:
    """Inherit, and override `mover`, `put`, `get`, `names`, `source` and `target`; all others are the contract."""

    #: Seconds within which a small file is copied.
    patience = 40.0

    @pytest.fixture
    def mover(self) -> Mover:
        raise NotImplementedError

    def put(self, name: str, content: bytes) -> None:
        """Let a file lie at the source."""
        raise NotImplementedError

    def put_there(self, name: str, content: bytes) -> None:
        """Let a file lie at the target."""
        raise NotImplementedError

    def get(self, name: str) -> bytes:
        """Answer what lies at the target."""
        raise NotImplementedError

    def names(self) -> list[str]:
        """Answer the names of all files at the target, in order."""
        raise NotImplementedError

    def source(self, name: str) -> str:
        raise NotImplementedError

    def target(self, name: str) -> str:
        raise NotImplementedError

    def copy(self, name: str, **expected) -> Copy:
        return Copy(self.source(name), self.target(name), **expected)

    def wait(self, mover: Mover, request: str) -> Mapping[str, Copied]:
        """Ask until all copies of a request have ended."""
        deadline = time.monotonic() + self.patience
        while True:
            found = mover.status(request)
            if found and all(one.state in ENDED for one in found.values()):
                return found
            assert time.monotonic() < deadline, found
            time.sleep(0.05)  # movers are asked, they do not call

    def test_files_are_copied_and_verified(self, mover):
        for name in ("a", "folder/b", "empty"):
            self.put(name, CONTENT if name != "empty" else b"")
        copies = [self.copy("a", size=len(CONTENT), checksum=SUM), self.copy("folder/b"), self.copy("empty")]
        request = mover.submit(copies, request="task 1/7")
        found = self.wait(mover, request)
        done = Copied(CopyState.DONE, len(CONTENT), "", SUM)
        empty = Copied(CopyState.DONE, 0, "", "adler32:00000001")
        expected = {self.target("a"): done, self.target("folder/b"): done, self.target("empty"): empty}
        assert found == expected, found
        assert self.names() == ["a", "empty", "folder/b"]
        assert self.get("folder/b") == CONTENT

    def test_the_same_request_again_is_not_begun_again(self, mover):
        self.put("a", CONTENT)
        first = mover.submit([self.copy("a")], request="twice")
        self.wait(mover, first)
        self.put("b", CONTENT)
        assert mover.submit([self.copy("b")], request="twice") == first
        assert list(mover.status(first)) == [self.target("a")]
        assert self.names() == ["a"]

    def test_a_source_that_is_absent_is_told_and_does_not_keep_the_others(self, mover):
        self.put("a", CONTENT)
        found = self.wait(mover, mover.submit([self.copy("gone"), self.copy("a")], request="absent"))
        assert found[self.target("gone")].state is CopyState.FAILED
        assert "absent" in found[self.target("gone")].words
        assert found[self.target("a")].state is CopyState.DONE
        assert self.names() == ["a"]

    @pytest.mark.parametrize(
        ("expected", "words"), [({"size": 7}, "size differs"), ({"checksum": "adler32:00000007"}, "checksum differs")]
    )
    def test_what_is_not_what_was_expected_does_not_get_its_name(self, mover, expected, words):
        self.put("a", CONTENT)
        (found,) = self.wait(mover, mover.submit([self.copy("a", **expected)], request=words)).values()
        assert found.state is CopyState.FAILED
        assert words in found.words
        assert self.names() == []

    def test_another_file_that_is_there_stays_and_is_told(self, mover):
        self.put("a", CONTENT)
        self.put_there("a", b"something else")
        (found,) = self.wait(mover, mover.submit([self.copy("a")], request="taken")).values()
        assert found.state is CopyState.FAILED
        assert "there is another file" in found.words
        assert self.get("a") == b"something else"

    def test_a_copy_that_is_there_already_is_done(self, mover):
        self.put("a", CONTENT)
        self.put_there("a", CONTENT)
        (found,) = self.wait(mover, mover.submit([self.copy("a")], request="there")).values()
        assert found.state is CopyState.DONE

    def test_of_a_request_that_is_not_known_nothing_is_said(self, mover):
        assert mover.status("never-made") == {}
        mover.cancel("never-made")
        assert mover.status("never-made") == {}
