"""The services in the admin: schedule and switch are edited, runs and leases only shown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from kombu.exceptions import OperationalError

from server.lib.admin import MachineTableAdmin, TableAdmin, link
from server.services import logic, queries
from server.services.crontabs import next_after
from server.services.forms import ServiceForm
from server.services.models import Lease, Service, ServiceRun
from server.services.states import Outcome

#: Coming times that a service's page shows of a crontab, and past runs.
COMING, PAST = 3, 10

#: The table of the results that Celery keeps.
RESULTS = "django_celery_results_taskresult"


def in_utc(moment: datetime | None) -> str:
    """Write a time, with its zone."""
    return "" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def duration(seconds: float | None) -> str:
    """Write seconds as a person reads them."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.3g} s"
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"


@admin.register(Service)
class ServiceAdmin(TableAdmin):
    form = ServiceForm
    none_yet = "The workers write them down when they start: compass-server services."
    list_display = ["name", "what", "is_on", "every", "stands", "last_run", "took", "last_outcome", "due", "failures"]
    list_filter = ["schedule__enabled"]
    search_fields = ["name", "what"]
    fieldsets = [
        (None, {"fields": ["name", "what"]}),
        ("When it runs", {"fields": ["on", "seconds", "crontab", "zone", "declared_period"]}),
        ("How it does", {"fields": ["stands", "next_times", "last_run", "last_outcome", "took", "failures", "wanted"]}),
        ("Who runs it", {"fields": ["holder", "time_limit"]}),
        ("History", {"fields": ["history"]}),
    ]
    readonly_fields = [
        *["name", "what", "declared_period", "stands", "next_times", "last_run", "last_outcome", "took"],
        *["failures", "wanted", "holder", "time_limit", "history"],
    ]
    actions = ["run_now", "switch_on", "switch_off"]
    actions_submit_line = ["save_and_run"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Service]:
        return queries.with_last_outcome(super().get_queryset(request))

    @admin.display(description="enabled", boolean=True, ordering="schedule__enabled")
    def is_on(self, service: Service) -> bool:
        return service.enabled

    @admin.display(description="schedule")
    def every(self, service: Service) -> str:
        line = queries.line_of(service, timezone.now())
        return line.crontab or (f"{line.period:g} s" if line.period is not None else "")

    @admin.display(description="now")
    def stands(self, service: Service) -> str:
        line = queries.line_of(service, timezone.now())
        if line.late_since is not None:
            return f"late since {in_utc(line.late_since)}"
        if line.running:
            return "running"
        if not line.enabled:
            return "switched off"
        return "failing" if line.failures else "waits for its time"

    @admin.display(description="next run", ordering="next_run")
    def due(self, service: Service) -> datetime | None:
        return queries.line_of(service, timezone.now()).next_run

    @admin.display(description="next run")
    def next_times(self, service: Service) -> str:
        due, crontab = queries.line_of(service, timezone.now()).next_run, service.crontab
        if due is None:
            return (
                "never: there is no such day, mend its crontab" if service.enabled else "none while it is switched off"
            )
        if crontab is None:
            why = f", tried again after {service.failures} failures" if service.failures else ""
            return in_utc(due) + why
        times = [due]
        while len(times) < COMING:
            times.append(next_after(crontab, times[-1]))
        zone = crontab.tzinfo
        words = [(in_utc(time), f"{time.astimezone(zone):%Y-%m-%d %H:%M:%S}", crontab.zone) for time in times]
        return format_html_join("", "<div>{} = {} {}</div>", words)

    @admin.display(description="last result")
    def last_outcome(self, service: Service) -> str:
        line = queries.line_of(service, timezone.now())
        outcome = Outcome(line.outcome).label if line.outcome else ""
        return f"{outcome}: {line.words[:200]}" if line.words else outcome

    @admin.display(description="last duration", ordering="last_seconds")
    def took(self, service: Service) -> str:
        return duration(service.last_seconds)

    @admin.display(description="lease")
    def holder(self, service: Service) -> str:
        line = queries.line_of(service, timezone.now())
        return f"{line.owner}, until {in_utc(line.expires)} unless it is prolonged" if line.running else "free"

    @admin.display(description="latest runs")
    def history(self, service: Service) -> str:
        runs = list(ServiceRun.objects.filter(service=service)[:PAST])
        if not runs:
            return "It has not run yet; press “Save and run now”, or wait for its time."
        words = [(in_utc(run.started), _took(run), _told(run), _result(run)) for run in runs]
        cells = (
            '<tr><td class="px-3">{}</td><td class="px-3">{}</td><td class="px-3">{}</td><td class="px-3">{}</td></tr>'
        )
        rows = format_html_join("", cells, words)
        every = link("services_servicerun", "All its runs", service__name__exact=service.pk)
        results = link(RESULTS, "all its results", periodic_task_name=service.pk)
        return format_html(
            '<table class="text-left"><thead><tr><th class="px-3">began</th><th class="px-3">took</th>'
            '<th class="px-3">came to</th><th class="px-3">result</th></tr></thead><tbody>{}</tbody></table>'
            '<p class="px-3">{}, {}</p>',
            rows,
            every,
            results,
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Service | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Service, form: Any, change: bool) -> None:
        entered = form.cleaned_data
        logic.reschedule(obj.name, enabled=entered["on"], period=entered["seconds"], crontab=form.when)
        if "services_service_save_and_run" in request.POST:
            self._ask(request, obj)

    @admin.action(description="Save and run now")
    def save_and_run(self, request: HttpRequest, obj: Service) -> None:
        """Stand for the button, which ``save_model`` sees."""

    @admin.action(description="Run now", permissions=["change"])
    def run_now(self, request: HttpRequest, chosen: QuerySet[Service]) -> None:
        for service in chosen:
            self._ask(request, service)

    def _ask(self, request: HttpRequest, service: Service) -> None:
        try:
            logic.run_now(service.name)
        except (OperationalError, OSError, LookupError) as error:
            self.message_user(request, f"{service.name} was not asked to run: {error}", messages.ERROR)
        else:
            self.message_user(request, f"{service.name} was asked to run; its line in Service runs will tell.")

    @admin.action(description="Switch on", permissions=["change"])
    def switch_on(self, request: HttpRequest, chosen: QuerySet[Service]) -> None:
        for service in chosen:
            logic.reschedule(service.name, enabled=True)

    @admin.action(description="Switch off", permissions=["change"])
    def switch_off(self, request: HttpRequest, chosen: QuerySet[Service]) -> None:
        for service in chosen:
            logic.reschedule(service.name, enabled=False)


def _took(run: ServiceRun) -> str:
    return f"{duration(run.seconds)} in all" if run.times > 1 else duration(run.seconds)


def _told(run: ServiceRun) -> str:
    figures = ", ".join(f"{name} {value}" for name, value in run.figures.items() if value)
    times = f"{run.times} times " if run.times > 1 else ""
    return f"{times}{run.get_outcome_display()} {figures or run.words[:200]}".strip()


def _result(run: ServiceRun) -> str:
    return link(RESULTS, "result", task_id=run.message) if run.message else ""


@admin.register(Lease)
class LeaseAdmin(MachineTableAdmin):
    list_display = ["name", "owner", "generation", "taken", "expires"]
    search_fields = ["name", "owner"]


@admin.register(ServiceRun)
class ServiceRunAdmin(MachineTableAdmin):
    list_display = ["service", "started", "took", "outcome", "times", "figures", "words", "result"]
    list_filter = ["outcome", "service"]
    search_fields = ["words"]
    list_select_related = ["service"]

    @admin.display(description="duration")
    def took(self, run: ServiceRun) -> str:
        return _took(run)

    @admin.display(description="result")
    def result(self, run: ServiceRun) -> str:
        return _result(run)
