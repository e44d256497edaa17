"""The tools for files of this machine, each held to the kit, and what is their own."""

from __future__ import annotations

import os
import resource
import threading
from pathlib import Path

import pytest

from pilot.copytool import local
from pilot.copytool.base import Cancel, CopyCancelled, CopyFailed, Deadline, FailureKind, Transfer
from pilot.copytool.local import Local
from pilot.settings.everything import Settings
from pilot.settings.sections import Copy as Section
from tests.kits.copytool import CONTENT, SUM, CopyToolKit


def copy(tool, source, target, deadline=None, cancel=None):
    transfer = Transfer("f", f"file://{source}", f"file://{target}")
    return tool.copy(transfer, deadline or Deadline(30), Cancel() if cancel is None else cancel)


class TestLocal(CopyToolKit):
    @pytest.fixture
    def tool(self):
        return local.Local()

    def test_the_checksum_comes_with_the_copy(self, tool, tmp_path):
        (tmp_path / "a").write_bytes(CONTENT)
        assert copy(tool, tmp_path / "a", tmp_path / "b").checksum == SUM

    @pytest.fixture
    def memory(self):
        """A target that takes much, fast, and not from the disk."""
        path = Path(f"/dev/shm/compass-{os.getpid()}")
        yield path
        path.unlink(missing_ok=True)

    def test_a_copy_is_stopped_in_its_middle(self, tool, tmp_path, memory):
        (tmp_path / "a").write_bytes(b"x" * 2**20)
        os.truncate(tmp_path / "a", 40 * 2**30)  # takes long, and no space
        cancel, failures = Cancel(), []

        def run():
            try:
                copy(tool, tmp_path / "a", memory, cancel=cancel)
            except CopyCancelled as failed:
                failures.append(failed)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join(0.05)
        assert thread.is_alive()
        cancel.ask()
        thread.join(5)
        assert not thread.is_alive()
        assert len(failures) == 1

    def test_a_copy_ends_at_its_deadline(self, tool, tmp_path, memory):
        (tmp_path / "a").touch()
        os.truncate(tmp_path / "a", 40 * 2**30)
        with pytest.raises(CopyFailed, match="not done within its time"):
            copy(tool, tmp_path / "a", memory, Deadline(0.05))

    def test_a_limit_on_file_sizes_is_no_space(self, tool, tmp_path):
        (tmp_path / "a").write_bytes(b"x" * 100_000)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
        try:
            with pytest.raises(CopyFailed, match="File too large") as caught:
                copy(tool, tmp_path / "a", tmp_path / "b")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert caught.value.kind is FailureKind.NO_SPACE


class TestCopy(CopyToolKit):
    @pytest.fixture
    def tool(self):
        return local.Copy()


class TestLink(CopyToolKit):
    @pytest.fixture
    def tool(self):
        return local.Link()

    def test_the_two_names_are_of_one_file(self, tool, tmp_path):
        (tmp_path / "a").write_bytes(CONTENT)
        copy(tool, tmp_path / "a", tmp_path / "b")
        assert (tmp_path / "a").samefile(tmp_path / "b")

    def test_on_another_file_system_the_bytes_are_copied(self, tool, tmp_path, small_disk):
        (tmp_path / "a").write_bytes(CONTENT)
        facts = copy(tool, tmp_path / "a", small_disk / "b")
        assert (small_disk / "b").read_bytes() == CONTENT
        assert facts.checksum == SUM

    def test_the_file_behind_a_symbolic_link_is_linked(self, tool, tmp_path):
        (tmp_path / "a").write_bytes(CONTENT)
        (tmp_path / "l").symlink_to("a")
        copy(tool, tmp_path / "l", tmp_path / "b")
        assert not (tmp_path / "b").is_symlink()


class TestMove(CopyToolKit):
    @pytest.fixture
    def tool(self):
        return local.Move()

    def test_no_byte_is_copied_and_a_failure_half_way_loses_nothing(self, tool, tmp_path):
        (tmp_path / "a").write_bytes(CONTENT)
        copy(tool, tmp_path / "a", tmp_path / "b")
        assert (tmp_path / "a").samefile(tmp_path / "b")

    def test_its_inputs_are_symbolic_links(self, tool):
        assert tool.reads_with == local.SymbolicLink.name


class TestSymbolicLink(CopyToolKit):
    @pytest.fixture
    def tool(self):
        return local.SymbolicLink()

    def test_the_link_leads_to_where_the_file_lies(self, tool, tmp_path):
        (tmp_path / "a").write_bytes(CONTENT)
        copy(tool, tmp_path / "a", tmp_path / "b")
        assert (tmp_path / "b").readlink() == tmp_path / "a"


TOOLS = [local.Local(), local.Copy(), local.Link(), local.SymbolicLink(), local.Move()]


def name_of(tool):
    return tool.name


