from __future__ import annotations

import pytest

from pilot.control.checks.hardware import Hardware, described, found
from pilot.site.cpu import Cpu
from pilot.site.gpus import Gpu


def cpu(model="AMD EPYC", per_socket=8, sockets=2, flags=("avx", "avx2"), level="x86_64-v3"):
    return Cpu(model, "AMD", "x86_64", level, 4, 16, sockets, per_socket, 1, 2000.0, flags)


@pytest.mark.parametrize(
    ("here", "words"),
    [
        (cpu(), "AMD EPYC 8-Core 2-Socket+AVX2"),
        (cpu("AMD EPYC 7702 64-Core Processor", 64), "AMD EPYC 7702 64-Core Processor 2-Socket+AVX2"),
        (cpu(flags=("avx2", "avx512f")), "AMD EPYC 8-Core 2-Socket+AVX512"),
        (cpu("ARM", 0, 0, ()), "ARM"),
    ],
)
def test_processors_are_told_in_one_line(here, words):
    assert described(here, ()) == Hardware(words, "x86_64-v3")


def test_gpus_are_told_by_model_and_number():
    gpus = [Gpu("NVIDIA", "A100 80GB"), Gpu("NVIDIA", "A100 80GB"), Gpu("AMD", "MI250")]
    assert described(cpu(), gpus)[2:] == ("A100 80GB+MI250", 3)


def test_this_node_has_processors():
    assert found().cpu
