"""What every copy tool must do. Inherit `CopyToolKit`, say how the storage is reached, and run it.

A tool for storages with a server inherits `ServedCopyToolKit`, which lets that server hang and die, too. What cannot
happen to a tool or on its storage is told in ``CANNOT``, with the reason; nothing else is left out.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest

from pilot.copytool.base import Cancel, CopyCancelled, CopyFailed, CopyTool, Deadline, FailureKind, Transfer
from pilot.errors import JobFailed

CONTENT = b"COMPASS " * 1000
SUM = f"adler32:{zlib.adler32(CONTENT):08x}"
#: Its adler32 begins with a zero, and is not cut short.
ZERO = b"content"
#: What people give files for names.
NAMES = ("a b", "a%20b", "a#b", "a?b", "ü", "-a", "a'b\"c", "a&b;c=$d", "a+b@c,d", "a:b")
#: Seconds for what is expected to happen.
PATIENCE = 20.0


def until(met: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until something is so; whoever makes it so tells nobody."""
    end, looked = time.monotonic() + seconds, threading.Event()
    while not met():
        assert time.monotonic() < end, "it did not become so"
        looked.wait(0.02)


class Doing(threading.Thread):
    """Something that goes on meanwhile. ``failure`` is how it failed, ``took`` how many seconds it took."""

    def __init__(self, act: Callable[..., object], *arguments: Any) -> None:
        super().__init__(daemon=True)
        self._act, self._arguments = act, arguments
        self.failure: CopyFailed | CopyCancelled | JobFailed | None = None
        self.took = 0.0
        self.start()

    def run(self) -> None:
        begun = time.monotonic()
        try:
            self._act(*self._arguments)
        except (CopyFailed, CopyCancelled, JobFailed) as failed:
            self.failure = failed
        self.took = time.monotonic() - begun

    def end(self, seconds: float = PATIENCE) -> CopyFailed | CopyCancelled | JobFailed | None:
        self.join(seconds)
        assert not self.is_alive(), "it goes on"
        return self.failure


