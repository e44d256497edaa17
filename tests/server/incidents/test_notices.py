from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest

from server.incidents.models import Incident, IncidentCount
from server.incidents.notices import BURST, incident_burst

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, 5, tzinfo=UTC)


@pytest.mark.parametrize(("level", "count", "told"), [
    (logging.ERROR, BURST, 1), (logging.ERROR, BURST - 1, 0), (logging.WARNING, 5 * BURST, 0),
])  # fmt: skip
def test_a_hundred_errors_within_an_hour_are_told_of(level, count, told):
    one = Incident.objects.create(
        fingerprint="a", app="factory", logger="a", level=level, words="w", first_seen=NOW, last_seen=NOW
    )
    IncidentCount.objects.create(incident=one, slot=NOW - timedelta(minutes=5), count=count)
    found = list(incident_burst(NOW, NOW))
    assert len(found) == told
    assert [notice.key for notice in incident_burst(NOW, NOW + timedelta(minutes=20))] == [one.key for one in found]
