"""Lanes without which a pilot works on: nothing of them is imported, and no thread begun, before they are wanted."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Optional

if TYPE_CHECKING:
    from pilot.control.agent import Parts
    from pilot.control.component import Component
    from pilot.control.data import OnTry
    from pilot.control.job_secrets import JobSecrets
    from pilot.control.lanes import Tell
    from pilot.control.news import Follow
    from pilot.control.realtime import RealtimeLane
    from pilot.settings import Settings

log = logging.getLogger(__name__)

#: Names the file for signs of life. The wrapper sets it, and ends a pilot that no longer touches it.
SIGN_OF_LIFE = "COMPASS_SIGN_OF_LIFE"

Add = Callable[["Component"], None]


class Followers:
    """Where it is told which jobs run; makes the lane for real-time logging when one's lines may be wanted."""

    def __init__(self, parts: Parts, secrets: JobSecrets, add: Add) -> None:
        self._parts, self._secrets, self._add = parts, secrets, add
        self._lane: Optional[RealtimeLane] = None
        self._asked = parts.settings.mentions("realtime")
        self._impossible = False

    def put(self, item: Follow) -> None:
        """Pass on that a job has moved; in the conductor's thread."""
        if self._lane is None and self._wanted(item):
            self._make()
        if self._lane is not None:
            self._lane.inbox.put(item)

    def _wanted(self, item: Follow) -> bool:
        if self._impossible:
            return False
        hook = self._parts.plugins.hook.realtime_logging
        return self._asked or "logging=" in item.site.queue.catchall or bool(hook.get_hookimpls())

    def _make(self) -> None:
        from pilot.control.component import Budget
        from pilot.control.realtime import Means, RealtimeLane
        from pilot.control.tails import masking

        parts = self._parts
        means = Means(parts.settings, parts.plugins, parts.own, self._secrets, masking(parts.secrets))
        try:
            lane = RealtimeLane(Budget(parts.settings.log.breakages), means)
        except OSError as wrong:  # no descriptor is left for it
            self._impossible = True
            log.warning("real-time logging is not possible: %s", wrong)
        else:
            self._lane = lane
            self._add(lane)


def tracer(parts: Parts, add: Add) -> OnTry:
    """Answer who is to be told of each try to copy a file: Rucio, when the settings say where it takes traces."""
    settings = parts.settings
    if not (settings.mentions("rucio") and settings.rucio.traces and settings.rucio.send_traces):
        return lambda *_: None
    from pilot.control.tails import masking
    from pilot.control.tracing import Tracing

    return Tracing(settings, add, masking(parts.secrets))


def broker_lanes(parts: Parts, secrets: JobSecrets, tell: Tell) -> list[Component]:
    """Answer what listens to the message broker; nothing, unless that is wanted.

    Raises:
        ConfigError: its settings are wrong.
    """
    if not _subscribes(parts.settings):
        return []
    from pilot.broker.place import place_of
    from pilot.control.broker import BrokerLane
    from pilot.control.component import Budget

    place = place_of(parts.settings.broker)
    secrets.see(place.login.password)
    return [BrokerLane(Budget(parts.settings.log.breakages), parts.settings.broker, place, tell)]


def sign_lanes(parts: Parts, tell: Tell) -> list[Component]:
    """Answer what gives signs of life, if whoever started the pilot wants some."""
    if not (path := parts.environment.get(SIGN_OF_LIFE)):
        return []
    from pilot.control.component import Budget
    from pilot.control.signs import SignLane

    return [SignLane(Path(path), Budget(parts.settings.log.breakages), tell)]


def called_limits(settings: Settings) -> tuple[float, int]:
    """Answer how seldom, and how often, work is asked for while messages call: seconds between, requests."""
    if not _subscribes(settings):
        return 0.0, 0
    broker = settings.broker
    return broker.ask_every, 1 + max(1, round(broker.idle / broker.ask_every))


def _subscribes(settings: Settings) -> bool:
    return settings.mentions("broker") and settings.broker.subscribe
