from __future__ import annotations

import os
import queue
import signal
import threading

import pytest

from pilot.runtime.signals import hear

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
        assert words.get(timeout=5) == number


def test_a_signal_that_another_thread_gets_is_heard_while_the_main_thread_waits(words):
    over = threading.Event()
    other = threading.Thread(target=over.wait, daemon=True)
    other.start()
    threading.Timer(0.1, lambda: signal.pthread_kill(other.ident, signal.SIGUSR2)).start()
    assert words.get(timeout=5) == signal.SIGUSR2
    over.set()
    other.join(5)


def test_a_hangup_that_is_ignored_stays_so():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    writing = hear(NUMBERS, queue.SimpleQueue())
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    signal.set_wakeup_fd(-1)
    os.close(writing)
