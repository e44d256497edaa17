"""The services in the admin: period and switch are edited, runs and leases only shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from kombu.exceptions import OperationalError

from server.lib.admin import MachineTableAdmin, TableAdmin
from server.services import logic, queries
from server.services.models import Lease, Service, ServiceRun
from server.services.states import Outcome

if TYPE_CHECKING:
    ServiceModelForm = forms.ModelForm[Service]
else:
    ServiceModelForm = forms.ModelForm


class ServiceForm(ServiceModelForm):
    on = forms.BooleanField(label="Enabled", required=False)
    seconds = forms.IntegerField(
        label="Period",
        min_value=1,
        max_value=366 * 86400,
        required=False,
        help_text="Seconds between two runs. Empty where the schedule is a crontab; a number here replaces it.",
    )

    class Meta:
        model = Service
        fields: list[str] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        period = self.instance.period
        self.initial.update(on=self.instance.enabled, seconds=None if period is None else round(period))

    def clean_seconds(self) -> int | None:
        seconds: int | None = self.cleaned_data["seconds"]
        if seconds is None and self.instance.period is not None:
            raise forms.ValidationError("Give the seconds between two runs; a crontab is set in Periodic tasks.")
        return seconds


@admin.register(Service)
class ServiceAdmin(TableAdmin):
    form = ServiceForm
    list_display = ["name", "what", "is_on", "every", "last_run", "next_run", "last_outcome", "failures"]
    list_filter = ["schedule__enabled"]
    search_fields = ["name", "what"]
    list_select_related = ["schedule__interval"]
    readonly_fields = ["name", "what", "declared_period", "time_limit", "last_run", "next_run", "failures", "wanted"]
    fields = [*readonly_fields[:2], "on", "seconds", *readonly_fields[2:]]
    actions = ["run_now", "switch_on", "switch_off"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Service]:
        return queries.with_last_outcome(super().get_queryset(request))

    @admin.display(description="enabled", boolean=True, ordering="schedule__enabled")
    def is_on(self, service: Service) -> bool:
        return service.enabled

    @admin.display(description="period")
    def every(self, service: Service) -> str:
        return f"{service.period:g} s" if service.period is not None else "crontab"

    @admin.display(description="last result")
    def last_outcome(self, service: Service) -> str:
        outcome = getattr(service, "outcome", None)
        return Outcome(outcome).label if outcome else ""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Service | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Service, form: Any, change: bool) -> None:
        logic.reschedule(obj.name, period=form.cleaned_data["seconds"], enabled=form.cleaned_data["on"])

    @admin.action(description="Run now", permissions=["change"])
    def run_now(self, request: HttpRequest, chosen: QuerySet[Service]) -> None:
        for service in chosen:
            try:
                logic.run_now(service.name)
            except (OperationalError, OSError, LookupError) as error:
                self.message_user(request, f"{service.name} was not asked to run: {error}", messages.ERROR)
            else:
                self.message_user(request, f"{service.name} was asked to run; its line in Service runs will tell.")

    @admin.action(description="Switch on", permissions=["change"])
    def switch_on(self, request: HttpRequest, chosen: QuerySet[Service]) -> None:
        for service in chosen:
            logic.reschedule(service.name, period=None, enabled=True)

    @admin.action(description="Switch off", permissions=["change"])
    def switch_off(self, request: HttpRequest, chosen: QuerySet[Service]) -> None:
        for service in chosen:
            logic.reschedule(service.name, period=None, enabled=False)


@admin.register(Lease)
class LeaseAdmin(MachineTableAdmin):
    list_display = ["name", "owner", "generation", "taken", "expires"]
    search_fields = ["name", "owner"]


@admin.register(ServiceRun)
class ServiceRunAdmin(MachineTableAdmin):
    list_display = ["service", "started", "ended", "outcome", "times", "figures", "words"]
    list_filter = ["outcome", "service"]
    search_fields = ["words"]
    list_select_related = ["service"]
