"""Asking in a process apart: what it yields, how it is ended, and what its end is told as."""

from __future__ import annotations

import os
import select
import signal
import time
from pathlib import Path

import pytest

from server.lib.apart import MOST_KEPT
from server.storage.apart import Apart
from server.storage.base import StorageMisconfigured, StorageUnavailable


@pytest.fixture
def apart(tmp_path, monkeypatch):
    """Answer a maker of children for a module of this text."""

    def make(text, idle=600.0, **environment):
        (tmp_path / "asked_by_a_test.py").write_text(text)
        plain = {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
        return Apart("asked_by_a_test", {**plain, **environment}, idle)

    return make


def ask(apart, function="f", patience=20.0, **arguments):
    return list(apart.ask(function, arguments, patience=patience))


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_what_a_function_yields_comes_piece_by_piece(apart):
    made = apart("def f(count):\n    yield from range(count)\n")
    assert ask(made, count=3) == [0, 1, 2]
    assert ask(made, count=0) == []


def test_an_answer_may_be_long_and_in_any_letters(apart):
    made = apart("def f(text):\n    yield text * 100_000\n")
    assert ask(made, text="µ\n") == ["µ\n" * 100_000]


def test_an_answer_without_an_end_is_not_listened_to(apart, monkeypatch):
    monkeypatch.setattr("server.lib.apart.LONGEST_LINE", 1_000_000)
    assert len(ask(apart("def f():\n    yield 'x' * 900_000\n"))[0]) == 900_000
    with pytest.raises(StorageUnavailable, match="more than 1000000 bytes in one line"):
        ask(apart("def f():\n    yield 'x' * 1_100_000\n"))


def test_a_child_is_used_again(apart):
    made = apart("import os\ndef f():\n    yield os.getpid()\n")
    assert ask(made) == ask(made)


def test_a_child_that_was_ended_while_it_waited_is_replaced(apart):
    made = apart("import os\ndef f():\n    yield os.getpid()\n")
    (pid,) = ask(made)
    ended = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    assert select.select([ended], [], [], 10)[0]
    os.close(ended)
    assert ask(made) != [pid]


def ended(pid, seconds=30):
    """Wait for the end of a process."""
    try:
        door = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return select.select([door], [], [], seconds)[0] != []
    finally:
        os.close(door)


def test_children_that_nothing_is_asked_of_are_ended_after_a_time_and_the_next_question_is_answered_by_another(apart):
    made = apart("import os\ndef f():\n    yield os.getpid()\n    yield 0\n", idle=0.05)
    asking = [made.ask("f", {}, patience=20.0) for _ in range(3)]
    pids = [next(each) for each in asking]
    for each in asking:
        assert list(each) == [0]
    assert all(ended(pid) for pid in pids)
    assert ask(made)[0] not in pids


def test_a_child_that_waits_has_its_whole_time_after_each_question(apart):
    made = apart("import os\ndef f():\n    yield os.getpid()\n", idle=600.0)
    (pid,) = ask(made)
    made._kept._end_idle()
    assert ask(made) == [pid]


def test_a_child_has_the_environment_that_was_given(apart):
    made = apart("import os\ndef f():\n    yield os.environ['XRD_X']\n", XRD_X="7")
    assert ask(made) == ["7"]


def test_what_is_printed_is_no_answer(apart):
    made = apart("import os\ndef f():\n    print('noise', flush=True); os.write(1, b'noise\\n'); yield 1\n")
    assert ask(made) == [1]


def test_a_child_that_is_silent_for_too_long_is_killed(apart, tmp_path):
    made = apart(
        "import os, pathlib, signal\n"
        "def quick():\n    yield os.getpid()\n"
        "def f():\n    yield os.getpid()\n    signal.pthread_sigmask(signal.SIG_BLOCK, [15]); signal.pause()\n"
    )
    (pid,) = ask(made, "quick")
    begun = time.monotonic()
    with pytest.raises(StorageUnavailable, match="no answer within 0 s"):
        ask(made, patience=0.3)
    assert time.monotonic() - begun < 30
    assert not is_alive(pid)
    assert ask(made, "quick") != [pid]


def test_a_child_that_does_not_even_listen_to_a_long_question_is_killed(apart):
    made = apart("import os\ndef f(text=''):\n    yield os.getpid()\n")
    (pid,) = ask(made)
    os.kill(pid, signal.SIGSTOP)
    os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)
    with pytest.raises(StorageUnavailable, match="no answer within 0 s"):
        ask(made, text="x" * 2**20, patience=0.1)
    assert not is_alive(pid)


def test_a_child_that_dies_is_told_with_its_status(apart):
    with pytest.raises(StorageUnavailable, match="ended with status -9"):
        ask(apart("import os\ndef f():\n    yield 1\n    os.kill(os.getpid(), 9)\n"))


def test_a_fault_in_the_child_is_told(apart):
    with pytest.raises(StorageUnavailable, match="ended with status 1"):
        ask(apart("def f():\n    yield 1 / 0\n"))


def test_what_a_child_says_of_the_service_is_raised_here_and_its_client_is_not_used_again(apart):
    made = apart(
        "import os\nfrom server.storage.base import StorageUnavailable\n"
        "def quick():\n    yield os.getpid()\n"
        "def f():\n    yield 1\n    raise StorageUnavailable('it hangs')\n"
    )
    first = ask(made, "quick")
    with pytest.raises(StorageUnavailable, match="it hangs"):
        ask(made)
    assert ask(made, "quick") != first


def test_a_library_that_is_missing_is_a_matter_of_configuration(apart):
    with pytest.raises(StorageMisconfigured, match="no_such_library"):
        ask(apart("import no_such_library\n"))


def test_an_answer_that_is_not_read_to_its_end_leaves_nobody_working(apart):
    made = apart("import os\ndef f():\n    while True: yield os.getpid()\n")
    pid = next(iter(made.ask("f", {}, patience=20.0)))
    assert not is_alive(pid)


def test_no_more_children_are_kept_than_are_worth_it_and_none_outlives_who_asks(apart):
    made = apart("import os\ndef f(n):\n    yield os.getpid()\n    yield n\n")
    asking = [made.ask("f", {"n": n}, patience=20.0) for n in range(MOST_KEPT + 2)]
    pids = [next(each) for each in asking]
    assert [list(each) for each in asking] == [[n] for n in range(MOST_KEPT + 2)]
    assert sum(map(is_alive, pids)) == MOST_KEPT
    del made, asking
    assert not any(map(is_alive, pids))


def test_a_child_ends_with_its_parent_also_in_the_middle_of_a_call(apart, tmp_path):
    made = apart("import signal, os\ndef f():\n    yield os.getpid()\n    signal.pause()\n")
    asking = made.ask("f", {}, patience=20.0)
    pid = next(asking)
    reader = os.pidfd_open(pid)
    child = asking.gi_frame.f_locals["child"]
    child._to.close()  # as the kernel does for a process that is gone
    assert select.select([reader], [], [], 10)[0]
    os.close(reader)
