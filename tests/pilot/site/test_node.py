"""What a node says of itself."""

from __future__ import annotations

import os

import pytest

from pilot.site import node


def test_this_node_is_described_by_what_it_has():
    found = node.describe()
    assert found.host == os.uname().nodename
    assert found.memory > 2**20
    assert 1 <= found.cores <= (os.cpu_count() or 1)
    assert found.cpu_model


def test_the_first_processor_stands_for_all(tmp_path):
    (tmp_path / "cpuinfo").write_text(
        "processor : 0\nmodel name\t: Fast CPU @ 3\ncpu MHz : 2450.5\n\nmodel name : Other\n"
    )
    (tmp_path / "meminfo").write_text("MemTotal:       1024 kB\nMemFree: 1 kB\n")
    found = node.describe(tmp_path)
    assert (found.cpu_model, found.cpu_mhz, found.memory) == ("Fast CPU @ 3", 2450.5, 2**20)


def test_what_cannot_be_read_is_not_made_up(tmp_path):
    (tmp_path / "cpuinfo").write_text("cpu MHz : unknown\n")
    found = node.describe(tmp_path)
    assert (found.cpu_model, found.cpu_mhz, found.memory) == (os.uname().machine, 0.0, 0)


def test_free_disk_is_what_a_file_could_take(tmp_path, small_disk):
    assert node.free_disk(small_disk) == 65536
    (small_disk / "f").write_bytes(b"x" * 4096)
    assert node.free_disk(small_disk) == 65536 - 4096
    with pytest.raises(OSError, match="gone"):
        node.free_disk(tmp_path / "gone")
