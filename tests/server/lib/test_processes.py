from __future__ import annotations

import os
import subprocess
import sys

import pytest

from server.lib.processes import ProcessName, is_alive, is_dead, machine, name_of, own_name


@pytest.fixture
def child():
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    yield process
    process.stdin.close()
    process.wait()


def test_a_process_has_a_name_while_it_lives(child):
    name = name_of(child.pid)
    assert is_alive(name)
    assert not is_dead(str(name))
    child.stdin.close()
    child.wait()
    assert not is_alive(name)
    assert is_dead(str(name))


def test_a_process_that_has_ended_and_was_not_waited_for_is_dead(child):
    name = name_of(child.pid)
    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert name_of(child.pid) is None
    assert is_dead(str(name))


def test_a_pid_that_is_used_again_is_another_process():
    own = own_name()
    assert is_dead(str(ProcessName(own.machine, own.pid, own.started - 1)))


def test_of_another_machine_one_cannot_know():
    assert not is_dead("elsewhere|boot-1|1|1")


def test_a_name_is_read_as_it_was_written():
    assert ProcessName.parse(str(own_name())) == own_name()
    assert own_name().machine == machine()


@pytest.mark.parametrize("text", ["", "me", "a|b|c", "a|1|x", "|"])
def test_other_text_names_no_process_and_nobody_is_called_dead_for_it(text):
    assert ProcessName.parse(text) is None
    assert not is_dead(text)
