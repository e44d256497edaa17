"""Hearing signals at once, in whichever thread they arrive."""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Iterable
from typing import Any


def hear(numbers: Iterable[int], words: queue.SimpleQueue[Any]) -> int:
    """Put the number of each of these signals to ``words`` as soon as it comes; called in the main thread.

    A handler of Python's would not do: of two signals at once the kernel gives the second one to another thread, and
    the main thread, which waits for words, would run its handler when it wakes for another reason. SIGHUP is left alone
    where it is ignored: started by nohup, a program outlives its terminal.

    Returns:
        The descriptor that signals are written to; when it is closed, the hearing ends.
    """
    reading, writing = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(writing, False)
    wanted = {int(number) for number in numbers}
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        wanted.discard(signal.SIGHUP)

    def pass_on() -> None:
        with os.fdopen(reading, "rb", 0) as pipe:
            while heard := pipe.read(64):
                for number in heard:
                    if number in wanted:
                        words.put(number)

    threading.Thread(target=pass_on, name="signals", daemon=True).start()
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in wanted:
        signal.signal(number, _nothing)
    return writing


def _nothing(*_: object) -> None:
    """Be the handler without which the number would not be written."""
