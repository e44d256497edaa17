"""Sends to one log service: pauses while it is away, and says once that it is, and once that it is back."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Callable

from pilot.realtime.services.base import NotSent, Unwanted

if TYPE_CHECKING:
    from pilot.realtime.records import Record
    from pilot.realtime.services.base import Service
    from pilot.settings.realtime import Realtime

log = logging.getLogger(__name__)

FIRST_PAUSE = 1.0


class Sending:
    """``clock`` answers seconds."""

    def __init__(self, service: Service, name: str, settings: Realtime, clock: Callable[[], float]) -> None:
        self._service, self._name, self._settings, self._clock = service, name, settings, clock
        self._failures = 0
        #: Before this time nothing is tried again.
        self.retry_at = float("-inf")

    def send(self, records: Sequence[Record], timeout: float) -> None:
        """Send records.

        Raises:
            NotSent, Unwanted: see `Service.send`.
        """
        try:
            self._service.send(records, timeout)
        except Unwanted as refused:
            log.warning("%s refuses %d records: %s", self._name, len(records), refused)
            raise
        except NotSent as failed:
            if not self._failures:
                log.warning("%s does not take lines: %s; it is tried again", self._name, failed)
            self._failures += 1
            pause = min(FIRST_PAUSE * 2.0 ** min(self._failures - 1, 40), self._settings.pause_most)
            self.retry_at = self._clock() + pause * random.uniform(0.5, 1.0)  # noqa: S311  # no secret
            raise
        if self._failures:
            log.info("%s takes lines again after %d failures", self._name, self._failures)
            self._failures, self.retry_at = 0, float("-inf")

    def close(self) -> None:
        """Let the connection go."""
        self._service.close()
