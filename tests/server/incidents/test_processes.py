"""What fails in a real worker becomes an incident, whatever Celery does to the log."""

from __future__ import annotations

import pytest

from tests.server.services.conftest import home
from tests.server.services.test_worker import rows, start, until

pytestmark = pytest.mark.one_python

__all__ = ["home", "start"]

FOUND = "SELECT app, exception, place, count, about FROM incidents_incident WHERE exception = 'ValueError'"


def test_a_service_that_fails_in_a_worker_is_an_incident(start, home):
    worker = start()
    ((app, exception, place, count, about),) = until(lambda: rows(home, FOUND), "no incident was written")
    assert (app, exception) == ("beating", "ValueError")
    assert place.endswith("beating/tasks.py:bad")
    assert "beating.bad" in about
    assert count >= 1
    assert worker.stop() == 0
