"""How fast pilots are submitted: what is made of the rounds, and that ours and the bare command submit as many."""

from __future__ import annotations

import pytest

from benchmarks.submit_rate import FILES, SYSTEMS, Side, _round, figures
from server.batch.base import BatchSystem


class Counting:
    """Takes what a batch system takes, and counts it."""

    def __init__(self):
        self.taken = []

    def submit(self, template, count):
        self.taken.append((template.key, count, sorted(template.files), dict(template.options)))


def test_each_side_submits_as_many_with_the_same_files_and_is_emptied_after(tmp_path):
    ours, events = Counting(), []
    side = Side(ours, {"requirements": "false"}, events.append, lambda: events.append("emptied"))
    seconds = _round(side, tmp_path, 7, 2)
    assert ours.taken == [("round2", 7, sorted(FILES), {"requirements": "false"})]
    assert events == ["emptied", 7, "emptied"]
    assert all(each >= 0 for each in seconds)


def test_rates_are_pilots_by_second_and_the_goal_is_nine_tenths_of_the_bare_command():
    rate, bare, share = figures("x", 100, [(2.0, 1.0), (1.0, 1.0)])
    assert (rate.readings, bare.readings) == ((50.0, 100.0), (100.0, 100.0))
    assert share.readings == (0.5, 1.0)
    assert share.verdict == "MISSED (at least 0.9)"


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_has_the_name_of_its_kind(name):
    from server.batch.registry import load_registry

    assert issubclass(load_registry(()).kind(name), BatchSystem)
