"""A real XRootD as a storage: the contract, and a service that hangs, dies, or is not there."""

from __future__ import annotations

import time
import uuid

import pytest

from server.storage.base import FaultKind, Found, Locality, Space, StorageMisconfigured, StorageUnavailable
from server.storage.place import Place
from server.storage.xrootd import HAS_BACKUP, OFFLINE, XrootdStorage, client_settings, read_space
from tests.kits.storage import CONTENT, StorageKit
from tests.services.ports import free_ports

QUICK = {"patience": 2}


def opened(root, **options):
    return XrootdStorage.open(Place("EOS", "xrootd", root, {**QUICK, **options}))


@pytest.mark.one_python
class TestXrootdStorage(StorageKit):
    @pytest.fixture(autouse=True)
    def _folder(self, xrootd):
        self.server, self.base = xrootd, f"storage-{uuid.uuid4().hex[:8]}"
        xrootd.put(f"{self.base}/x", b"").unlink()
        self.root = xrootd.data / self.base

    @pytest.fixture
    def storage(self):
        return opened(f"{self.server.root}/{self.base}")

    def put(self, path, content):
        self.server.put(f"{self.base}/{path}", content)

    def names(self):
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())

    def unavailable(self):
        return self.server.frozen()

    def test_a_service_that_hangs_holds_nobody_for_long(self, storage):
        storage.look(["a"])
        begun = time.monotonic()
        with self.server.frozen(), pytest.raises(StorageUnavailable):
            storage.look(["a"], checksums=True)
        assert time.monotonic() - begun < 15

    def test_thousands_are_looked_at_and_removed_in_one_go(self, storage):
        paths = [f"f{number}" for number in range(3000)]
        for path in paths[::2]:
            self.put(path, b"x")
        found = storage.look(paths)
        assert [path for path in paths if isinstance(found[path], Found)] == paths[::2]
        assert set(storage.remove(paths).values()) == {None}
        assert self.names() == []

    def test_several_threads_may_ask_at_once(self, storage):
        from concurrent.futures import ThreadPoolExecutor

        self.put("a", CONTENT)
        with ThreadPoolExecutor(6) as pool:
            sizes = list(pool.map(lambda _: storage.look(["a"])["a"].size, range(24)))
        assert sizes == [len(CONTENT)] * 24

    def test_an_empty_folder_is_not_removed_either(self, storage):
        self.put("folder/a", CONTENT)
        (self.root / "folder/a").unlink()
        assert storage.remove(["folder"])["folder"].kind is FaultKind.FAILED
        assert (self.root / "folder").is_dir()

    def test_a_file_that_may_not_be_removed_is_told(self, storage):
        self.put("folder/a", CONTENT)
        (self.root / "folder").chmod(0o555)
        assert storage.remove(["folder/a"])["folder/a"].kind is FaultKind.FORBIDDEN
        assert self.names() == ["folder/a"]

    def test_a_folder_that_may_not_be_listed_is_not_taken_for_an_empty_one(self, storage):
        self.put("folder/a", CONTENT)
        (self.root / "folder").chmod(0)
        with pytest.raises(StorageUnavailable, match="folder could not be listed"):
            list(storage.list_below(""))
        (self.root / "folder").chmod(0o755)

    def test_a_list_may_be_left_half_read(self, storage):
        for number in range(20):
            self.put(f"f{number}", b"")
        next(iter(storage.list_below("")))
        assert len(list(storage.list_below(""))) == 20

    def test_a_file_that_cannot_be_read_has_no_checksum_and_says_why(self, storage):
        self.put("a", CONTENT)
        self.put("b", CONTENT)
        (self.root / "a").chmod(0)
        found = storage.look(["a", "b"], checksums=True)
        assert found["a"].kind in (FaultKind.FORBIDDEN, FaultKind.FAILED)
        assert found["a"].words
        assert found["b"].checksum


@pytest.mark.one_python
def test_a_server_that_is_not_there_is_unavailable_in_time():
    (port,) = free_ports(1)
    begun = time.monotonic()
    with pytest.raises(StorageUnavailable, match=r"\w"):
        opened(f"root://127.0.0.1:{port}//a").look(["a"])
    assert time.monotonic() - begun < 15


@pytest.mark.one_python
def test_a_server_that_is_killed_is_found_again_when_it_is_back():
    from tests.services.xrootd import running

    with running() as server:
        server.put("a", CONTENT)
        storage = opened(server.root)
        assert storage.look(["a"])["a"].size == len(CONTENT)
        server.kill()
        with pytest.raises(StorageUnavailable):
            storage.look(["a"])
        server.restart()
        assert storage.look(["a"])["a"].size == len(CONTENT)


@pytest.mark.parametrize(
    ("flags", "meant"),
    [
        (0, Locality.DISK),
        (HAS_BACKUP, Locality.DISK_AND_TAPE),
        (OFFLINE | HAS_BACKUP, Locality.TAPE),
        (OFFLINE, Locality.LOST),
    ],
)
def test_flags_tell_where_the_bytes_are(flags, meant):
    assert opened("root://host//a").locality(flags | 48) is meant


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"patience": -5}, "patience: -5.* is no time above 0 and up to 604800 s"),
        ({"patience": 1e12}, "patience: "),
        ({"checksum_patience": 0}, "checksum_patience: 0"),
        ({"checksums_at_once": 0}, "checksums_at_once: 0 is less than 1"),
    ],
)
def test_options_that_cannot_be_are_refused(options, said):
    with pytest.raises(StorageMisconfigured, match=f"storage EOS: {said}"):
        opened("root://host//a", **options)


ROOTS_THAT_ARE_NONE = [
    *("file:///a", "root:///a", "https://host/a"),
    *("root://host:port//a", "root://host:99999//a", "root://[::1//a", "root://ho st//a", "root://host//a?b=c"),
]


def test_an_address_keeps_the_slash_of_the_path():
    assert opened("root://host:1094//eos/c").url("f/a") == "root://host:1094//eos/c/f/a"
    assert opened("root://host:1094/").url("f/a") == "root://host:1094//f/a"


@pytest.mark.parametrize("root", ROOTS_THAT_ARE_NONE)
def test_another_address_is_refused(root):
    with pytest.raises(StorageMisconfigured, match="storage EOS: root: .* is no address such as root://host"):
        opened(root)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("oss.cgroup=public&oss.space=100&oss.free=40&oss.maxf=4&oss.quota=-1", Space(100, 40)),
        ("", None),
        ("oss.space=much&oss.free=1", None),
    ],
)
def test_space_is_read_from_what_the_service_says(said, meant):
    assert read_space(said) == meant


def test_no_time_is_shorter_than_a_second():
    assert client_settings(0)["XRD_REQUESTTIMEOUT"] == "1"


def test_free_space_of_the_root_is_asked_for_below_the_root_folder():
    assert opened("root://host//").url("a") == "root://host//a"
