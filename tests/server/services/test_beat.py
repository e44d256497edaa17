from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from server.celery import app
from server.services.beat import Scheduler

#: As in its own process: it ends transactions and leaves old connections, which one transaction would not survive.
pytestmark = pytest.mark.django_db(transaction=True)

HOURS = timedelta(hours=3)


@pytest.mark.parametrize("ahead", [timedelta(0), HOURS, -HOURS])
def test_a_service_that_has_run_at_a_time_to_come_is_not_waited_for_until_then(install, ahead):
    install(sweep=lambda turn: {})
    PeriodicTask.objects.update(last_run_at=timezone.now() + ahead)
    scheduler = Scheduler(app, lazy=True, max_interval=10**6)
    scheduler.apply_entry = lambda *args, **more: None  # nothing is sent
    assert list(scheduler.schedule) != []
    assert scheduler.tick() <= 60
