"""Processors, by what /proc/cpuinfo says of them."""

from __future__ import annotations

import pytest

from pilot.site import cpu
from pilot.site.tree import Tree

V1 = "fpu cx8 cmov mmx fxsr sse sse2 lm"
V2 = f"{V1} cx16 lahf_lm popcnt pni ssse3 sse4_1 sse4_2"
V3 = f"{V2} avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"
V4 = f"{V3} avx512f avx512bw avx512cd avx512dq avx512vl"


def node(tmp_path, text, machine="x86_64"):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(text)
    return cpu.read(Tree(tmp_path), usable=lambda: 3, machine=lambda: machine)


@pytest.mark.parametrize(
    ("flags", "level"),
    [("", ""), (V1, "x86_64-v1"), (V2, "x86_64-v2"), (V3, "x86_64-v3"), (V4, "x86_64-v4"), (f"{V1} avx2", "x86_64-v1")],
)
def test_a_level_is_reached_with_its_every_feature(flags, level):
    assert cpu.level_of(flags.split()) == level


def test_two_sockets_with_two_threads_a_core_are_counted(tmp_path):
    blocks = "\n\n".join(
        f"processor : {n}\nvendor_id\t: GenuineIntel\nmodel name : Fast CPU\ncpu MHz : 2450.5\nphysical id : {n // 4}\n"
        f"siblings : 4\ncpu cores : 2\nflags : {V3}"
        for n in range(8)
    )
    found = node(tmp_path, blocks + "\n")
    assert (found.model, found.vendor, found.mhz, found.level) == ("Fast CPU", "GenuineIntel", 2450.5, "x86_64-v3")
    assert (found.usable, found.logical, found.sockets) == (3, 8, 2)
    assert (found.cores_per_socket, found.threads_per_core) == (2, 2)
    assert "avx2" in found.flags


def test_another_architecture_has_no_level_of_x86(tmp_path):
    found = node(tmp_path, "processor : 0\nCPU implementer : 0x41\nFeatures : fp asimd\n\nModel : Board 4\n", "aarch64")
    assert (found.model, found.vendor, found.level) == ("aarch64", "0x41", "")
    assert (found.flags, found.logical, found.sockets, found.threads_per_core) == (("fp", "asimd"), 1, 0, 0)


def test_a_node_that_says_nothing_is_not_made_up(tmp_path):
    found = cpu.read(Tree(tmp_path), usable=lambda: 1, machine=lambda: "")
    assert (found.model, found.mhz, found.logical, found.flags) == ("unknown", 0.0, 0, ())
