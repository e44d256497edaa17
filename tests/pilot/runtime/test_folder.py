from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from pilot.runtime.folder import STRIDE, Folder, Walk

MB = 2**20


def scan(root, **which):
    return Walk(root, **which).go_on(60.0)


def write(path, size):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)


def test_size_is_what_the_disk_has_given(tmp_path):
    write(tmp_path / "a", MB)
    write(tmp_path / "sub" / "deep" / "b", 2 * MB)
    found = scan(tmp_path)
    assert found.files == 2
    assert 3 * MB <= found.size < 3 * MB + 64 * 1024


def test_a_sparse_file_has_the_blocks_that_were_written(tmp_path):
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(100 * MB)
    assert scan(tmp_path).size < MB


def test_inputs_that_are_linked_take_no_room(tmp_path):
    storage, job = tmp_path / "storage", tmp_path / "job"
    write(storage / "raw", MB)
    job.mkdir()
    (job / "symbolic").symlink_to(storage / "raw")
    os.link(storage / "raw", job / "hard")
    (job / "dangling").symlink_to(storage / "nothing")
    (job / "loop").symlink_to(job)
    assert scan(job, lent=("hard",)).size < MB
    assert scan(job).size >= MB, "a hard link that is no input may be the payload's own"


def test_a_file_with_two_names_counts_once(tmp_path):
    write(tmp_path / "a", MB)
    os.link(tmp_path / "a", tmp_path / "b")
    assert scan(tmp_path).size < 2 * MB


def test_the_stamps_change_with_what_is_written_made_or_removed_but_for_quiet_files(tmp_path):
    for name, moment in (("a.root", 100), ("sub/b.root", 300), ("noise.log", 900), ("x.tmp", 800)):
        write(tmp_path / name, 1)
        os.utime(tmp_path / name, ns=(0, moment))
    assert scan(tmp_path).stamps == 2100
    assert scan(tmp_path, quiet=("*.log", "x.*")).stamps == 400
    assert scan(tmp_path, quiet=("*o*s*.log", "*x*t*p")).stamps == 400


def test_a_file_from_the_future_does_not_hide_that_another_one_is_written(tmp_path):
    for name, moment in (("unpacked", 4e18), ("payload.stdout", 1e18)):
        write(tmp_path / name, 1)
        os.utime(tmp_path / name, ns=(0, int(moment)))
    before = scan(tmp_path).stamps
    with (tmp_path / "payload.stdout").open("ab") as file:
        file.write(b"one more event")
    assert scan(tmp_path).stamps != before


def test_names_that_are_no_text_are_counted(tmp_path):
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.root"))).write_bytes(b"x")
    assert scan(tmp_path, quiet=("*.log",)).files == 1


def test_a_walk_that_is_long_is_done_in_parts_and_comes_to_the_same(tmp_path):
    for number in range(4 * STRIDE):
        write(tmp_path / str(number % 3) / str(number), 1)
    walk = Walk(tmp_path)
    parts = [walk.go_on(0.0) for _ in range(4)]
    assert parts == [None] * 4
    assert walk.go_on(60.0) == scan(tmp_path)
    assert scan(tmp_path).files == 4 * STRIDE


@pytest.mark.skipif(os.geteuid() != 0, reason="takes the place of a user whom a folder is closed to")
def test_a_folder_that_is_closed_to_us_is_told(tmp_path):
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        write(Path(name) / "private" / "a", 1)
        (Path(name) / "private").chmod(0)
        os.seteuid(65534)
        try:
            found = scan(Path(name))
        finally:
            os.seteuid(0)
    assert (found.files, found.closed) == (0, 1)


def test_a_folder_that_is_gone_is_empty(tmp_path):
    assert scan(tmp_path / "nothing") == Folder()
