"""What a folder that is shared with nodes of a Slurm answers when a disk is full or a node has broken down."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from server.batch.slurm_answers import Row
from server.batch.slurm_files import keep_row, kept_row, own_words, script


def full(*_, **__):
    """Fail as what wants room on a disk that has none."""
    raise OSError(errno.ENOSPC, "No space left on device")


def test_how_a_job_ended_is_told_also_where_it_cannot_be_kept(tmp_path, monkeypatch):
    row = Row("FAILED", code=3)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "mkdir", full)
        assert keep_row(tmp_path / "0", row) == row
    assert kept_row(tmp_path / "0") is None
    assert keep_row(tmp_path / "0", row) == kept_row(tmp_path / "0") == row


def test_another_trouble_of_the_disk_is_told(tmp_path):
    (tmp_path / "0").touch()
    with pytest.raises(NotADirectoryError):
        keep_row(tmp_path / "0", Row("FAILED"))


def test_files_that_a_node_left_empty_when_it_broke_down_hold_nobody_up(tmp_path):
    for name in ("identity.json", "exit.json", "over.json"):
        (tmp_path / name).touch()
    assert own_words(tmp_path) == ({}, {})
    assert kept_row(tmp_path) is None
    row = Row("NODE_FAIL")
    assert keep_row(tmp_path, row) == row


def test_odd_words_of_a_script_stay_what_they_are(tmp_path):
    folder = tmp_path / "a b$(id)'"
    folder.mkdir()
    (folder / "node.pyz").write_text("import sys; print(sys.argv[1:])")
    done = subprocess.run(["sh"], input=script(sys.executable, folder, 3, True), capture_output=True, text=True)
    assert done.stdout == f"{[str(folder), '3', '1']}\n"
