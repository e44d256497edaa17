from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from server.celery import app
from server.services.beat import Calendar, Scheduler
from server.services.crontabs import Crontab, parse
from server.services.models import Service
from server.services.schedules import set_crontab

#: As in its own process: it ends transactions and leaves old connections, which one transaction would not survive.
pytestmark = pytest.mark.django_db(transaction=True)

HOURS = timedelta(hours=3)


@pytest.fixture
def beat():
    made = []

    def make(**more):
        made.append(Scheduler(app, max_interval=10**6, **more))
        return made[-1]

    yield make
    for one in made:
        one._finalize.cancel()  # at the end of this process it would look for tables that are gone by then


@pytest.mark.parametrize("ahead", [timedelta(0), HOURS, -HOURS])
def test_a_service_that_has_run_at_a_time_to_come_is_not_waited_for_until_then(install, beat, ahead):
    install(sweep=lambda turn: {})
    PeriodicTask.objects.update(last_run_at=timezone.now() + ahead)
    scheduler = beat(lazy=True)
    scheduler.apply_entry = lambda *args, **more: None  # nothing is sent
    assert list(scheduler.schedule) != []
    assert scheduler.tick() <= 60


def test_a_crontab_that_was_missed_while_no_worker_ran_is_sent_at_once_and_then_not_again(install, beat):
    install(sweep=lambda turn: {})
    # An hour that is far away in any zone: django-celery-beat alone would not even look at it.
    far = (timezone.now() + timedelta(hours=12)).hour
    set_crontab(Service.objects.get(), parse(f"0 {far} * * *", "UTC"))
    PeriodicTask.objects.update(last_run_at=timezone.now() - timedelta(days=2))
    scheduler, sent = beat(lazy=True), []
    scheduler.apply_entry = lambda entry, *args, **more: sent.append(entry.name)
    scheduler.tick()
    scheduler.tick()
    assert sent == ["test.sweep"]


def test_a_crontab_is_looked_at_again_every_minute_however_far_away_it_is():
    far = Calendar(parse("0 0 29 2 *", "Europe/Zurich"))
    assert tuple(far.is_due(timezone.now())) == (False, 60.0)
    assert far.is_due(datetime(1999, 1, 1, tzinfo=UTC)).is_due


def test_an_own_schedule_installs_no_task_of_another_kind(db, beat):
    beat()
    assert list(PeriodicTask.objects.exclude(task="services.run")) == []


def test_a_crontab_that_never_comes_does_not_end_the_schedule_of_the_others():
    assert tuple(Calendar(Crontab("0", "4", "30", "2")).is_due(timezone.now())) == (False, 60.0)
