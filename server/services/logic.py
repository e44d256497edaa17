"""Running a service: its lease, its work, its history. All writes of these tables but the leases' are here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType

from celery import current_app
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django_celery_results.models import TaskResult

from server.lib.logs import at_work
from server.services import lease, schedules
from server.services.backoff import JITTER, due_by_crontab, is_due, is_to_run, wait_after
from server.services.crontabs import Crontab
from server.services.lease import Grant, LeaseLost
from server.services.models import Service, ServiceRun
from server.services.registry import Declared, Figures, Turn, UnknownService, declared, find
from server.services.states import Asked, Outcome
from server.services.wake import wake

log = logging.getLogger(__name__)

#: Lines of history that are kept of each service, and further ones of its failures.
KEPT_RUNS = 500
KEPT_FAILURES = 200
#: A message that a person's click sent is not followed after this many seconds.
CLICK_LIFETIME = 300


class WorkerStopping(Exception):
    """The worker was asked to stop; the service goes on as soon as there is one again."""


@dataclass(frozen=True)
class Ended:
    """How a run ended: what it did, or why it did not."""

    outcome: Outcome
    figures: Figures
    words: str = ""


def run_service(
    name: str,
    owner: str,
    *,
    asked: Asked = Asked.SCHEDULE,
    known: Mapping[str, Declared] | None = None,
    clock: Callable[[], datetime] = timezone.now,
    is_dead: Callable[[str], bool] = lambda owner: False,
    is_stopping: Callable[[], bool] = lambda: False,
    message: str = "",
) -> Ended:
    """Run a service once, if it is its time and nobody else runs it; never raise for what the service does wrong.

    Args:
        name: The service.
        owner: Who runs it, for the lease and the history.
        asked: Why; a person is obeyed even when the service is off or not due.
        known: The declared services; those of the installed apps when left out.
        clock: Answers the time, aware.
        is_dead: Says whether the owner of a lease is certainly gone.
        is_stopping: Says whether the worker was asked to stop.
        message: The id of the message that asked, by which its result is found.

    Raises:
        UnknownService: nobody declares it, or `install` has not been called.
    """
    known = declared() if known is None else known
    service = _services().filter(name=name).first()
    if service is None:
        raise UnknownService(name, known)
    one, now = find(name, known), clock()
    due = _is_due(service, now)
    if not is_to_run(asked, enabled=service.enabled, due=due, failures=service.failures):
        Service.objects.filter(name=name, wanted=True).update(wanted=False)
        return Ended(Outcome.SKIPPED, {}, "switched off" if not service.enabled else "not due")
    grant = _take(service, owner, asked, now, is_dead)
    if grant is None:
        return Ended(Outcome.SKIPPED, {}, "somebody else runs it")
    if service.wanted:
        # Before the work: what happens from now on asks for another run.
        Service.objects.filter(name=name).update(wanted=False)
    work = _Work(one, grant, clock, is_stopping)
    ended = work.run(now)
    return _close(service, Span(now, clock(), message), work.grant, ended)


def _services() -> QuerySet[Service]:
    return Service.objects.select_related("schedule__interval", "schedule__crontab")


def _is_due(service: Service, now: datetime) -> bool:
    period = schedules.period_of(service)
    if period is not None or service.crontab is None:
        return is_due(now, schedules.next_by_period(service), period or timedelta(seconds=service.declared_period))
    early = service.last_run is not None and service.last_run > now + lease.CLOCK_SKEW
    due = schedules.due_of(service)
    return early or (due is not None and now >= due - JITTER)


def _next_run(service: Service, started: datetime, failures: int) -> datetime | None:
    if service.crontab is not None:
        service.last_run = started
        return schedules.due_of(service)
    period = schedules.period_of(service) or timedelta(seconds=service.declared_period)
    return started + wait_after(period, failures)


def _take(service: Service, owner: str, asked: Asked, now: datetime, is_dead: Callable[[str], bool]) -> Grant | None:
    grant = lease.acquire(service.name, owner, now=now, seconds=service.time_limit, is_dead=is_dead)
    if grant is None and asked is not Asked.SCHEDULE:
        # The run that goes on may be past what has just happened: its holder looks at this when it has given back.
        Service.objects.filter(name=service.name).update(wanted=True)
        grant = lease.acquire(service.name, owner, now=now, seconds=service.time_limit, is_dead=is_dead)
    return grant


class _Work:
    """Does the work under a lease, and answers how it ended whatever it raised."""

    def __init__(
        self, one: Declared, grant: Grant, clock: Callable[[], datetime], is_stopping: Callable[[], bool]
    ) -> None:
        self.grant = grant
        self._one, self._clock, self._is_stopping = one, clock, is_stopping
        self._ended = Ended(Outcome.NOTHING, {})

    def run(self, now: datetime) -> Ended:
        at_work(service=self._one.name)
        with self:
            figures = dict(self._one.run(Turn(self._one.name, now, self.keep)))
            self._ended = Ended(Outcome.OK if any(figures.values()) else Outcome.NOTHING, figures)
        at_work()
        return self._ended

    def keep(self) -> None:
        if self._is_stopping():
            raise WorkerStopping("the worker was asked to stop")
        self.grant = lease.renew(self.grant, now=self._clock(), seconds=self._one.time_limit)

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        words = f"{type(error).__name__}: {error}"
        if isinstance(error, WorkerStopping):
            self._ended = Ended(Outcome.SKIPPED, {}, str(error))
        elif isinstance(error, LeaseLost):
            self._ended = Ended(Outcome.LOST, {}, str(error))
        else:
            log.warning("%s failed: %s", self._one.name, words, exc_info=error)
            self._ended = Ended(Outcome.FAILED, {}, words)
        return True


@dataclass(frozen=True)
class Span:
    """When a run began and ended, and the id of the message that asked for it."""

    started: datetime
    ended: datetime
    message: str = ""

    @property
    def seconds(self) -> float:
        return (self.ended - self.started).total_seconds()


def _close(service: Service, span: Span, grant: Grant, ended: Ended) -> Ended:
    """Write what a run came to, and give the lease back, in one transaction."""
    with transaction.atomic():
        held = lease.release(grant, now=span.ended)
        if not held and ended.outcome is not Outcome.FAILED:
            ended = Ended(Outcome.LOST, ended.figures, ended.words or f"{grant.name}: taken over while it ran")
        _record(service, span, grant.owner, ended)
        if ended.outcome is Outcome.SKIPPED:
            # It is as due as it was; whoever looks at wishes finds it, which this worker no longer does.
            Service.objects.filter(pk=service.pk).update(wanted=True)
            return ended
        if held:
            failures = service.failures + 1 if ended.outcome is Outcome.FAILED else 0
            # As it is now: somebody may have changed it while this run went on.
            current = _services().get(pk=service.pk)
            Service.objects.filter(pk=service.pk).update(
                last_run=span.started,
                last_seconds=span.seconds,
                next_run=_next_run(current, span.started, failures),
                failures=failures,
            )
    if Service.objects.filter(pk=service.pk, wanted=True).exists():
        wake(service.name)
    return ended


def _record(service: Service, span: Span, owner: str, ended: Ended) -> None:
    """Write one line of history; a quiet run after a quiet one prolongs its line."""
    if ended.outcome is Outcome.NOTHING:
        last = ServiceRun.objects.filter(service=service).order_by("-id").first()
        if last is not None and last.outcome == Outcome.NOTHING and last.owner == owner:
            ServiceRun.objects.filter(pk=last.pk).update(ended=span.ended, times=last.times + 1)
            return
    ServiceRun.objects.create(
        service=service,
        started=span.started,
        ended=span.ended,
        outcome=ended.outcome,
        owner=owner,
        figures=dict(ended.figures),
        words=ended.words[:4000],
        # A quiet or skipped run leaves no result.
        message=span.message if ended.outcome in (Outcome.OK, Outcome.FAILED, Outcome.LOST) else "",
    )


def run_now(name: str) -> None:
    """Ask the workers to run a service at once, on or off.

    Raises:
        UnknownService: there is none of that name.
        kombu.exceptions.OperationalError: the broker cannot be reached.
    """
    find(name, declared())
    schedules.send(name, Asked.PERSON, lifetime=CLICK_LIFETIME)


def reschedule(name: str, *, enabled: bool, period: int | None = None, crontab: Crontab | None = None) -> None:
    """Set a service's switch, and its period in seconds or its crontab unless left out.

    By a new period it is due at once after a longer pause; a new crontab holds from now on.
    """
    with transaction.atomic():
        service = _services().get(name=name)
        if service.schedule is None:
            schedules.install(declared())
            service.refresh_from_db()
        if period is not None and period != service.period:
            schedules.set_period(service, period)
            soonest = (service.last_run or timezone.now()) + timedelta(seconds=period)
            Service.objects.filter(name=name).update(next_run=soonest)
        if crontab is not None and crontab != service.crontab:
            schedules.set_crontab(service, crontab)
            soonest = due_by_crontab(crontab, service.last_run, service.scheduled_at)
            Service.objects.filter(name=name).update(next_run=soonest)
        if enabled != service.enabled:
            schedules.switch(service, on=enabled)


def prune(kept: int = KEPT_RUNS, failures: int = KEPT_FAILURES) -> int:
    """Delete the oldest lines of history of each service beyond those that are kept; answer how many."""
    deleted = 0
    for service in Service.objects.all():
        runs = ServiceRun.objects.filter(service=service)
        failed = runs.filter(outcome=Outcome.FAILED)
        stay = [*runs.values_list("pk", flat=True)[:kept], *failed.values_list("pk", flat=True)[:failures]]
        deleted += runs.exclude(pk__in=stay).delete()[0]
    return deleted


def prune_results(now: datetime) -> int:
    """Delete the results that are older than Celery's settings keep them; answer how many."""
    kept = current_app.conf.result_expires
    age = kept if isinstance(kept, timedelta) else timedelta(seconds=kept)
    return TaskResult.objects.filter(date_done__lt=now - age).delete()[0]
