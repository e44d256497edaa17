"""Whether a payload has stopped getting on: no file in its directory is written any more."""

from __future__ import annotations

from typing import NamedTuple, Optional

from pilot.contract.codes import ErrorCode
from pilot.control.checks.base import GOOD, Situation, Verdict
from pilot.job import Problem

#: The part of one core that a payload uses which is not taken to be idle.
IDLE = 0.01


class Progress(NamedTuple):
    """When the payload was last seen to get on, and by what that is seen. Times are on the situation's clock."""

    alive: float
    looked: float
    stamps: int
    cpu_time: float


def look(situation: Situation, before: Optional[Progress]) -> Verdict:
    """Object when nothing was written for ``monitor.looping`` seconds in which pilot and payload ran.

    What counts is that time stamps change, not which times they say: clocks may be wrong. What was written since the
    directory was last walked through is not known, and so nothing is said of that time.
    """
    settings, readings, now = situation.settings, situation.readings, situation.clock
    if not settings.looping or not situation.job.spec.looping_check or readings.folder is None:
        return GOOD
    found = Progress(now, now, readings.folder.stamps, readings.cpu_time)
    by_cpu = settings.looping_by_cpu or readings.folder.closed  # what cannot be looked into may well be written
    if before is None or found.stamps != before.stamps or (by_cpu and _busy(before, found)):
        return Verdict(memory=found)
    frozen = readings.sample is not None and readings.sample.tree.stopped
    alive = before.alive + (now - before.looked if frozen else 0.0)
    quiet = now - readings.folder_age - alive
    if quiet < settings.looping:
        return Verdict(memory=before._replace(alive=alive, looked=now, cpu_time=readings.cpu_time))
    words = f"nothing was written in the job's directory for {quiet:.0f} s (monitor.looping)"
    return Verdict(Problem(ErrorCode.PAYLOAD_LOOPING, words), memory=before._replace(looked=now), stacks=True)


def _busy(before: Progress, found: Progress) -> bool:
    return found.cpu_time - before.cpu_time > IDLE * (found.looked - before.looked)
