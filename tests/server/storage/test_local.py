"""A folder as a storage: the contract, links, and what file systems do."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from server.storage.base import FaultKind, Found, StorageMisconfigured, StorageUnavailable
from server.storage.local import BLOCK, LocalOptions, LocalStorage
from server.storage.place import Place
from tests.kits.storage import CONTENT, SUM, StorageKit


class TestLocalStorage(StorageKit):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.root = tmp_path / "storage"
        self.root.mkdir()

    @pytest.fixture
    def storage(self):
        return LocalStorage.open(Place("S", "local", f"file://{self.root}"))

    def put(self, path, content):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(content)

    def names(self):
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())

    @contextlib.contextmanager
    def unavailable(self):
        self.root.rename(self.root.with_name("away"))
        yield
        self.root.with_name("away").rename(self.root)

    def test_a_link_is_refused_wherever_it_leads(self, storage, tmp_path):
        (tmp_path / "secret").write_bytes(CONTENT)
        self.put("a", CONTENT)
        (self.root / "out").symlink_to(tmp_path / "secret")
        (self.root / "in").symlink_to("a")
        (self.root / "dangling").symlink_to("nowhere")
        (self.root / "folder").symlink_to(tmp_path)
        paths = ["out", "in", "dangling", "folder/secret"]
        for found in (storage.look(paths, checksums=True), storage.remove(paths)):
            assert {fault.kind for fault in found.values()} == {FaultKind.FORBIDDEN}
            assert all("link" in fault.words for fault in found.values())
        assert list(storage.list_below("")) == [("a", Found(len(CONTENT)))]
        assert list(storage.list_below("folder")) == []
        assert (tmp_path / "secret").exists()

    def test_what_is_neither_file_nor_folder_is_refused_and_holds_nobody(self, storage):
        os.mkfifo(self.root / "pipe")
        assert storage.look(["pipe"], checksums=True)["pipe"].kind is FaultKind.FORBIDDEN
        assert list(storage.list_below("")) == []

    def test_a_checksum_is_read_block_by_block(self, storage):
        self.put("long", CONTENT * (BLOCK // len(CONTENT) * 2 + 1))
        self.put("a", CONTENT)
        found = storage.look(["long", "a"], checksums=True)
        assert found["a"].checksum == SUM
        assert found["long"].checksum != SUM

    def test_no_descriptor_is_left_open(self, storage):
        self.put("folder/a", CONTENT)
        before = len(list(Path("/proc/self/fd").iterdir()))
        storage.look(["folder/a", "a/b", "gone"], checksums=True)
        storage.remove(["folder/gone"])
        list(storage.list_below("folder"))
        assert len(list(Path("/proc/self/fd").iterdir())) == before

    @pytest.mark.skipif(os.geteuid() == 0, reason="not tested: root may read everything")
    def test_a_folder_that_may_not_be_read_is_not_taken_for_an_empty_one(self, storage):
        self.put("closed/a", CONTENT)
        (self.root / "closed").chmod(0)
        with pytest.raises(StorageUnavailable, match="closed"):
            list(storage.list_below(""))
        assert storage.look(["closed/a"])["closed/a"].kind is FaultKind.FORBIDDEN


def test_a_disk_that_is_not_mounted_is_not_taken_for_an_empty_one(tmp_path):
    storage = LocalStorage(tmp_path, LocalOptions(marker=".mounted"))
    with pytest.raises(StorageUnavailable, match=r"\.mounted.*is it mounted"):
        storage.look(["a"])
    (tmp_path / ".mounted").touch()
    assert storage.look(["a"])["a"].kind is FaultKind.ABSENT


@pytest.mark.parametrize("root", ["file://elsewhere/folder", "root://host//folder", "file://localhost"])
def test_a_folder_of_another_machine_is_refused(root):
    with pytest.raises(StorageMisconfigured, match="storage S: root:.*file:///folder"):
        LocalStorage.open(Place("S", "local", root))


def test_an_address_is_written_so_that_others_can_read_it(tmp_path):
    storage = LocalStorage.open(Place("S", "local", f"file://localhost{tmp_path}"))
    assert storage.url("a b%") == f"file://{tmp_path}/a%20b%25"
