from __future__ import annotations

from datetime import UTC, datetime

import pytest

from server.pilots.models import PilotUse
from server.pilots.notices import queue_broken

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def test_a_queue_where_most_of_todays_pilots_failed_is_told_of_once_a_day():
    PilotUse.objects.create(day=NOW.date(), queue="BAD", pilots=10, failed=8, lost=1, jobs=2, jobs_failed=2)
    PilotUse.objects.create(day=NOW.date(), queue="GOOD", pilots=10, failed=1)
    (notice,) = queue_broken(NOW, NOW)
    assert (notice.key, notice.about) == ("BAD:2026-03-01", {"queue": "BAD"})
    assert "8 of 10 pilots failed, 1 were lost, and 2 of 2 jobs failed" in notice.text
