"""The time budgets of the test folders."""

from __future__ import annotations

import pytest

from tests.budget import Spent, add_up, as_table, home_of, slowest

BUDGETS = {"tests": 10.0, "tests/pilot": 20.0, "tests/pilot/control": 5.0}


@pytest.mark.parametrize(
    ("test", "folder"),
    [
        ("tests/test_docs.py::test_a", "tests"),
        ("tests/pilot/site/test_node.py::test_a[tests/pilot/control]", "tests/pilot"),
        ("tests/pilot/control/checks/test_disk.py::Kit::test_a", "tests/pilot/control"),
        ("tests/pilots/test_node.py::test_a", "tests"),
    ],
)
def test_a_test_counts_for_the_innermost_folder_with_a_budget(test, folder):
    assert home_of(test, BUDGETS) == folder


def test_a_test_outside_of_every_folder_is_named():
    with pytest.raises(LookupError, match=r"elsewhere/test_a\.py"):
        home_of("elsewhere/test_a.py::test_a", BUDGETS)


def test_the_phases_of_a_test_are_one_test_and_their_times_add_up():
    phases = [("tests/test_a.py::test_a", 1.0), ("tests/test_a.py::test_a", 2.0), ("tests/test_a.py::test_b", 4.0)]
    assert add_up(phases, BUDGETS) == [Spent("tests", 10.0, tests=2, seconds=7.0)]


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(10, ""), (11, "OVER BUDGET"), (20, "OVER BUDGET"), (21, "FAR OVER BUDGET")]
)
def test_only_far_over_budget_is_called_far(seconds, verdict):
    assert Spent("tests", 10.0, tests=1, seconds=seconds).verdict == verdict


def test_the_slowest_files_are_named_first():
    took = [("a.py::test_a", 1.0), ("b.py::test_a[x::y]", 2.0), ("b.py::test_b", 2.0), ("c.py::test_a", 0.5)]
    assert slowest(took, 2) == [("b.py", 4.0), ("a.py", 1.0)]


def test_the_table_has_a_line_per_folder_with_its_verdict():
    _, line = as_table([Spent("tests", 10.0, tests=3, seconds=12.34)])
    assert line.split() == ["tests", "3", "12.3", "10", "OVER", "BUDGET"]


@pytest.mark.parametrize(("budget", "status"), [(0.000001, pytest.ExitCode.TESTS_FAILED), (60, pytest.ExitCode.OK)])
def test_a_run_fails_when_a_folder_takes_far_too_long(pytester, budget, status):
    pytester.makeconftest(f"""
        from tests.budget import TimeBudget

        def pytest_configure(config):
            config.pluginmanager.register(TimeBudget({{".": {budget}}}))
    """)
    pytester.makepyfile("def test_well(): assert True")
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:django")
    assert result.ret == status
    result.stdout.fnmatch_lines(["*time budget*", "folder*", ". *1*", "*1 passed*"])
    assert ("This run FAILS by its time budgets" in result.stdout.str()) == (status != pytest.ExitCode.OK)
