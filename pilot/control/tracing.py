"""The lane that sends Rucio traces of all copies. Nothing of the pilot waits for it; what is not taken is gone."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Callable, Optional

from pilot.api.traces import NotTaken, TraceSender, trace_of
from pilot.control.component import Budget, Component

if TYPE_CHECKING:
    from pilot.contract.job import JobSpec
    from pilot.contract.queue import QueueData
    from pilot.copytool.trace import Trace
    from pilot.settings import Settings

log = logging.getLogger(__name__)

#: Traces that wait; of more, the new ones are let go.
MOST_WAITING = 1000
#: What it breaks on is written to the log; it is no reason to end a pilot.
_BREAKAGES = 10**6


class TraceLane(Component):
    """Sends traces in their order; after one that was not taken, none for ``pause`` seconds."""

    def __init__(
        self,
        send: Callable[[Mapping[str, Any]], None],
        pause: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__("traces", queue.Queue(), Budget(_BREAKAGES))
        self._send, self._pause, self._clock = send, pause, clock
        self._not_before = float("-inf")

    def offer(self, trace: Mapping[str, Any]) -> None:
        """Take a trace, in any thread and at once."""
        if self.inbox.qsize() < MOST_WAITING:
            self.inbox.put(trace)

    def handle(self, item: Mapping[str, Any]) -> None:
        """Send one, unless Rucio is left alone for a while."""
        if self._clock() < self._not_before:
            return
        try:
            self._send(item)
        except NotTaken as wrong:
            self._not_before = self._clock() + self._pause
            log.warning("Rucio took no trace, and gets none for %.0f s: %s", self._pause, wrong)


class Tracing:
    """Is told of each try to copy a file, in the thread that has tried; the lane begins with the first.

    ``mask`` takes out of words what is secret.
    """

    def __init__(self, settings: Settings, add: Callable[[Component], None], mask: Callable[[str], str]) -> None:
        self._settings, self._add, self._mask = settings, add, mask
        self._lock = threading.Lock()
        self._lane: Optional[TraceLane] = None

    def __call__(self, spec: JobSpec, queue: QueueData, trace: Trace) -> None:
        """Have a try told; this never fails, and waits for nothing."""
        with self._lock:
            if self._lane is None:
                own = self._settings.rucio
                sender = TraceSender(own.traces, own.trace_timeout, self._settings.server)
                self._lane = TraceLane(sender.send, own.trace_pause)
                self._add(self._lane)
        self._lane.offer(trace_of(spec, queue, replace(trace, error=self._mask(trace.error))))