class CopyToolKit:
    """Inherit, and override `tool`, `url` and, where the storage is no folder of this machine, what is below it."""

    #: Bytes of a file whose copying can be given up half-way; of no whole number of blocks.
    LARGE = 8 * 2**20 + 17
    #: Tests that are not made, by their names (of all parameters, or with one: ``test_it[a?b]``), and why.
    CANNOT: ClassVar[Mapping[str, str]] = {}

    @pytest.fixture
    def tool(self) -> CopyTool:
        raise NotImplementedError

    @pytest.fixture
    def storage(self, tmp_path: Path) -> Path:
        folder = tmp_path / "storage"
        folder.mkdir()
        return folder

    def url(self, storage: Any, name: str) -> str:
        """Say how the tool reaches a file of the storage; names are not encoded in what the pilot calls a URL."""
        return f"file://{storage / name}"

    def put(self, storage: Any, name: str, content: bytes) -> None:
        """Let a file lie on the storage."""
        (storage / name).parent.mkdir(parents=True, exist_ok=True)
        (storage / name).write_bytes(content)

    def get(self, storage: Any, name: str) -> bytes:
        """Answer what lies on the storage."""
        return (storage / name).read_bytes()

    def names(self, storage: Any) -> Sequence[str]:
        """Answer the names of all files that lie on the storage, in order."""
        return sorted(str(path.relative_to(storage)) for path in storage.rglob("*") if not path.is_dir())

    @pytest.fixture(autouse=True)
    def _can_happen(self, request: pytest.FixtureRequest) -> None:
        for name in (request.node.name, request.node.originalname):
            if name in self.CANNOT:
                pytest.skip(f"cannot happen here: {self.CANNOT[name]}")

    def test_what_cannot_happen_here_is_told_of_tests_that_there_are(self):
        assert [name for name in self.CANNOT if not hasattr(self, name.partition("[")[0])] == []
        assert all(self.CANNOT.values())

    def fetch(self, tool, source, target, deadline=None, cancel=None):
        transfer = Transfer(source.rpartition("/")[2], source, f"file://{target}")
        return tool.copy(transfer, deadline or Deadline(30), Cancel() if cancel is None else cancel)

    def store(self, tool, source, target, deadline=None, cancel=None):
        transfer = Transfer(source.name, f"file://{source}", target)
        return tool.copy(transfer, deadline or Deadline(30), Cancel() if cancel is None else cancel)

    def test_a_file_is_fetched_whole(self, tool, storage, tmp_path):
        self.put(storage, "a", CONTENT)
        facts = self.fetch(tool, self.url(storage, "a"), tmp_path / "here")
        assert (tmp_path / "here").read_bytes() == CONTENT
        assert facts.size == len(CONTENT)
        assert facts.checksum in (None, SUM)

    def test_a_file_is_stored_whole_in_folders_that_are_made(self, tool, storage, tmp_path):
        (tmp_path / "here").write_bytes(CONTENT)
        facts = self.store(tool, tmp_path / "here", self.url(storage, "new/folder/a"))
        assert self.get(storage, "new/folder/a") == CONTENT
        assert facts.size == len(CONTENT)
        assert facts.checksum in (None, SUM)

    def test_a_file_of_many_blocks_is_the_same_at_both_ends(self, tool, storage, tmp_path):
        content = random.Random(1).randbytes(self.LARGE)
        sums = {"adler32": f"{zlib.adler32(content):08x}", "md5": hashlib.md5(content).hexdigest()}
        (tmp_path / "here").write_bytes(content)
        url = self.url(storage, "large")
        stored = self.store(tool, tmp_path / "here", url)
        assert stored.size == self.LARGE == tool.stat(url, Deadline(30)).size
        assert stored.checksum in (None, f"adler32:{sums['adler32']}")
        assert tool.checksum(url, "adler32", Deadline(30)) == f"adler32:{sums['adler32']}"
        assert tool.checksum(url, "md5", Deadline(30)) == f"md5:{sums['md5']}"
        fetched = self.fetch(tool, url, tmp_path / "back")
        assert fetched.size == self.LARGE
        assert fetched.checksum in (None, f"adler32:{sums['adler32']}")
        assert (tmp_path / "back").read_bytes() == content

    def test_an_empty_file_is_a_file(self, tool, storage, tmp_path):
        self.put(storage, "empty", b"")
        assert self.fetch(tool, self.url(storage, "empty"), tmp_path / "here").size == 0
        assert (tmp_path / "here").read_bytes() == b""

    def test_an_empty_file_is_stored(self, tool, storage, tmp_path):
        (tmp_path / "here").touch()
        assert self.store(tool, tmp_path / "here", self.url(storage, "empty")).size == 0
        assert self.get(storage, "empty") == b""
        assert tool.stat(self.url(storage, "empty"), Deadline(30)).size == 0

    @pytest.mark.parametrize("name", NAMES)
    def test_a_name_is_taken_as_it_is(self, tool, storage, tmp_path, name):
        (tmp_path / name).write_bytes(ZERO)
        self.store(tool, tmp_path / name, self.url(storage, name))
        assert self.names(storage) == [name]
        assert tool.stat(self.url(storage, name), Deadline(30)).size == len(ZERO)
        assert tool.checksum(self.url(storage, name), "adler32", Deadline(30)) == "adler32:0bcb02fc"
        (tmp_path / "back").mkdir()
        self.fetch(tool, self.url(storage, name), tmp_path / "back" / name)
        assert (tmp_path / "back" / name).read_bytes() == ZERO
        tool.rename(self.url(storage, name), self.url(storage, f"{name}.2"), Deadline(30))
        assert self.names(storage) == [f"{name}.2"]
        tool.remove(self.url(storage, f"{name}.2"), Deadline(30))
        assert self.names(storage) == []

    def test_what_an_earlier_try_left_at_the_target_is_replaced(self, tool, storage, tmp_path):
        self.put(storage, "a", CONTENT)
        (tmp_path / "here").write_bytes(b"x" * (len(CONTENT) + 1))
        self.fetch(tool, self.url(storage, "a"), tmp_path / "here")
        assert (tmp_path / "here").read_bytes() == CONTENT

    def test_what_an_earlier_try_left_on_the_storage_is_replaced(self, tool, storage, tmp_path):
        self.put(storage, "a.part", b"x" * (len(CONTENT) + 1))
        (tmp_path / "here").write_bytes(CONTENT)
        self.store(tool, tmp_path / "here", self.url(storage, "a.part"))
        assert self.get(storage, "a.part") == CONTENT
        assert tool.stat(self.url(storage, "a.part"), Deadline(30)).size == len(CONTENT)
        assert tool.checksum(self.url(storage, "a.part"), "adler32", Deadline(30)) == SUM

    def test_a_missing_source_is_told_as_such(self, tool, storage, tmp_path):
        with pytest.raises(CopyFailed) as caught:
            self.fetch(tool, self.url(storage, "gone"), tmp_path / "here")
        assert caught.value.kind is FailureKind.NO_SUCH_FILE
        assert "gone" in caught.value.words
        assert not (tmp_path / "here").exists()

    @pytest.mark.parametrize("what", ["nothing", "a dangling link"])
    def test_what_is_not_here_is_not_stored(self, tool, storage, tmp_path, what):
        if what == "a dangling link":
            (tmp_path / "here").symlink_to(tmp_path / "gone")
        with pytest.raises(CopyFailed) as caught:
            self.store(tool, tmp_path / "here", self.url(storage, "a"))
        assert caught.value.kind is FailureKind.NO_SUCH_FILE
        assert caught.value.words
        assert self.names(storage) == []

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

    def test_a_folder_is_not_a_file(self, tool, storage):
        self.put(storage, "folder/a", CONTENT)
        with pytest.raises(CopyFailed) as caught:
            tool.stat(self.url(storage, "folder"), Deadline(30))
        assert caught.value.kind is FailureKind.EXISTS

    @pytest.mark.parametrize("algorithm", ["adler32", "md5"])
    def test_a_checksum_is_told_with_its_algorithm(self, tool, storage, algorithm):
        self.put(storage, "a", CONTENT)
        expected = {"adler32": SUM, "md5": "md5:f08eeede3b7d2a99ca13af9a49685d6a"}
        assert tool.checksum(self.url(storage, "a"), algorithm, Deadline(30)) == expected[algorithm]

    def test_zeros_at_the_beginning_of_a_checksum_are_kept(self, tool, storage, tmp_path):
        self.put(storage, "a", ZERO)
        assert tool.checksum(self.url(storage, "a"), "adler32", Deadline(30)) == "adler32:0bcb02fc"
        assert self.fetch(tool, self.url(storage, "a"), tmp_path / "here").checksum in (None, "adler32:0bcb02fc")
        assert self.store(tool, tmp_path / "here", self.url(storage, "b")).checksum in (None, "adler32:0bcb02fc")

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

    def test_what_is_not_there_gets_no_other_name(self, tool, storage):
        with pytest.raises(CopyFailed) as caught:
            tool.rename(self.url(storage, "gone"), self.url(storage, "a"), Deadline(30))
        assert caught.value.kind is FailureKind.NO_SUCH_FILE
        assert self.names(storage) == []

    def test_a_file_is_removed_and_one_that_is_gone_is_no_failure(self, tool, storage):
        self.put(storage, "a", CONTENT)
        tool.remove(self.url(storage, "a"), Deadline(30))
        tool.remove(self.url(storage, "a"), Deadline(30))
        assert tool.stat(self.url(storage, "a"), Deadline(30)) is None

    def test_several_threads_copy_at_once(self, tool, storage, tmp_path):
        contents = {f"f{number}": str(number).encode() * 1000 for number in range(6)}
        threads = []
        for name, content in contents.items():
            if int(name[1:]) % 2:
                (tmp_path / name).write_bytes(content)
                threads.append(Doing(self.store, tool, tmp_path / name, self.url(storage, name)))
            else:
                self.put(storage, name, content)
                threads.append(Doing(self.fetch, tool, self.url(storage, name), tmp_path / name))
        assert [thread.end(60) for thread in threads] == [None] * len(threads)
        assert {name: (tmp_path / name).read_bytes() for name in contents} == contents
        assert {name: self.get(storage, name) for name in contents} == contents


