"""Event ranges in a pilot: the way of jobs that work on them, and the end of those that dead pilots have left.

What does either is loaded with the first such job.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Callable

from pilot.control.running import OnDemand

if TYPE_CHECKING:
    from pilot.api.communicator import Communicator
    from pilot.control.journal import Record
    from pilot.control.lanes import Occupied
    from pilot.control.recovery import Sites
    from pilot.control.running import Way
    from pilot.copytool.base import CopyTool
    from pilot.settings import Settings


class FineGrained:
    """``left`` answers the seconds until the pilot has to be gone."""

    def __init__(
        self,
        settings: Settings,
        server: Communicator,
        tools: Mapping[str, CopyTool],
        sites: Sites,
        left: Callable[[], float],
    ) -> None:
        self._settings, self._server, self._tools, self._sites, self._left = settings, server, tools, sites, left

    def way(self, occupied: Occupied) -> Way:
        """Answer the way of jobs whose work comes in event ranges, and of those that merge what they stored."""

        def make() -> Way:
            from pilot.control.event_way import EventWay, around_of

            return EventWay(occupied, around_of(self._settings, self._server, self._tools, self._left))

        return OnDemand(lambda work: work.job.spec.events or work.job.spec.merges_events, make)

    def settle(self, record: Record, place: Path) -> None:
        """Bring the event ranges of a dead pilot's job to their end, from what lies in its directory.

        Raises:
            ServerError: the server cannot be asked, or told, now.
        """
        from pilot.control.event_way import around_of, settle

        around = around_of(self._settings, self._server, self._tools, self._left)
        settle(record, place, around, self._sites, store=self._settings.recovery.outputs == "store")
