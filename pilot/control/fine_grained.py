"""Event ranges in a pilot: the way of jobs that work on them, and the end of those that dead pilots have left.

What does either is loaded with the first such job.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Callable

from pilot.api.replies import ServerError
from pilot.contract import naming
from pilot.control.running import OnDemand
from pilot.errors import JobFailed
from pilot.runtime import workdir

if TYPE_CHECKING:
    from pilot.api.communicator import Communicator
    from pilot.contract.job import JobSpec
    from pilot.control.journal import Record
    from pilot.control.lanes import Occupied, Tell
    from pilot.control.recovery import Sites
    from pilot.control.running import Way
    from pilot.copytool.toolbox import Toolbox
    from pilot.settings import Settings

log = logging.getLogger(__name__)

#: So often a final report waits for the ranges of its job, for a server that takes final reports and no ranges.
MOST_TRIES = 5


class FineGrained:
    """``left`` answers the seconds until the pilot has to be gone; ``own`` is the folder of its jobs' directories."""

    def __init__(
        self,
        settings: Settings,
        server: Communicator,
        toolbox: Toolbox,
        sites: Sites,
        left: Callable[[], float],
        own: Path,
        tell: Tell,
    ) -> None:
        self._own, self._tell, self._tries = own, tell, dict[int, int]()
        self._settings, self._server, self._toolbox, self._sites, self._left = settings, server, toolbox, sites, left

    def way(self, occupied: Occupied) -> Way:
        """Answer the way of jobs whose work comes in event ranges, and of those that merge what they stored."""

        def make() -> Way:
            from pilot.control.event_way import EventWay, around_of

            return EventWay(occupied, around_of(self._settings, self._server, self._toolbox, self._left), self._tell)

        return OnDemand(lambda work: work.job.spec.events or work.job.spec.merges_events, make)

    def tell_rest(self, spec: JobSpec) -> None:
        """Report what is stored of a job that is to end, and the server has not heard yet; after some tries no more.

        Raises:
            ServerError: it cannot be told now.
        """
        place = workdir.of(self._own, spec).root
        if not spec.events or not (place / naming.EVENT_JOURNAL).exists():
            return
        from pilot.eventservice import inheritance

        tries = self._tries[spec.id] = self._tries.get(spec.id, 0) + 1
        try:
            inheritance.settle(spec.id, place, self._server, None)
        except JobFailed as wrong:
            log.error("job %d: event ranges are not reported: %s", spec.id, wrong)
        except ServerError as wrong:
            if tries < MOST_TRIES:
                raise
            log.error("job %d: event ranges are not reported, tried %d times: %s", spec.id, tries, wrong)

    def settle(self, record: Record, place: Path) -> None:
        """Bring the event ranges of a dead pilot's job to their end, from what lies in its directory.

        Raises:
            ServerError: the server cannot be asked, or told, now.
        """
        from pilot.control.event_way import around_of, settle

        around = around_of(self._settings, self._server, self._toolbox, self._left)
        settle(record, place, around, self._sites, store=self._settings.recovery.outputs == "store")
