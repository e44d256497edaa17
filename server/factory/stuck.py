"""Which pilots are ended that wait and will not start: those held, those that wait too long, those of no queue."""

from __future__ import annotations

from datetime import datetime, timedelta

from server.factory.models import FactoryQueue
from server.pilots.fleet import Troubled
from server.pilots.states import PilotState

#: A pilot that was told to end and still waits is told again after this time.
AGAIN = timedelta(minutes=1)
#: Days that are as good as for ever; calendars do not reach back for any number that an admin may give.
MOST_DAYS = 36500
SURPLUS = "there were more pilots than wanted"


def why_to_end(pilot: Troubled, row: FactoryQueue | None, now: datetime) -> str:
    """Say why a pilot is told to end; nothing for one that runs, or may go on waiting."""
    if pilot.state == PilotState.RUNNING:
        return ""
    if pilot.cancelled_at is not None:
        return pilot.cancelled_for if now - pilot.cancelled_at >= AGAIN else ""
    if row is None:
        return "its queue was removed from the factory"
    held = now - pilot.held_at if pilot.state == PilotState.HELD and pilot.held_at else timedelta()
    if held > timedelta(minutes=row.held_minutes):
        return f"held for more than {row.held_minutes} minutes: {pilot.words or 'nobody says why'}"
    if now - pilot.submitted_at > timedelta(days=row.start_days):
        return f"it has not started within {row.start_days} days"
    return ""
