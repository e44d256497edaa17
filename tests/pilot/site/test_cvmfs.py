"""CVMFS repositories: those mounted, one that is asked for, one that hangs."""

from __future__ import annotations

import os
import threading

from pilot.site import cvmfs
from pilot.site.cvmfs import Repository
from pilot.site.tree import Tree

MOUNTS = """\
40 1 0:50 / /cvmfs/compass.cern.ch ro - fuse cvmfs2 ro
41 1 0:51 / /cvmfs/dead.cern.ch ro - fuse cvmfs2 ro
42 1 0:52 / /cvmfs rw - autofs /etc/auto.cvmfs rw
43 1 0:53 / /cvmfs/other ro - ext4 /dev/vdb ro
"""


def test_what_is_mounted_is_listed_with_its_revision_and_a_dead_one_without(tmp_path):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text(MOUNTS)
    hang = threading.Event()

    def revision(path):
        return 4711 if "compass" in path else hang.wait(30)

    try:
        assert cvmfs.read(Tree(tmp_path), within=0.1, revision=revision) == (
            Repository("compass.cern.ch", True, 4711),
            Repository("dead.cern.ch", True, None),
        )
    finally:
        hang.set()


def test_a_repository_that_is_asked_for_is_mounted_when_its_folder_holds_something(tmp_path):
    folder = tmp_path / "cvmfs" / "compass.cern.ch"
    (folder / "release").mkdir(parents=True)
    (tmp_path / "cvmfs" / "empty").mkdir()
    tree = Tree(tmp_path)
    assert cvmfs.repository(tree, "compass.cern.ch", revision=lambda _: 7) == Repository("compass.cern.ch", True, 7)
    assert cvmfs.repository(tree, "empty") == Repository("empty", False)
    assert cvmfs.repository(tree, "missing") == Repository("missing", False)


def test_a_folder_that_hangs_is_not_waited_for_any_longer(tmp_path):
    hang = threading.Event()
    try:
        assert cvmfs.in_time(lambda: hang.wait(30), 0.05) is None
    finally:
        hang.set()


def test_the_revision_is_an_attribute_of_the_mount(tmp_path):
    (tmp_path / "cvmfs/x/y").mkdir(parents=True)
    path = tmp_path / "cvmfs/x"
    assert cvmfs.repository(Tree(tmp_path), "x").revision is None
    try:
        os.setxattr(path, "user.revision", b"12")
    except OSError:
        return  # no such attributes on this file system
    assert cvmfs.repository(Tree(tmp_path), "x").revision == 12
