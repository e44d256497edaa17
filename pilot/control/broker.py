"""The lane that listens to the message broker. Whatever becomes of the broker, the pilot works on."""

from __future__ import annotations

import contextlib
import logging
import queue
import random
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Optional

from pilot.broker.calls import Meaningless, TaskCall, WorkCall, read_call
from pilot.broker.link import Link, Lost, connect
from pilot.contract.codes import ErrorCode
from pilot.control.component import END, Budget, Component
from pilot.control.lifecycle import Event
from pilot.control.news import Called, Listening, TaskOrder
from pilot.job import Problem
from pilot.runtime.waking import Waking

if TYPE_CHECKING:
    from pilot.broker.frames import Frame
    from pilot.broker.place import Place
    from pilot.control.lanes import Tell
    from pilot.settings.broker import Broker

log = logging.getLogger(__name__)

READ: Any = object()
BEAT: Any = object()
CONNECT: Any = object()
#: Different messages that nobody here understands, each of which is logged once.
MOST_COMPLAINTS = 20


class Failed(NamedTuple):
    """No connection could be made, and why."""

    words: str


class BrokerLane(Component):
    """Waits for messages, for what is said to it, and for the time to try again.

    A connection is made in a thread of its own, which nobody waits for: names may take long to be looked up.
    """

    def __init__(
        self,
        budget: Budget,
        settings: Broker,
        place: Place,
        tell: Tell,
        clock: Callable[[], float] = time.monotonic,
        luck: Callable[[], float] = random.random,
    ) -> None:
        self._waking = Waking()
        super().__init__("broker", self._waking, budget)
        self._settings, self._place, self._tell, self._clock, self._luck = settings, place, tell, clock, luck
        self._link: Optional[Link] = None
        self._linked_at = 0.0
        self._connect_at: Optional[float] = float("-inf")
        self._failures = 0
        self._complaints: set[str] = set()

    def take(self) -> Any:
        item = self._next()
        if item is END:
            if self._link is not None:
                self._link.close()
            self._waking.close()
        return item

    def _next(self) -> Any:
        """Wait for what is to be handled next."""
        while True:
            with contextlib.suppress(queue.Empty):
                return self.inbox.get_nowait()
            at = self._connect_at if self._link is None else self._link.next_beat()
            now = self._clock()
            if at is not None and at <= now:
                return CONNECT if self._link is None else BEAT
            if self._waking.wait([] if self._link is None else [self._link], None if at is None else at - now):
                return READ

    def handle(self, item: Any) -> None:
        try:
            if item is CONNECT:
                self._connect_at = None
                threading.Thread(target=self._connect, name="broker-connect", daemon=True).start()
            elif isinstance(item, Failed):
                self._pause(item.words)
            elif isinstance(item, Link):
                self._begin(item)
            elif self._link is not None:
                self._read(self._link) if item is READ else self._link.beat()
        except Lost as lost:
            self._lose(str(lost))

    def broke(self, item: Any, error: Exception) -> None:
        """Begin anew."""
        self._lose(f"{type(error).__name__}: {error}")

    def _connect(self) -> None:
        """Make a connection; in a thread of its own."""
        try:
            self.inbox.put(connect(self._place, self._clock))
        except Lost as lost:
            self.inbox.put(Failed(str(lost)))

    def _begin(self, link: Link) -> None:
        self._link, self._linked_at = link, self._clock()
        log.info("listening to %s", self._place)
        self._tell(Listening(True))
        self._read(link)  # what came with the greeting

    def _read(self, link: Link) -> None:
        for message in link.messages():
            self._obey(message)
            link.acknowledge(message)  # also what says nothing here: it would only come again

    def _obey(self, message: Frame) -> None:
        try:
            call = read_call(message.body)
        except Meaningless as why:
            self._complain(str(why))
            return
        if isinstance(call, WorkCall):
            self._tell(Called())
        else:
            self._tell(_order(call))

    def _complain(self, words: str) -> None:
        if words not in self._complaints and len(self._complaints) < MOST_COMPLAINTS:
            self._complaints.add(words)
            log.warning("a message is passed over: %s", words)

    def _lose(self, words: str) -> None:
        if self._link is not None:
            link, self._link = self._link, None
            link.close()
            if self._clock() - self._linked_at > self._settings.pause_most:
                self._failures = 0
            self._tell(Listening(False))
        self._pause(words)

    def _pause(self, words: str) -> None:
        """Try again later, and not together with every other pilot."""
        if not self._failures:
            log.warning("%s: %s; the pilot works on without it, and tries again", self._place, words)
        pause = min(self._settings.pause * 2.0 ** min(self._failures, 40), self._settings.pause_most)
        self._failures += 1
        self._connect_at = self._clock() + pause * (0.5 + self._luck())


def _order(call: TaskCall) -> TaskOrder:
    event = Event.SOFT_KILL if call.softly else Event.KILL
    of = f"task {call.task_id}" if call.job_id is None else f"job {call.job_id} of task {call.task_id}"
    how = "ended in its own way (finish_task)" if call.softly else "ended (kill_task)"
    problem = Problem(ErrorCode.KILLED_BY_SERVER, f"a message wants {of} {how}")
    return TaskOrder(call.task_id, call.job_id, event, problem)
