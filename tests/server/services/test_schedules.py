from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from server.services import schedules
from server.services.models import Service

pytestmark = pytest.mark.django_db


def quiet(turn):
    return {}


def test_a_declared_service_gets_a_schedule_that_calls_it_by_name(install):
    install(sweep=quiet)
    schedule = PeriodicTask.objects.get(name="test.sweep")
    assert (schedule.task, schedule.args, schedule.enabled) == ("services.run", '["test.sweep"]', True)
    assert (schedule.interval.every, schedule.interval.period) == (60, "seconds")
    assert schedule.service.what == "Does sweep."


def test_installing_again_changes_nothing(install):
    known = install(sweep=quiet)
    before = PeriodicTask.objects.get().date_changed
    schedules.install(known)
    assert PeriodicTask.objects.get().date_changed == before


def test_what_an_admin_has_changed_is_kept(install):
    known = install(sweep=quiet)
    service = Service.objects.get()
    schedules.set_period(service, 7)
    schedules.switch(service, on=False)
    schedules.install({"test.sweep": replace(known["test.sweep"], period=30)})
    service = Service.objects.get()
    assert (service.period, service.enabled, service.declared_period) == (7, False, 30)


def test_a_period_that_nobody_changed_follows_the_program(install):
    known = install(sweep=quiet)
    changed = replace(known["test.sweep"], period=30, what="Sweeps.", time_limit=9)
    schedules.install({"test.sweep": changed})
    service = Service.objects.get()
    assert (service.period, service.what, service.time_limit) == (30, "Sweeps.", 9)


def test_a_service_that_is_gone_is_switched_off_and_keeps_its_row(install):
    install(sweep=quiet)
    schedules.install({})
    assert not Service.objects.get().enabled


def test_a_schedule_that_was_deleted_comes_back_at_the_next_start(install):
    known = install(sweep=quiet)
    PeriodicTask.objects.all().delete()
    with pytest.raises(LookupError, match="has no schedule"):
        schedules.switch(Service.objects.get(), on=True)
    schedules.install(known)
    assert Service.objects.get().enabled


def test_a_crontab_has_no_period_and_is_replaced_by_one(install):
    install(sweep=quiet)
    schedule = PeriodicTask.objects.get()
    schedule.interval, schedule.crontab = None, CrontabSchedule.objects.create(minute="0", hour="4")
    schedule.save()
    service = Service.objects.get()
    assert service.period is None
    assert timedelta(0) < schedules.period_of(service) <= timedelta(days=1)
    schedules.set_period(service, 5)
    assert Service.objects.get().period == 5
