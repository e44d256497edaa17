"""File systems below folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilot.site import disks
from pilot.site.tree import Mount, Tree

MOUNTS = (
    Mount("/", "ext4", "/dev/vda", ("rw",)),
    Mount("/scratch", "xfs", "/dev/old", ("rw",)),
    Mount("/scratch", "tmpfs", "none", ("rw",)),
    Mount("/scratch2", "nfs4", "host:/x", ("rw",)),
)


@pytest.mark.parametrize(
    ("folder", "kind"), [("/var", "ext4"), ("/scratch", "tmpfs"), ("/scratch/a", "tmpfs"), ("/scratch2/b", "nfs4")]
)
def test_the_deepest_mount_holds_a_folder_and_of_two_the_later(folder, kind):
    assert disks.mount_of(Path(folder), MOUNTS).kind == kind


def test_a_small_disk_is_described_as_it_is(small_disk):
    found = disks.read(Tree(), small_disk)
    assert (found.size, found.inodes, found.kind, found.read_only) == (65536, 16, "tmpfs", False)
    assert 0 < found.free <= found.size
    assert 0 < found.inodes_free < found.inodes
    assert found.mounted_at == str(small_disk)


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        disks.read(Tree(), tmp_path / "none")
