"""Memory and swap, by what /proc/meminfo says."""

from __future__ import annotations

from pilot.site import memory
from pilot.site.tree import Tree


def read(tmp_path, text):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text(text)
    return memory.read(Tree(tmp_path))


def test_sizes_are_bytes(tmp_path):
    text = "MemTotal: 2048 kB\nMemFree: 1 kB\nMemAvailable: 1024 kB\nSwapTotal: 4 kB\nSwapFree: 2 kB\n"
    assert read(tmp_path, text) == memory.Memory(2**21, 2**20, 4096, 2048)


def test_an_old_kernel_tells_what_is_free(tmp_path):
    assert read(tmp_path, "MemTotal: 2 kB\nMemFree: 1 kB\n") == memory.Memory(2048, 1024, 0, 0)


def test_what_is_no_number_counts_as_nothing(tmp_path):
    assert read(tmp_path, "MemTotal: much\n").total == 0
