"""Hearing signals at once, in whichever thread they arrive, and what they mean."""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from pilot.contract.codes import ErrorCode
from pilot.errors import ConfigError
from pilot.job import PayloadOutcome, Problem

#: The signals that end a pilot, and what its jobs are then reported with.
SIGNALS: Mapping[int, ErrorCode] = {
    signal.SIGTERM: ErrorCode.SIGTERM,
    signal.SIGINT: ErrorCode.SIGINT,
    signal.SIGQUIT: ErrorCode.SIGQUIT,
    signal.SIGXCPU: ErrorCode.SIGXCPU,
    signal.SIGUSR1: ErrorCode.SIGUSR1,
    # What a closed terminal, and some batch systems, send; the wrapper passes them on.
    signal.SIGHUP: ErrorCode.KILL_SIGNAL,
    signal.SIGUSR2: ErrorCode.KILL_SIGNAL,
}


def meanings(preemption: Iterable[str]) -> dict[int, ErrorCode]:
    """Answer what each signal means at a site that has slots taken back by some of them, named as SIGUSR2.

    Raises:
        ConfigError: one of them is no signal that ends a pilot.
    """
    numbers = {signal.Signals(number).name: number for number in SIGNALS}
    for name in preemption:
        if name not in numbers:
            raise ConfigError(f"stop.preemption: {name!r} is none of {', '.join(sorted(numbers))}")
    return {**SIGNALS, **{numbers[name]: ErrorCode.PREEMPTION for name in preemption}}


def problem_of(number: int, meanings: Mapping[int, ErrorCode]) -> Problem:
    """Answer what jobs are reported with when a signal ends their pilot."""
    code = meanings.get(number, ErrorCode.KILL_SIGNAL)
    words = "the batch system took the slot back by" if code is ErrorCode.PREEMPTION else "the pilot was ended by"
    return Problem(code, f"{words} {signal.Signals(number).name}")


#: Seconds within which a pilot hears a signal that a batch system sends to everything in its slot.
MOMENT = 0.5
#: What a shell adds to the number of the signal that has ended its program.
_BY_SHELL = 128


def may_be_meant_for_all(outcome: PayloadOutcome) -> bool:
    """Say whether a payload was ended by a signal that batch systems send, perhaps to the pilot at the same time."""
    return outcome.signal in SIGNALS or (outcome.status or 0) - _BY_SHELL in SIGNALS


def hear(numbers: Iterable[int], words: queue.SimpleQueue[Any]) -> int:
    """Put the number of each of these signals to ``words`` as soon as it comes; called in the main thread.

    A handler of Python's would not do: of two signals at once the kernel gives the second one to another thread, and
    the main thread, which waits for words, would run its handler when it wakes for another reason. SIGHUP is left alone
    where it is ignored: started by nohup, a program outlives its terminal. That SIGCHLD is ignored, as some who start
    pilots leave it, is undone: no program's exit status would be known.

    Returns:
        The descriptor that signals are written to; when it is closed, the hearing ends.
    """
    reading, writing = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(writing, False)
    wanted = {int(number) for number in numbers}
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        wanted.discard(signal.SIGHUP)
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)

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