def test_the_names_are_those_that_queues_use():
    assert [tool.name for tool in TOOLS] == ["local", "cp", "link", "symlink", "mv"]
    assert {scheme for tool in TOOLS for scheme in tool.schemes} == {"file"}


@pytest.mark.parametrize("tool", TOOLS, ids=name_of)
class TestEveryTool:
    def fails(self, tool, source, target):
        with pytest.raises(CopyFailed) as caught:
            copy(tool, source, target)
        return caught.value

    def test_a_dangling_link_is_a_missing_source(self, tool, tmp_path):
        (tmp_path / "a").symlink_to("gone")
        failed = self.fails(tool, tmp_path / "a", tmp_path / "b")
        assert failed.kind is FailureKind.NO_SUCH_FILE
        assert not os.path.lexists(tmp_path / "b")

    @pytest.mark.parametrize("what", ["folder", "pipe"])
    def test_what_is_not_a_file_is_no_source(self, tool, tmp_path, what):
        (tmp_path / "a").mkdir() if what == "folder" else os.mkfifo(tmp_path / "a")
        failed = self.fails(tool, tmp_path / "a", tmp_path / "b")
        assert failed.kind is FailureKind.NO_SUCH_FILE
        assert "is not a file" in failed.words

    def test_a_file_in_a_folders_place_is_named(self, tool, tmp_path):
        (tmp_path / "a").write_bytes(CONTENT)
        (tmp_path / "file").write_bytes(b"")
        failed = self.fails(tool, tmp_path / "a", tmp_path / "file" / "b")
        assert failed.kind in (FailureKind.EXISTS, FailureKind.NO_SUCH_FILE)
        assert str(tmp_path / "file") in failed.words

    def test_a_folder_in_the_targets_place_is_not_replaced(self, tool, tmp_path):
        (tmp_path / "a").write_bytes(CONTENT)
        (tmp_path / "b" / "inner").mkdir(parents=True)
        assert self.fails(tool, tmp_path / "a", tmp_path / "b").kind in (FailureKind.EXISTS, FailureKind.PERMISSION)
        assert (tmp_path / "b" / "inner").is_dir()

    def test_a_read_only_storage_is_a_matter_of_permission(self, tool, tmp_path):
        (tmp_path / "a").write_bytes(CONTENT)
        failed = self.fails(tool, tmp_path / "a", "/proc/compass/b")
        assert failed.kind in (FailureKind.PERMISSION, FailureKind.NO_SUCH_FILE)

    def test_another_machines_file_is_not_ours_to_copy(self, tool, tmp_path):
        with pytest.raises(CopyFailed, match="root://host//a is not a file of this machine"):
            tool.copy(Transfer("f", "root://host//a", f"file://{tmp_path / 'b'}"), Deadline(30), Cancel())


@pytest.mark.parametrize("tool", [local.Local(), local.Copy(), local.Link(), local.Move()], ids=name_of)
def test_a_full_disk_is_told_as_such(tool, tmp_path, small_disk):
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    with pytest.raises(CopyFailed, match="No space left on device") as caught:
        copy(tool, tmp_path / "a", small_disk / "b")
    assert caught.value.kind is FailureKind.NO_SPACE


def test_names_are_taken_as_they_are(tmp_path):
    name = "a %41#?b'\" ü.root"
    (tmp_path / name).write_bytes(CONTENT)
    copy(local.Local(), tmp_path / name, tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("url", "path"), [("file:///a/b", "/a/b"), ("file://localhost/a/b", "/a/b"), ("file:////a/b", "//a/b")]
)
def test_a_file_url_is_a_path(url, path):
    assert str(local.path_of(url)) == path


@pytest.mark.parametrize("url", ["file://elsewhere/a", "root://host//a", "/a", "file:a", "file://"])
def test_any_other_url_is_refused(url):
    with pytest.raises(CopyFailed, match="file:///path is expected"):
        local.path_of(url)


@pytest.mark.parametrize(
    ("wanted", "device", "reads"),
    [
        ("auto", os.makedev(8, 1), False),  # a disk
        ("auto", os.makedev(0, 52), True),  # a network's file system, for instance
        ("auto", os.makedev(0x4F9, 0x2C566), True),  # Lustre's, which counts as a device that is not there
        ("always", os.makedev(8, 1), True),
        ("never", os.makedev(0, 52), False),
    ],
)
def test_what_was_stored_is_read_back_unless_it_lies_on_a_disk_here(wanted, device, reads, tmp_path, monkeypatch):
    (tmp_path / "8:1").symlink_to("../../devices/sda1")
    monkeypatch.setattr(local, "DISKS", str(tmp_path))
    assert Local(Settings(copy=Section(read_back=wanted)))._reads_back(device) is reads


def test_what_is_read_back_is_the_same(tmp_path):
    tool = Local(Settings(copy=Section(read_back="always")))
    (tmp_path / "a").write_bytes(CONTENT)
    assert tool.checksum(f"file://{tmp_path}/a", "adler32", Deadline(30)) == SUM
