"""How long a job may stand in each live state before the watchdog steps in; every number is a setting, in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings

from pilot.contract.states import JobState

HOUR, DAY = 3600.0, 86400.0

S = JobState

#: A held job of these labels, or of a higher priority than this, is waited for by somebody: its limit is shorter.
IMPATIENT_LABELS = ("user", "panda")
IMPATIENT_PRIORITY = 800

#: Seconds by which the clocks of the server's machines may differ. What was heard later than that was heard by a clock
#: that has since been put back.
CLOCK_SKEW = 60.0

#: The setting of each state in which a job waits, without a pilot.
WAITS: Mapping[JobState, str] = {
    S.PENDING: "pending_timeout",
    S.DEFINED: "defined_timeout",
    S.WAITING: "waiting_timeout",
    S.ASSIGNED: "assigned_timeout",
    S.ACTIVATED: "activated_timeout",
    S.MERGING: "merging_timeout",
}

#: The setting of the longest silence of a pilot, by the state of its job.
SILENCES: Mapping[JobState, str] = {
    S.SENT: "sent_timeout",
    S.STARTING: "heartbeat_timeout",
    S.RUNNING: "heartbeat_timeout",
    S.TRANSFERRING: "heartbeat_timeout",
    S.HOLDING: "holding_timeout",
}

#: The setting of the longest stay in a state, however often the pilot is heard.
STAYS: Mapping[JobState, str] = {
    S.STARTING: "starting_timeout",
    S.RUNNING: "running_timeout",
    S.TRANSFERRING: "transferring_timeout",
}


@dataclass(frozen=True)
class Limits:
    """Seconds. Most are PanDA's own; where its state means something else here, the longer time is ours."""

    sent: float = HOUR / 2
    heartbeat: float = 2 * HOUR
    holding: float = 2 * DAY
    holding_impatient: float = 3 * HOUR
    starting: float = 2 * DAY
    running: float = 21 * DAY
    transferring: float = 6 * DAY
    pending: float = HOUR
    defined: float = 7 * DAY
    waiting: float = 7 * DAY
    assigned: float = 30 * DAY
    activated: float = 7 * DAY
    merging: float = 7 * DAY
    offline: float = 2 * DAY

    def of(self, setting: str) -> float:
        """Answer the limit of a setting in the tables above."""
        return float(getattr(self, setting.removesuffix("_timeout")))


def limits() -> Limits:
    """Read the limits from the settings."""
    environment = settings.ENVIRONMENT
    return Limits(**{name: getattr(environment, f"{name}_timeout") for name in Limits.__dataclass_fields__})
