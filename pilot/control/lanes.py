"""Lanes: threads that do one kind of work for one job at a time, and the way to stop what they do."""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Callable, Optional

from pilot.contract.codes import ErrorCode
from pilot.control.component import Budget, Component
from pilot.control.lifecycle import Effect, Event
from pilot.control.news import Key, News, Work
from pilot.copytool.base import Cancel
from pilot.errors import PilotError
from pilot.job import Problem

Tell = Callable[[News], None]


def problem_of(error: PilotError) -> Problem:
    """Answer an error as a job's problem."""
    return Problem(ErrorCode(error.code), error.detail)


class Lane(Component):
    """Does one kind of work. An error with a code fails the job with it; any other is a fault of ours."""

    def __init__(
        self, name: str, inbox: queue.Queue[Work], budget: Budget, tell: Tell, do: Callable[[Work], None]
    ) -> None:
        super().__init__(name, inbox, budget)
        self._tell, self._do = tell, do

    def handle(self, item: Work) -> None:
        try:
            self._do(item)
        except PilotError as error:
            self._tell(item.answer(Event.FAIL, problem_of(error)))

    def broke(self, item: Work, error: Exception) -> None:
        if item.effect is not Effect.CLEAN:
            words = f"{self.name} broke: {type(error).__name__}: {error}"
            self._tell(item.answer(Event.FAIL, Problem(ErrorCode.INTERNAL_ERROR, words)))


class Sharded:
    """Several inboxes as one: what concerns one job goes to the same one each time, and so stays in order."""

    def __init__(self, inboxes: Sequence[queue.Queue[Work]]) -> None:
        self._inboxes = inboxes

    def put(self, item: Work) -> None:
        """Take one item."""
        self._inboxes[hash(item.key) % len(self._inboxes)].put(item)


class Occupied:
    """What is being done for which job, so that it can be stopped, and somebody can wait until it has stopped.

    Shared by the lanes that do and the lane that stops. Work that a stop has overtaken in its inbox finds its token
    asked when it begins.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._tokens: dict[Key, Cancel] = {}
        self._busy: dict[Key, int] = {}
        self._stopped: dict[Key, int] = {}
        self._stops: dict[Key, Callable[[], None]] = {}
        self._asks: dict[Key, Callable[[float], None]] = {}
        self._graces: dict[Key, float] = {}
        self._handed: set[Key] = set()  # what others do meanwhile

    @contextlib.contextmanager
    def doing(self, work: Work) -> Iterator[Cancel]:
        """Be busy with some work, under a token that says when to give up."""
        key = work.key
        with self._changed:
            token = self._tokens[key] = Cancel()
            self._busy[key] = self._busy.get(key, 0) + 1
            if work.job.step < self._stopped.get(key, 0):
                token.ask()
            back = key in self._handed
        try:
            yield token
        finally:
            with self._changed:
                if back:  # and with this the job has come back
                    self._handed.discard(key)
                if key in self._busy:  # not when the job was forgotten, because this would not end
                    self._busy[key] -= 1 + back
                if key not in self._handed:
                    self._stops.pop(key, None)
                    self._asks.pop(key, None)
                self._changed.notify_all()

    def hand_over(self, key: Key, stop: Callable[[], None], ask: Callable[[float], None]) -> bool:
        """Leave a job to somebody else, who stops it by ``stop`` and ``ask``: it is busy until it was begun once more.

        True when it was to be stopped, or asked to end, already.
        """
        with self._changed:
            self._handed.add(key)
            self._busy[key] += 1
            self._stops[key], self._asks[key] = stop, ask
            return bool(self._tokens[key]) or key in self._graces

    def stops_by(self, key: Key, stop: Callable[[], None], ask: Optional[Callable[[float], None]] = None) -> None:
        """Say how to stop what is being done, and how to ask it to end within so many seconds.

        When a stop, or an end, was asked for already, that happens at once.
        """
        with self._changed:
            self._stops[key] = stop
            if ask is not None:
                self._asks[key] = ask
            late, grace = bool(self._tokens[key]), self._graces.get(key)
        if late:
            stop()
        elif ask is not None and grace is not None:
            ask(grace)

    def ask(self, key: Key, grace: float) -> None:
        """Ask what is being done for a job to end within ``grace`` seconds; what has not begun is asked when it has."""
        with self._changed:
            self._graces[key] = grace
            ask = self._asks.get(key)
        if ask is not None:
            ask(grace)

    def asked(self, key: Key) -> bool:
        """Say whether what is being done for a job was asked to end: nothing more is to begin for it."""
        with self._changed:
            return key in self._graces

    def stop(self, work: Work, patience: float) -> bool:
        """Stop whatever was begun for a job at an earlier step; wait up to ``patience`` seconds. True when it ended."""
        key = work.key
        with self._changed:
            self._stopped[key] = work.job.step
            if (token := self._tokens.get(key)) is not None:
                token.ask()
            stop = self._stops.get(key)
        if stop is not None:
            stop()
        with self._changed:
            return self._changed.wait_for(lambda: not self._busy.get(key), patience)

    def forget(self, key: Key) -> None:
        """Drop what is known of a job that has ended, but that it has: its work may still wait in some inbox."""
        with self._changed:
            self._stopped[key] = sys.maxsize
            self._handed.discard(key)
            for known in (self._tokens, self._busy, self._stops, self._asks, self._graces):
                known.pop(key, None)
