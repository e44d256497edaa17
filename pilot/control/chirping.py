"""The lane that tells HTCondor which jobs its batch job has at hand. Nothing of the pilot waits for it or needs it."""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Callable

from pilot.contract.states import JobState
from pilot.control.component import Budget, Component
from pilot.control.lifecycle import TERMINAL
from pilot.hookspecs import hookimpl
from pilot.job import STATE_OF, Job
from pilot.site import chirp

if TYPE_CHECKING:
    from pilot.control.agent import Parts
    from pilot.settings.chirp import Chirp

log = logging.getLogger(__name__)

#: What it breaks on is written to the log; it is no reason to end a pilot.
_BREAKAGES = 10**6

Tell = Callable[[Mapping[str, chirp.Value]], bool]


def telling(path: str, seconds: float) -> Tell:
    """Answer what writes attributes by way of a starter's file, which is read each time: a starter may be another."""
    return lambda attributes: chirp.set_attributes(chirp.read(path), attributes, seconds)


def lane_for(parts: Parts) -> ChirpLane:
    """Make the lane of a pilot under HTCondor, and let it watch the jobs."""
    settings = parts.settings.chirp
    lane = ChirpLane(telling(parts.environment[chirp.CONFIG], settings.timeout), settings, parts.facts.pilot_id)
    parts.plugins.register(lane, name="chirp")
    return lane


def state_of(job: Job) -> str:
    """Answer the state that a job is reported in."""
    ended = JobState.FINISHED if job.problem is None else JobState.FAILED
    return STATE_OF.get(job.phase, ended).value


class ChirpLane(Component):
    """Hears of each move of a job, as a plugin, and has what changed written into the batch job's ClassAd.

    ``PandaID`` and ``PandaJobState`` are of the job that is at hand longest, or was the last; ``PandaJobs`` lists all
    that are, as ``7:running 8:starting``; ``PandaPilotId`` is the pilot's name in its reports.
    """

    def __init__(self, tell: Tell, settings: Chirp, pilot_id: str, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__("chirp", queue.Queue(), Budget(_BREAKAGES))
        self._tell, self._settings, self._clock = tell, settings, clock
        self._pilot_id = pilot_id
        self._jobs: dict[tuple[int, int], str] = {}
        self._last: tuple[int, str] = (0, "")
        self._told: Mapping[str, chirp.Value] = {}
        self._not_before = float("-inf")

    @hookimpl
    def job_moved(self, job: Job) -> None:
        """Take a move, in the conductor's thread."""
        self.inbox.put(job)

    def handle(self, item: Job) -> None:
        """Note a move; tell what is new, unless HTCondor is left alone for a while."""
        self._note(item)
        wanted = self._attributes()
        new = {name: value for name, value in wanted.items() if self._told.get(name) != value}
        if not new or self._clock() < self._not_before:
            return
        try:
            at_once = self._tell(new)
        except (OSError, chirp.Refused) as wrong:
            self._not_before = self._clock() + self._settings.pause
            log.warning("HTCondor was not told of the jobs, and is left alone for a while: %s", wrong)
            return
        if not self._told:
            begins = "" if at_once else f", where they begin with {chirp.DELAYED} (see want_io_proxy)"
            log.info("HTCondor is told of the jobs in the ClassAd of this batch job%s", begins)
        self._told = wanted

    def _note(self, job: Job) -> None:
        self._jobs[job.key] = state_of(job)
        if job.phase in TERMINAL:
            del self._jobs[job.key]
        key, state = next(iter(self._jobs.items()), (job.key, state_of(job)))
        self._last = key[0], state

    def _attributes(self) -> Mapping[str, chirp.Value]:
        number, state = self._last
        jobs = " ".join(f"{key[0]}:{state}" for key, state in self._jobs.items())
        return {"PandaID": number, "PandaJobState": state, "PandaPilotId": self._pilot_id, "PandaJobs": jobs}
