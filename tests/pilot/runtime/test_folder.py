from __future__ import annotations

import os

from pilot.runtime.folder import Folder, scan

MB = 2**20


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


def test_the_newest_file_is_told_but_for_quiet_ones(tmp_path):
    for name, moment in (("a.root", 100), ("sub/b.root", 300), ("noise.log", 900), ("x.tmp", 800)):
        write(tmp_path / name, 1)
        os.utime(tmp_path / name, ns=(0, moment))
    assert scan(tmp_path).newest == 900
    assert scan(tmp_path, quiet=("*.log", "x.*")).newest == 300


def test_a_folder_that_is_gone_is_empty(tmp_path):
    assert scan(tmp_path / "nothing") == Folder()
