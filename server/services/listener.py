"""The thread that hears that a service is wanted, and sends the message for it; not more often than is of use."""

from __future__ import annotations

import errno
import logging
import os
import select
import stat
import time
from collections.abc import Iterable

from django.db import DatabaseError, close_old_connections
from django.utils import timezone
from kombu.exceptions import OperationalError

from server.services import queries, schedules
from server.services.states import Asked
from server.services.wake import pipe

log = logging.getLogger(__name__)

#: Seconds between two messages for one service, whatever happens.
GAP = 0.2
#: Seconds between two looks at the wishes in the tables.
LOOK = 1.0
#: Seconds after which a wish in the tables is repeated; its message may have been lost.
REPEAT = 10.0
#: A message that waited this long, in seconds, is not followed: its service has run since.
MESSAGE_LIFETIME = 30


class Wishes:
    """Which services to send a message for, and when: a gap between two for the same one. Times are monotonic."""

    def __init__(self, gap: float = GAP) -> None:
        self._gap = gap
        self._sent: dict[str, float] = {}
        self._open: set[str] = set()

    def add(self, names: Iterable[str]) -> None:
        self._open.update(names)

    def take(self, now: float) -> list[str]:
        """Answer those whose gap has passed; the others stay."""
        ready = sorted(name for name in self._open if self._due(name) <= now)
        self._open.difference_update(ready)
        self._sent.update(dict.fromkeys(ready, now))
        return ready

    def sent_since(self, name: str, moment: float) -> bool:
        return self._sent.get(name, float("-inf")) >= moment

    def wait(self, now: float, longest: float) -> float:
        """Answer the seconds until the next one is ready."""
        return max(0.0, min([longest, *(self._due(name) - now for name in self._open)]))

    def _due(self, name: str) -> float:
        return self._sent.get(name, float("-inf")) + self._gap


class Listener:
    """Waits at the pipe; an empty line ends it."""

    def __init__(self) -> None:
        self._wishes = Wishes()
        self._stopping = False
        self._next_look = float("-inf")

    def run(self) -> None:
        door = _open_pipe()
        try:
            self._wishes.add(queries.overdue(timezone.now()))
            while not self._stopping:
                now = time.monotonic()
                self._look(now)
                _send(self._wishes.take(now), Asked.WAKE)
                readable, _, _ = select.select([door], [], [], self._wishes.wait(now, self._next_look - now))
                if readable:
                    self._wishes.add(os.read(door, 65536).decode(errors="replace").split())
        finally:
            os.close(door)

    def stop(self) -> None:
        """End soon; safe to call from a signal handler."""
        self._stopping = True
        try:
            door = os.open(pipe(), os.O_WRONLY | os.O_NONBLOCK)
        except OSError as wrong:
            if wrong.errno != errno.ENXIO:  # nobody listens there: it has ended by itself
                raise
            return
        try:
            os.write(door, b"\n")
        except (BlockingIOError, BrokenPipeError):
            return  # there is enough to wake it, or it has ended this moment
        finally:
            os.close(door)

    def _look(self, now: float) -> None:
        if now < self._next_look:
            return
        self._next_look = now + LOOK
        try:
            close_old_connections()
            names = queries.wanted()
        except DatabaseError as error:
            log.warning("cannot see which services are wanted: %s", error)
            return
        self._wishes.add(name for name in names if not self._wishes.sent_since(name, now - REPEAT))


def _open_pipe() -> int:
    """Open the pipe for reading and writing, so that it never ends when a writer goes."""
    path = pipe()
    if not path.exists():
        os.mkfifo(path, 0o600)
    elif not stat.S_ISFIFO(path.stat().st_mode):
        raise FileExistsError(f"{path} is not a pipe; remove it")
    return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)


def _send(names: Iterable[str], asked: Asked) -> None:
    for name in names:
        try:
            schedules.send(name, asked, lifetime=MESSAGE_LIFETIME)
        except OperationalError as error:
            log.warning("%s was not woken, the broker cannot be reached: %s", name, error)
