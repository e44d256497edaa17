"""The schedules of the services, in django-celery-beat's tables: made as declared, kept as the admin set them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta

from django.db import transaction
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from server.services.models import Service
from server.services.registry import Declared

#: The one Celery task of the server; its argument is the service's name.
TASK = "services.run"


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


def switch(service: Service, *, on: bool) -> None:
    """Switch a service on or off."""
    schedule = _own(service)
    schedule.enabled = on
    schedule.save()


def _own(service: Service) -> PeriodicTask:
    if service.schedule is None:
        raise LookupError(f"{service.name} has no schedule; `compass-server services` makes it anew when it starts")
    return service.schedule


def period_of(service: Service) -> timedelta:
    """Answer the time between two runs; for a crontab the time to its next one."""
    if service.schedule is None:
        return timedelta(seconds=service.declared_period)
    if service.period is not None:
        return timedelta(seconds=service.period)
    crontab = service.schedule.schedule
    left: timedelta = crontab.remaining_estimate(crontab.now())
    return left