class ServedCopyToolKit(CopyToolKit):
    """For a storage with a server. Inherit, and say how that is stopped, goes on, is killed and is started again."""

    #: Seconds that a copy may take here at most, in the tests of time that is up.
    SHORT = 1.0
    #: Seconds that may pass beyond those until a copy has given up.
    GRACE = 4.0
    #: Bytes of a file that takes long to copy; no disk has them.
    ENDLESS = 20 * 2**30

    @contextlib.contextmanager
    def frozen(self, storage: Any) -> Iterator[None]:
        """Have the server hang: it keeps its connections, and answers nothing (SIGSTOP)."""
        raise NotImplementedError
        yield

    def kill(self, storage: Any) -> None:
        """Have the server die (SIGKILL)."""
        raise NotImplementedError

    def restart(self, storage: Any) -> None:
        """Start the server again, with what it had, at the same address."""
        raise NotImplementedError

    def put_endless(self, storage: Any, name: str) -> None:
        """Let a file of `ENDLESS` bytes lie on the storage, which take no space."""
        self.put(storage, name, b"")
        os.truncate(storage / name, self.ENDLESS)

    def unreachable(self, storage: Any, name: str) -> str:
        """Answer the URL of a file on a server that is not there: a port where nobody listens."""
        raise NotImplementedError

    def forbidden(self, storage: Any, name: str) -> str:
        """Answer the URL of a file that may not be written: its folder is somebody else's."""
        raise NotImplementedError

    @pytest.fixture
    def nothing_is_left(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """See to it that of what was begun here no process runs any more, and no temporary file lies about.

        Processes that are kept for the next call are not begun, and end when they have had nothing to do.
        """
        temporary = tmp_path / "temporary"
        temporary.mkdir()
        monkeypatch.setenv("COMPASS_TESTS_KIT", str(tmp_path))
        monkeypatch.setenv("TMPDIR", str(temporary))
        monkeypatch.setattr(tempfile, "tempdir", str(temporary))
        yield
        until(lambda: _begun_with("COMPASS_TESTS_KIT", str(tmp_path)) == [])
        assert [path.name for path in temporary.rglob("*") if not path.is_dir()] == []

    def clean(self, tool: CopyTool, storage: Any, names: Sequence[str]) -> None:
        """Remove what a copy that failed may leave at its target, until nothing else than ``names`` is there."""

        def met() -> bool:
            tool.remove(self.url(storage, "half.part"), Deadline(30))
            return self.names(storage) == names

        until(met)

    def test_what_a_server_that_hangs_is_asked_for_ends_in_time(self, tool, storage, tmp_path, nothing_is_left):
        for name in ("a", "b", "c", "d"):
            self.put(storage, name, CONTENT)
        (tmp_path / "here").write_bytes(CONTENT)
        a, b, c, d = (self.url(storage, name) for name in ("a", "b", "c", "d"))
        half, new = self.url(storage, "half.part"), self.url(storage, "new")
        with self.frozen(storage):
            threads = {
                "fetch": Doing(self.fetch, tool, a, tmp_path / "half", Deadline(self.SHORT)),
                "store": Doing(self.store, tool, tmp_path / "here", half, Deadline(self.SHORT)),
                "stat": Doing(tool.stat, b, Deadline(self.SHORT)),
                "checksum": Doing(tool.checksum, b, "adler32", Deadline(self.SHORT)),
                "rename": Doing(tool.rename, c, new, Deadline(self.SHORT)),
                "remove": Doing(tool.remove, d, Deadline(self.SHORT)),
            }
            failures = {what: thread.end() for what, thread in threads.items()}
        assert {what: getattr(failed, "kind", failed) for what, failed in failures.items()} == dict.fromkeys(
            threads, FailureKind.TIMEOUT
        )
        assert all(failed.words for failed in failures.values() if isinstance(failed, CopyFailed))
        assert {what: thread.took for what, thread in threads.items() if thread.took > self.SHORT + self.GRACE} == {}
        until(lambda: tool.stat(b, Deadline(30)))
        known = [name for name in self.names(storage) if name in ("a", "b", "c", "d", "new")]  # asked, it may yet do it
        self.clean(tool, storage, known)

    def test_copies_end_at_once_when_that_is_asked_for(self, tool, storage, tmp_path, nothing_is_left):
        self.put(storage, "a", CONTENT)
        (tmp_path / "here").write_bytes(CONTENT)
        half = self.url(storage, "half.part")
        with self.frozen(storage):
            cancel = Cancel()
            threads = [
                Doing(self.fetch, tool, self.url(storage, "a"), tmp_path / "half", Deadline(60), cancel),
                Doing(self.store, tool, tmp_path / "here", half, Deadline(60), cancel),
            ]
            assert not threading.Event().wait(0.3)
            assert all(thread.is_alive() for thread in threads)
            asked = time.monotonic()
            cancel.ask()
            failures = [thread.end() for thread in threads]
            took = time.monotonic() - asked
        assert [type(failed) for failed in failures] == [CopyCancelled] * 2
        assert took < 30
        until(lambda: tool.stat(self.url(storage, "a"), Deadline(30)))
        self.clean(tool, storage, ["a"])

    @pytest.mark.parametrize("end", ["is asked for", "is due"])
    def test_a_copy_that_is_given_up_half_way_leaves_nothing_that_stays(
        self, tool, storage, tmp_path, nothing_is_left, end
    ):
        (tmp_path / "here").touch()
        os.truncate(tmp_path / "here", self.ENDLESS)
        cancel, half = Cancel(), self.url(storage, "half.part")
        deadline = Deadline(60 if end == "is asked for" else self.SHORT)
        storing = Doing(self.store, tool, tmp_path / "here", half, deadline, cancel)
        if end == "is asked for":
            until(lambda: not storing.is_alive() or self.begun(storage))
            assert storing.is_alive()
            cancel.ask()
        failed = storing.end()
        assert getattr(failed, "kind", failed.__class__) is (CopyCancelled if cancel else FailureKind.TIMEOUT), failed
        self.clean(tool, storage, [])

    def begun(self, storage: Any) -> bool:
        """Say whether bytes of a file that is being stored have arrived."""
        return bool(self.names(storage))

    @pytest.mark.parametrize("way", ["in", "out"])
    def test_a_server_that_dies_is_told_as_unreachable_and_what_it_has_is_removed_later(
        self, tool, storage, tmp_path, way
    ):
        here, half = tmp_path / "here", self.url(storage, "half.part")
        if way == "in":
            self.put_endless(storage, "a")
            copying = Doing(self.fetch, tool, self.url(storage, "a"), here, Deadline(60))
            until(lambda: not copying.is_alive() or any(tmp_path.glob("here*")))
        else:
            here.touch()
            os.truncate(here, self.ENDLESS)
            copying = Doing(self.store, tool, here, half, Deadline(60))
            until(lambda: not copying.is_alive() or self.begun(storage))
        assert copying.is_alive()
        self.kill(storage)
        try:
            failed = copying.end(60)
        finally:
            self.restart(storage)
        assert isinstance(failed, CopyFailed)
        assert failed.kind in (FailureKind.UNREACHABLE, FailureKind.TIMEOUT), failed.words
        assert failed.words
        self.clean(tool, storage, ["a"] if way == "in" else [])

    def test_a_server_that_is_not_there_is_told_as_unreachable(self, tool, storage, tmp_path):
        (tmp_path / "here").write_bytes(CONTENT)
        url = self.unreachable(storage, "a")
        threads = [
            Doing(self.fetch, tool, url, tmp_path / "back", Deadline(30)),
            Doing(self.store, tool, tmp_path / "here", url, Deadline(30)),
            Doing(tool.stat, url, Deadline(30)),
            Doing(tool.checksum, url, "adler32", Deadline(30)),
            Doing(tool.remove, url, Deadline(30)),
        ]
        failures = [thread.end(60) for thread in threads]
        assert [getattr(failed, "kind", failed) for failed in failures] == [FailureKind.UNREACHABLE] * len(threads)
        assert max(thread.took for thread in threads) < 20

    def test_what_is_not_permitted_is_told_as_such(self, tool, storage, tmp_path):
        (tmp_path / "here").write_bytes(CONTENT)
        with pytest.raises(CopyFailed) as caught:
            self.store(tool, tmp_path / "here", self.forbidden(storage, "a"))
        assert caught.value.kind is FailureKind.PERMISSION
        assert caught.value.words


def _begun_with(variable: str, value: str) -> list[str]:
    """Answer the command lines of processes that have a variable, but for those that wait for the next call."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get(variable) == value:
                line = " ".join(process.cmdline())
                if line and "import apart" not in line:
                    found.append(line)
    return found
