"""PanDA's names for cores and memory together."""

from __future__ import annotations

import pytest

from server.taskbuffer.resource_types import resource_type

MB = 2**20


@pytest.mark.parametrize(
    ("name", "cores", "memory", "wanted"),
    [
        ("SCORE", 1, 2000 * MB, "SCORE"),
        ("SCORE", 1, 2001 * MB, "SCORE_HIMEM"),
        ("MCORE_HIMEM", 8, 16000 * MB, "MCORE"),
        ("SCORE", 8, 16001 * MB, "MCORE_HIMEM"),
        ("MCORE", 0, 0, "SCORE"),
        ("GPU_LARGE", 8, 64000 * MB, "GPU_LARGE"),
        ("NULL", 8, 64000 * MB, "NULL"),
        ("", 1, 0, ""),
    ],
)
def test_the_usual_types_follow_cores_and_memory_and_others_stay(name, cores, memory, wanted):
    assert resource_type(name, cores, memory) == wanted
