"""When a job is looked at: heartbeats, checks, and what people ask to see of it.

Used by the conductor, in its thread; the looking is done by the monitor.
"""

from __future__ import annotations

import logging

from pilot.control.commands import Commands
from pilot.control.means import Means, Ways
from pilot.control.news import Due, Follow, Look, Matter
from pilot.control.slot import Slot
from pilot.control.timers import Timers
from pilot.job import Phase

log = logging.getLogger(__name__)

#: Phases in which there is something to see in a job's directory.
SEEN = (Phase.STAGING_IN, Phase.RUNNING)


class Watching:
    """``ways.look`` is where looks go, ``ways.follow`` whoever sends a running job's lines elsewhere."""

    def __init__(self, means: Means, ways: Ways, timers: Timers) -> None:
        self._means, self._ways, self._look, self._timers = means, ways, ways.look, timers

    def moved(self, slot: Slot) -> None:
        """Tell that a job has changed its phase."""
        self._ways.moved(slot.job)
        self._follow(slot)

    def _follow(self, slot: Slot) -> None:
        self._ways.follow.put(Follow(slot.job, slot.site, slot.debug))

    def begin(self, slot: Slot) -> None:
        """Look at a job from now on."""
        self._beat(slot)
        self._timers.set(self._means.clock() + self._means.times.checks, Due(Matter.CHECK, slot.job.key))

    def due(self, slot: Slot, matter: Matter) -> bool:
        """Look, because the time for it has come; True when a report is due and there is nothing to look at.

        So it is too while the last look hangs: on a file system that does not answer, a job still has its heartbeats.
        """
        if matter is Matter.CHECK:
            self._timers.set(self._means.clock() + self._means.times.checks, Due(matter, slot.job.key))
        elif self._means.clock() < slot.beat_at:
            return False  # of the time before its heartbeats became slower
        else:
            self._beat(slot)
        if matter is Matter.CHECK:
            self._look.put(Look(slot.job, matter, slot.site))
            return False
        if slot.looking or slot.job.phase not in SEEN:
            return True
        self._see(slot)
        return False

    def obey(self, slot: Slot, commands: Commands) -> None:
        """Do what the server wants to see of a job."""
        slot.keep = slot.keep or commands.keep
        if commands.debug is not None and commands.debug is not slot.debug:
            log.info("job %d.%d: debug mode is %s", *slot.job.key, "on" if commands.debug else "off")
            slot.debug = commands.debug
            self._beat(slot)
            self._follow(slot)
            if slot.debug:
                self._see(slot)
        for argv in commands.show:
            self._show(slot, argv)

    def _see(self, slot: Slot) -> None:
        slot.looking = True
        self._look.put(Look(slot.job, Matter.HEARTBEAT, slot.site))

    def _beat(self, slot: Slot) -> None:
        slot.beat_at = self._means.clock() + self._means.times.heartbeat(debug=slot.debug)
        self._timers.set(slot.beat_at, Due(Matter.HEARTBEAT, slot.job.key))

    def _show(self, slot: Slot, argv: tuple[str, ...]) -> None:
        """Have something shown; not again at once, since a server may repeat its command in answer to the answer."""
        now, pause = self._means.clock(), self._means.times.heartbeat(debug=True)
        recent = {other: at for other, at in slot.shown.items() if now < at + pause}
        if argv not in recent:
            self._look.put(Look(slot.job, Matter.SHOW, slot.site, argv))
            recent[argv] = now
        slot.shown = recent
