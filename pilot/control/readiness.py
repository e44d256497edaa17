"""Whether this pilot may ask for a job at all: time is left in the slot, and its credentials are good."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Callable

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed

if TYPE_CHECKING:
    from pilot.control.credentials import Credential
    from pilot.settings import Settings
    from pilot.site.features import FeatureSource


class Readiness:
    """``credential`` answers what the pilot's credentials are; it is not asked where nothing is to be said of them."""

    def __init__(
        self,
        settings: Settings,
        features: FeatureSource,
        credential: Callable[[], Credential],
        now: Callable[[], float] = time.time,
        load: Callable[[], float] = lambda: os.getloadavg()[0],
    ) -> None:
        self._margin = settings.monitor.slot_margin
        self._most_load = settings.job.most_load
        self._least = settings.credentials.at_start
        self._matters = bool(settings.server.certificate or self._least)
        self._features, self._credential, self._now, self._load = features, credential, now, load

    def remaining(self) -> float:
        """Answer the seconds in which jobs may run, as the batch system says; infinite when it says nothing."""
        end = self._features.read().end
        return float("inf") if end is None else max(0.0, end - self._now() - self._margin)

    def check(self) -> None:
        """Object to asking for a job.

        Raises:
            JobFailed: the slot is about to end (REACHED_MAX_TIME), a credential is missing or lives too short, or the
                node has too much to do just now (RESOURCE_UNAVAILABLE).
        """
        if not self.remaining():
            words = "the batch system takes the slot back (machine and job features)"
            raise JobFailed(ErrorCode.REACHED_MAX_TIME, words)
        if self._most_load:
            self._check_load(self._load() / (os.cpu_count() or 1))
        if self._matters:
            from pilot.control.credentials import objection

            if (problem := objection(self._credential(), self._now(), self._least)) is not None:
                raise JobFailed(problem.code, problem.detail)

    def _check_load(self, load: float) -> None:
        if load > self._most_load:
            words = f"the node's load is {load:.1f} per core, more than {self._most_load:.1f} (job.most_load)"
            raise JobFailed(ErrorCode.RESOURCE_UNAVAILABLE, words)
