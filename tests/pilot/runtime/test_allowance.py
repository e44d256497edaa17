from __future__ import annotations

import pytest

from pilot.runtime.allowance import memory_limit

NAMES = {"memory": "memory.limit_in_bytes", "": "memory.max"}


@pytest.mark.parametrize("controller", ["memory", ""])
def test_the_least_limit_of_the_group_and_those_above_counts(tmp_path, controller):
    inner = tmp_path / "slot" / "job"
    inner.mkdir(parents=True)
    for folder, limit in ((inner, "9223372036854771712"), (tmp_path / "slot", "2000000"), (tmp_path, "3000000")):
        (folder / NAMES[controller]).write_text(limit + "\n")
    assert memory_limit({controller: str(inner)}) == 2000000


@pytest.mark.parametrize("text", ["max\n", "9223372036854771712\n", "0\n", ""])
def test_no_limit_is_none(tmp_path, text):
    (tmp_path / "memory.max").write_text(text)
    assert memory_limit({"": str(tmp_path)}) == 0


def test_a_node_without_groups_has_no_limit(tmp_path):
    assert memory_limit({}) == 0
    assert memory_limit({"": str(tmp_path / "nowhere")}) == 0


def test_this_machine_says_something_that_can_be_read():
    assert memory_limit() >= 0
