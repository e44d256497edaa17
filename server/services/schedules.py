"""The schedules of the services, in django-celery-beat's tables: made as declared, kept as the admin set them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta

from celery import current_app
from django.db import transaction
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask
from kombu.exceptions import OperationalError

from server.services.backoff import due_by_crontab, wait_after
from server.services.crontabs import Crontab, NeverComes
from server.services.models import Service
from server.services.registry import Declared
from server.services.states import Asked

#: The one Celery task of the server; its argument is the service's name.
TASK = "services.run"
#: Seconds for which a message of a crontab is followed: it may have to wait for a worker to come back.
CRONTAB_LIFETIME = 3600


@transaction.atomic
def install(known: Mapping[str, Declared]) -> None:
    """Write the declared services to the tables. Calling it again, or from several processes, changes nothing more.

    An interval or a switch that an admin has changed stays; one that is as it was declared follows the program.
    A service that no app declares any longer is switched off, its history stays.
    """
    for one in known.values():
        _install(one)
    for gone in Service.objects.exclude(name__in=known).select_related("schedule"):
        if gone.enabled:
            switch(gone, on=False)


def _install(one: Declared) -> None:
    values = {"what": one.what[:200], "time_limit": one.time_limit, "declared_period": one.period}
    service, _ = Service.objects.select_related("schedule__interval").get_or_create(name=one.name, defaults=values)
    if service.schedule is None:
        service.schedule = _schedule_of(one)
    elif service.period == service.declared_period != one.period:
        set_period(service, one.period)
    Service.objects.filter(name=one.name).update(**values, schedule=service.schedule)


def _schedule_of(one: Declared) -> PeriodicTask:
    schedule, _ = PeriodicTask.objects.get_or_create(
        name=one.name,
        defaults={
            "task": TASK,
            "args": json.dumps([one.name]),
            "interval": _interval(one.period),
            # A message that waited this long is followed by the next one.
            "expire_seconds": max(2, one.period),
            "description": one.what,
        },
    )
    return schedule


def _interval(seconds: int) -> IntervalSchedule:
    interval, _ = IntervalSchedule.objects.get_or_create(every=seconds, period=IntervalSchedule.SECONDS)
    return interval


def set_period(service: Service, seconds: int) -> None:
    """Run a service every so many seconds, in place of its interval or crontab."""
    schedule = _own(service)
    schedule.interval, schedule.expire_seconds = _interval(seconds), max(2, seconds)
    schedule.crontab = schedule.solar = schedule.clocked = None
    schedule.save()
    _holds_from_now(service)


def set_crontab(service: Service, crontab: Crontab) -> None:
    """Run a service by a crontab, in place of its interval; what it would have missed until now is not made up for."""
    schedule = _own(service)
    fields = {
        "minute": crontab.minute,
        "hour": crontab.hour,
        "day_of_month": crontab.day_of_month,
        "month_of_year": crontab.month_of_year,
        "day_of_week": crontab.day_of_week,
        "timezone": crontab.zone,
    }
    row = CrontabSchedule.objects.filter(**fields).first() or CrontabSchedule.objects.create(**fields)
    schedule.crontab, schedule.expire_seconds = row, CRONTAB_LIFETIME
    schedule.interval = schedule.solar = schedule.clocked = None
    schedule.last_run_at = timezone.now()
    schedule.save()
    _holds_from_now(service)


def _holds_from_now(service: Service) -> None:
    service.scheduled_at = timezone.now()
    Service.objects.filter(pk=service.pk).update(scheduled_at=service.scheduled_at)


def switch(service: Service, *, on: bool) -> None:
    """Switch a service on or off."""
    schedule = _own(service)
    schedule.enabled = on
    if on and schedule.crontab is not None:
        schedule.last_run_at = timezone.now()
    schedule.save()
    if on:
        _holds_from_now(service)


def _own(service: Service) -> PeriodicTask:
    if service.schedule is None:
        raise LookupError(f"{service.name} has no schedule; `compass-server services` makes it anew when it starts")
    return service.schedule


def send(name: str, asked: Asked, *, lifetime: int) -> None:
    """Send the message that has a service run; it is not followed after so many seconds.

    Raises:
        kombu.exceptions.OperationalError: the broker cannot be reached, or does not let us in.
    """
    connection = current_app.connection_for_write()
    try:
        current_app.send_task(
            TASK, args=[name, asked.value], headers={"periodic_task_name": name}, expires=lifetime, retry=False
        )
    except (*connection.connection_errors, *connection.channel_errors) as wrong:
        raise OperationalError(str(wrong)) from wrong


def period_of(service: Service) -> timedelta | None:
    """Answer the time between two runs; nothing for a crontab."""
    if service.schedule is None:
        return timedelta(seconds=service.declared_period)
    return None if service.period is None else timedelta(seconds=service.period)


def next_by_period(service: Service) -> datetime | None:
    """Answer when a service with a period runs next, by its period as it is now; nothing if it is due in any case.

    What was written after its last run went by the period of that time, which others may have changed in beat's tables.
    """
    period = period_of(service)
    if service.next_run is None or service.last_run is None or period is None:
        return service.next_run
    return service.last_run + wait_after(period, service.failures)


def due_of(service: Service) -> datetime | None:
    """Answer when a service is due next, by its schedule as it is now; for one that fails, when it is tried again.

    Nothing for a crontab that never comes, which only others than ourselves can have written.
    """
    if (crontab := service.crontab) is not None:
        try:
            return due_by_crontab(crontab, service.last_run, service.scheduled_at)
        except NeverComes:
            return None
    return max(next_by_period(service) or service.scheduled_at, service.scheduled_at)
