"""Tests that needed a second turn are named, told in full and counted."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import pytest

from tests.racy import TOLERATED, Racy, Turns, answer_at_once, are_too_many, as_lines


def some(number):
    return [Racy(f"tests/test_a.py::test_{each}", ("assert 1 == 2",), failed_again=False) for each in range(number)]


def test_only_what_was_run_again_is_racy_and_all_of_its_first_turn_is_kept():
    turns = Turns()
    for test, outcome, said in [
        ("a", "passed", ""),
        ("b", "rerun", "in the test"),
        ("b", "rerun", "in the teardown"),
        ("c", "failed", ""),
        ("d", "rerun", "lost"),
        ("b", "passed", ""),
        ("d", "failed", ""),
    ]:
        turns.note(test, outcome, said)
    assert turns.racy() == [
        Racy("b", ("in the test", "in the teardown"), failed_again=False),
        Racy("d", ("lost",), failed_again=True),
    ]


def test_each_is_told_with_what_came_of_it_and_its_first_failure():
    lines = list(as_lines([Racy("a", ("one\ntwo",), failed_again=False), Racy("b", ("three",), failed_again=True)]))
    assert lines[:4] == ["a: passed the second time; at first:", "    one", "    two", "b: failed again; at first:"]
    assert lines[-1] == "2 needed a second turn, each a defect to be mended"


def test_one_more_than_tolerated_is_too_many_and_that_is_said():
    assert not are_too_many(some(TOLERATED))
    assert are_too_many(some(TOLERATED + 1))
    assert list(as_lines(some(TOLERATED + 1)))[-1].endswith("MORE THAN 3, SO THIS RUN FAILS")


def test_a_process_that_runs_tests_is_answered_at_once(pytestconfig):
    with socket.socket() as asking:
        answer_at_once(SimpleNamespace(failures_db=SimpleNamespace(sock=asking), workerinput={}))
        assert asking.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    answer_at_once(SimpleNamespace())  # without the plugin, or its sockets
    if hasattr(pytestconfig, "workerinput"):
        assert pytestconfig.failures_db.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


CONFTEST = """
    from tests.racy import SecondTurns

    def pytest_configure(config):
        config.pluginmanager.register(SecondTurns())
"""
#: Tests that fail in their first turn only, one of them in a fixture; what a module shares is made once.
RACY = """
    from pathlib import Path

    import pytest

    def first(name):
        try:
            (Path(__file__).parent / name).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    @pytest.fixture(scope="module")
    def shared():
        assert first("made")
        yield "shared"
        assert first("ended")

    @pytest.fixture(params=range({number}))
    def late(request):
        if request.param == 1:
            assert not first("1")
        return request.param

    def test_always(shared):
        assert shared == "shared"

    def test_now_and_then(late, shared):
        print("what was printed by", late)
        assert shared == "shared"
        assert not first(f"{{late}}"), "too early"
"""


@pytest.mark.parametrize(
    ("number", "turns", "side_by_side", "status"),
    [
        (TOLERATED, 1, (), 0),
        (TOLERATED, 1, ("-n", "1", "--dist", "loadfile"), 0),
        (TOLERATED + 1, 1, (), pytest.ExitCode.TESTS_FAILED),
        (2, 0, (), pytest.ExitCode.TESTS_FAILED),
    ],
)
def test_a_run_names_what_had_a_second_turn_and_fails_when_these_are_many(
    pytester, number, turns, side_by_side, status
):
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(RACY.format(number=number))
    words = (*side_by_side, "--reruns", str(turns), "-p", "no:cacheprovider", "-p", "no:django")
    result = pytester.runpytest_inprocess(*words)
    assert result.ret == status
    if not turns:
        result.stdout.no_fnmatch_line("*needed a second turn*")
        return
    result.assert_outcomes(passed=number + 1)
    result.stdout.fnmatch_lines(
        [
            "*= racy =*",
            "*::test_now_and_then[[]0]: passed the second time; at first:",
            "*AssertionError: too early*",
            "*what was printed by 0",
        ]
    )
    result.stdout.fnmatch_lines(["*::test_now_and_then[[]1]: passed the second time; at first:", "*(setup)"])
    result.stdout.fnmatch_lines([f"{number} needed a second turn, each a defect to be mended*"])
