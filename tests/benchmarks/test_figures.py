from __future__ import annotations

import json

import pytest

from benchmarks.figures import Figure, machine, table, write_json


def test_the_median_decides_whether_a_goal_is_met():
    assert Figure("a", "s", (0.1, 0.2, 9.0), goal=0.2).verdict == "met (at most 0.2)"
    assert Figure("a", "s", (0.1, 0.3, 0.3), goal=0.2).verdict == "MISSED (at most 0.2)"
    assert Figure("a", "ratio", (0.5, 0.6), least=0.5).verdict == "met (at least 0.5)"
    assert Figure("a", "ratio", (0.4, 0.4), least=0.5).verdict == "MISSED (at least 0.5)"


def test_without_a_goal_there_is_no_verdict():
    assert Figure("a", "s", (1.0,)).verdict == ""


@pytest.mark.parametrize(("reading", "shown"), [(0.0421, "0.042"), (45.67, "45.7"), (12345.6, "12346")])
def test_a_table_shows_as_many_digits_as_mean_something(reading, shown):
    (_, line) = table([Figure("thing", "unit", (reading,))]).splitlines()
    assert line.split() == ["thing", shown, shown, shown, "1", "[unit]"]


def test_a_file_of_figures_says_of_which_machine_they_are(tmp_path):
    path = tmp_path / "figures.json"
    write_json(path, machine(), [Figure("thing", "s", (1.0, 2.0, 6.0), goal=3.0)])
    found = json.loads(path.read_text())
    thing = {"unit": "s", "median": 2.0, "min": 1.0, "max": 6.0, "runs": 3, "goal_at_most": 3.0}
    assert found["figures"] == {"thing": thing}
    assert found["begun"]["cores"] == found["ended"]["cores"] >= 1
