"""The log handler that finds incidents: it takes a copy of what matters, and a thread writes it down a moment later.

It never raises, never waits and never listens to itself. While the database does not answer, the incidents stay in
memory, alike ones together, and are written when it does.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings

from server.incidents import logic
from server.incidents.sighting import Sighting, fold, sighting_of
from server.lib.afterwards import Afterwards

#: What this app, and the thread that writes for it, say is not looked at.
OWN = "server.incidents"
#: Incidents that are kept in memory, alike ones as one.
MOST = 500


class Incidents(logging.Handler):
    """Hands records on to the incident log."""

    def __init__(self, least: int, found: Afterwards[Sighting]) -> None:
        """``least`` is the lowest level that makes an incident; ``found`` writes them down."""
        super().__init__(logging.WARNING)
        self._least, self._found = least, found

    def handle(self, record: logging.LogRecord) -> bool:
        # Without logging's lock: nothing here is shared, and whoever logs waits for nobody.
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith(OWN) or record.threadName == OWN or not logic.is_incident(record, self._least):
            return
        # Whatever an argument does when it is written: the log's own handlers will tell.
        with suppress(Exception):
            self._found.put(sighting_of(record))

    def flush(self) -> None:
        with suppress(Exception):
            self._found.flush()


def _write(sightings: list[Sighting]) -> None:
    if FOUND.lost:
        lost, FOUND.lost = FOUND.lost, 0
        sightings = [*sightings, _of_lost(lost)]
    logic.record(sightings, host=socket.gethostname()[:120], process=process_name())


def _of_lost(times: int) -> Sighting:
    now, words = datetime.now(UTC), "records came faster than they could be written, and were left out"
    return Sighting("incidents", OWN, logging.WARNING, words, "", "", words, now, now, times)


def process_name() -> str:
    """Say which of the server's processes this is, for people: its command and its number."""
    words = [Path(sys.argv[0]).name, *(word for word in sys.argv[1:2] if not word.startswith("-"))]
    return f"{' '.join(words)} ({os.getpid()})"[:120]


#: What was found in this process.
FOUND: Afterwards[Sighting] = Afterwards(OWN, _write, most=MOST, fold=fold)


def install() -> None:
    """Have the log of this process listened to; once is enough, and more do no harm."""
    root = logging.getLogger()
    if not any(isinstance(one, Incidents) for one in root.handlers):
        least: int = getattr(logging, settings.ENVIRONMENT.incident_level)
        root.addHandler(Incidents(least, FOUND))
    FOUND.start()
