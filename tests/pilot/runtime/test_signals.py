from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading

import pytest

from pilot.contract.codes import ErrorCode
from pilot.errors import ConfigError
from pilot.job import PayloadOutcome, Problem
from pilot.runtime.signals import SIGNALS, hear, may_be_meant_for_all, meanings, problem_of

NUMBERS = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


@pytest.fixture(autouse=True)
def restored():
    handlers = {number: signal.getsignal(number) for number in NUMBERS}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def words():
    heard = queue.SimpleQueue()
    writing = hear(NUMBERS, heard)
    yield heard
    signal.set_wakeup_fd(-1)
    os.close(writing)


def test_each_signal_is_heard(words):
    for number in NUMBERS:
        os.kill(os.getpid(), number)
        assert words.get(timeout=60) == number


def test_a_signal_that_another_thread_gets_is_heard_while_the_main_thread_waits(words):
    over = threading.Event()
    other = threading.Thread(target=over.wait, daemon=True)
    other.start()
    threading.Timer(0.1, lambda: signal.pthread_kill(other.ident, signal.SIGUSR2)).start()
    assert words.get(timeout=60) == signal.SIGUSR2
    over.set()
    other.join(60)


def test_how_programs_end_is_known_also_where_whoever_began_this_one_did_not_want_to_know():
    code = (
        "import queue, signal, subprocess; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "from pilot.runtime.signals import hear; hear([signal.SIGUSR1], queue.SimpleQueue())\n"
        "print(subprocess.call(['sh', '-c', 'exit 3']))"
    )
    ran = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    assert ran.stdout == "3\n"


def test_a_hangup_that_is_ignored_stays_so():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    writing = hear(NUMBERS, queue.SimpleQueue())
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    signal.set_wakeup_fd(-1)
    os.close(writing)


@pytest.mark.parametrize("number", SIGNALS)
def test_each_signal_has_a_code_of_its_name_or_the_one_for_any(number):
    others = {signal.SIGHUP, signal.SIGUSR2}
    assert SIGNALS[number].name == ("KILL_SIGNAL" if number in others else signal.Signals(number).name)


def test_a_site_says_which_signals_mean_that_it_takes_the_slot_back():
    meant = meanings(["SIGUSR2", "SIGTERM"])
    assert {number for number, code in meant.items() if code is ErrorCode.PREEMPTION} == {
        signal.SIGUSR2,
        signal.SIGTERM,
    }
    assert meant[signal.SIGINT] is ErrorCode.SIGINT
    words = "the batch system took the slot back by SIGTERM"
    assert problem_of(signal.SIGTERM, meant) == Problem(ErrorCode.PREEMPTION, words)
    assert problem_of(signal.SIGINT, meant) == Problem(ErrorCode.SIGINT, "the pilot was ended by SIGINT")


def test_without_a_word_of_the_site_no_signal_is_a_preemption():
    assert meanings([]) == SIGNALS


@pytest.mark.parametrize("name", ["USR2", "SIGKILL", "sigterm", "15"])
def test_a_signal_that_does_not_end_a_pilot_is_refused_with_those_that_do(name):
    with pytest.raises(ConfigError, match=r"stop\.preemption: .* is none of SIGHUP, SIGINT, .*SIGXCPU"):
        meanings([name])


@pytest.mark.parametrize(
    ("status", "number", "meant"),
    [
        (None, signal.SIGTERM, True),
        (None, signal.SIGUSR1, True),
        (None, signal.SIGKILL, False),
        (128 + signal.SIGXCPU, None, True),
        (1, None, False),
        (0, None, False),
    ],
)
def test_a_payload_may_have_been_ended_together_with_the_pilot(tmp_path, status, number, meant):
    outcome = PayloadOutcome(status, number, tmp_path, tmp_path, tmp_path)
    assert may_be_meant_for_all(outcome) is meant
