"""What people may be told of incidents."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from server.incidents.queries import hour_of, last_hour
from server.notify.registry import Notice, event

#: Errors within an hour that are told of.
BURST = 100


@event("incident.burst", needs="incidents.view_incident")
def incident_burst(since: datetime, now: datetime) -> Iterator[Notice]:
    """The server has logged a hundred errors within an hour."""
    found = last_hour(now)
    if found.errors >= BURST:
        words = f"{found.errors} errors of {found.kinds} kinds, {found.new} of which nobody has looked at."
        subject = "Many incidents in the last hour"
        yield Notice(f"{hour_of(now):%Y-%m-%dT%H}", subject, words, now, path="/admin/incidents/incident/")
