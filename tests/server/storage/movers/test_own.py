"""Our own mover against real servers: the contract by each protocol, and what happens to it in the middle."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import tempfile
import time
import uuid
from pathlib import Path

import pytest

from server.storage.base import Copy, CopyState
from server.storage.movers.http import read_digest
from server.storage.movers.orders import Orders
from server.storage.movers.own import OwnMover
from tests.kits.movers import CONTENT, MoverKit


@pytest.fixture(scope="class")
def folder():
    """A mover's folder, whose service is ended when the tests of a class are over."""
    with tempfile.TemporaryDirectory(prefix="mover-", ignore_cleanup_errors=True) as name:
        yield Path(name)
        end_service(Path(name))


def end_service(folder: Path) -> None:
    """Kill a service by its number, as a power failure would, and wait until it is gone."""
    if not (folder / "pid").exists():
        return
    with contextlib.suppress(ProcessLookupError):
        service = os.pidfd_open(int((folder / "pid").read_text()))
        signal.pidfd_send_signal(service, signal.SIGKILL)
        assert select.select([service], [], [], 10)[0]
        os.close(service)


class FoldersOfAServer(MoverKit):
    """Two folders of the session's XRootD."""

    @pytest.fixture(autouse=True)
    def _folders(self, xrootd):
        self.server, self.base = xrootd, f"movers/{uuid.uuid4().hex[:8]}"
        self.there = xrootd.data / self.base / "there"
        for part in ("here", "there"):
            xrootd.put(f"{self.base}/{part}/x", b"").unlink()

    @pytest.fixture
    def mover(self, folder, monkeypatch):
        monkeypatch.setenv("X509_CERT_DIR", str(self.server.authority.hashed()))
        return OwnMover(folder, at_once=3, patience=30)

    @pytest.fixture
    def impatient(self, mover):
        """One that gives up soon; with a folder, and so with a service, of its own."""
        with tempfile.TemporaryDirectory(prefix="mover-", ignore_cleanup_errors=True) as name:
            yield OwnMover(Path(name), at_once=2, patience=1)
            end_service(Path(name))

    def put(self, name, content):
        self.server.put(f"{self.base}/here/{name}", content)

    def put_there(self, name, content):
        self.server.put(f"{self.base}/there/{name}", content)

    def get(self, name):
        return (self.there / name).read_bytes()

    def names(self):
        return sorted(str(path.relative_to(self.there)) for path in self.there.rglob("*") if path.is_file())

    def source(self, name):
        return f"{self.address}/{self.base}/here/{name}"

    def target(self, name):
        return f"{self.address}/{self.base}/there/{name}"

    def test_a_server_that_hangs_is_told_in_time_and_leaves_nothing(self, impatient):
        self.put("a", CONTENT)
        with self.server.frozen():
            request = impatient.submit([self.copy("a")], request="hangs")
            (found,) = self.wait(impatient, request).values()
        assert found.state is CopyState.FAILED
        assert found.words
        assert self.names() == []

    def test_a_folder_that_may_not_be_written_to_is_told(self, mover):
        self.put("a", CONTENT)
        self.there.chmod(0o555)
        (found,) = self.wait(mover, mover.submit([self.copy("a")], request="closed")).values()
        assert found.state is CopyState.FAILED
        assert found.words

    def test_what_the_service_was_doing_when_it_was_killed_is_done_by_the_next_one(self, mover, folder):
        names = [f"f{number}" for number in range(6)]
        for name in names:
            self.put(name, CONTENT * 200)
        request = mover.submit([self.copy(name) for name in names], request="killed")
        deadline = time.monotonic() + 30
        while not any(one.state is CopyState.ACTIVE for one in states_of(folder, request)):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        end_service(folder)
        half = [name for name in self.names() if ".part-" not in name]
        assert all(self.get(name) == CONTENT * 200 for name in half)
        found = self.wait(mover, request)
        assert {one.state for one in found.values()} == {CopyState.DONE}, found
        assert self.names() == names


def states_of(folder, request):
    orders = Orders(folder)
    return [orders.state(order) for order in orders.orders(request)]


@pytest.mark.one_python
class TestByXroot(FoldersOfAServer):
    @property
    def address(self):
        return self.server.root.rstrip("/") + "/"

    def test_every_letter_of_a_name_is_meant(self, mover):
        self.put("a", b"another")
        self.put("a#1 %41", CONTENT)
        (found,) = self.wait(mover, mover.submit([self.copy("a#1 %41")], request="letters")).values()
        assert found.state is CopyState.DONE, found
        assert self.names() == ["a#1 %41"]

    @pytest.mark.campaign
    def test_a_source_that_stops_in_the_middle_is_given_up(self, impatient):
        from tests.services.xrootd import running

        with running() as far:
            far.put("large", os.urandom(2**26))
            request = impatient.submit([Copy(f"{far.root}/large", self.target("large"))], request="stops")
            deadline = time.monotonic() + 30
            while not self.names() or not (self.there / self.names()[0]).stat().st_size:
                assert time.monotonic() < deadline
                time.sleep(0.001)
            with far.frozen():
                (found,) = self.wait(impatient, request).values()
        assert found.state is CopyState.FAILED
        assert self.names() == []

    def test_a_full_disk_is_told_and_leaves_nothing(self, mover):
        from tests.services.xrootd import running

        self.put("large", os.urandom(2**20))
        with running(disk=2**18) as full:
            copy = Copy(self.source("large"), f"{full.root}/large")
            (found,) = self.wait(mover, mover.submit([copy], request="full")).values()
            assert found.state is CopyState.FAILED
            assert full.files() == []


@pytest.mark.one_python
class TestByHttp(FoldersOfAServer):
    @property
    def address(self):
        return self.server.davs


class TestFolders(MoverKit):
    @pytest.fixture(autouse=True)
    def _folders(self, tmp_path):
        self.here, self.there = tmp_path / "here", tmp_path / "there"
        self.there.mkdir()

    @pytest.fixture
    def mover(self, folder):
        return OwnMover(folder, at_once=2, patience=5)

    def put(self, name, content):
        (self.here / name).parent.mkdir(parents=True, exist_ok=True)
        (self.here / name).write_bytes(content)

    def put_there(self, name, content):
        (self.there / name).write_bytes(content)

    def get(self, name):
        return (self.there / name).read_bytes()

    def names(self):
        return sorted(str(path.relative_to(self.there)) for path in self.there.rglob("*") if path.is_file())

    def source(self, name):
        return f"file://{self.here / name}"

    def target(self, name):
        return f"file://{self.there / name}"

    def test_what_is_not_wanted_any_more_is_not_copied(self, mover, folder):
        self.put("a", CONTENT)
        orders = Orders(folder)
        orders.add("unwanted", [self.copy("a")])
        mover.cancel("unwanted")
        (found,) = self.wait(mover, "unwanted").values()
        assert (found.state, found.words) == (CopyState.FAILED, "given up")
        assert self.names() == []

    def test_nobody_copies_between_two_protocols(self, mover):
        self.put("a", CONTENT)
        copy = Copy(self.source("a"), "root://127.0.0.1:1//a")
        (found,) = self.wait(mover, mover.submit([copy], request="mixed")).values()
        assert found.state is CopyState.FAILED
        assert "nobody copies from file://" in found.words


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("adler32=84b021f", "adler32:084b021f"),
        ("md5=abc,ADLER32=084B021F", "adler32:084b021f"),
        ("md5=abc", None),
        ("adler32=xyz", None),
        ("", None),
    ],
)
def test_a_digest_is_read_from_its_header(said, meant):
    assert read_digest(said) == meant
