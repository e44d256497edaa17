from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from server.services import schedules
from server.services.crontabs import parse
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


def test_a_crontab_replaces_the_period_and_a_period_the_crontab(install):
    install(sweep=quiet)
    schedules.set_crontab(Service.objects.get(), parse("0 4 * * *", "Europe/Zurich"))
    service = Service.objects.get()
    assert (service.period, schedules.period_of(service)) == (None, None)
    assert (str(service.crontab), service.crontab.zone) == ("0 4 * * *", "Europe/Zurich")
    assert PeriodicTask.objects.get().expire_seconds == 3600
    schedules.set_period(service, 5)
    service = Service.objects.get()
    assert (service.period, service.crontab) == (5, None)


def test_two_services_of_one_crontab_share_its_row(install):
    install(sweep=quiet, mop=quiet)
    for service in Service.objects.all():
        schedules.set_crontab(service, parse("0 4 * * *", "UTC"))
    assert CrontabSchedule.objects.count() == 1


def test_a_service_that_has_never_run_is_due_when_it_was_switched_on(install):
    install(sweep=quiet)
    service = Service.objects.get()
    assert schedules.due_of(service) == service.scheduled_at
    schedules.switch(service, on=True)
    assert schedules.due_of(Service.objects.get()) > Service.objects.get().scheduled_at - timedelta(seconds=1)
