"""The factory in the admin: systems and queues are edited, decisions shown rule by rule, large changes confirmed."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from server.factory import logic, queries
from server.factory.models import (
    FactoryAllocation,
    FactoryConfirmation,
    FactoryCycle,
    FactoryQueue,
    FactorySystem,
    FactorySystemState,
)
from server.lib.admin import MachineTableAdmin, TableAdmin
from server.pilots import allocations, fleet


@admin.register(FactorySystem)
class FactorySystemAdmin(TableAdmin):
    none_yet = "The machine of the server is there without a row; add one for each batch system elsewhere."
    list_display = ["name", "kind", "enabled", "max_pilots", "options"]
    list_filter = ["kind", "enabled"]

    def get_readonly_fields(self, request: HttpRequest, obj: FactorySystem | None = None) -> list[str]:
        return ["name"] if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: FactorySystem | None = None) -> bool:
        """Keep a system that has pilots: nobody could follow them. Switch it off and wait for their end."""
        allowed: bool = super().has_delete_permission(request, obj)
        return allowed and (obj is None or obj.name not in fleet.homes())

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Leave out the deletion of several: each one's pilots are looked at on its own page."""
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}


@admin.register(FactoryAllocation)
class FactoryAllocationAdmin(TableAdmin):
    list_display = ["name", "node_hours", "since", "used"]

    @admin.display(description="used, node-hours")
    def used(self, row: FactoryAllocation) -> str:
        return f"{allocations.used_hours(row.name, since=row.since, now=timezone.now()):.1f}"


@admin.register(FactoryQueue)
class FactoryQueueAdmin(TableAdmin):
    none_yet = "Add the queues that the factory is to submit pilots for."
    list_display = ["queue", "enabled", "batch_system", "slots", "max_waiting", "max_per_cycle", "last_decision", "why"]
    list_filter = ["enabled", "batch_system"]
    search_fields = ["queue"]
    fieldsets = [
        (None, {"fields": ["queue", "enabled", "batch_system", "job_options", "pilot_options"]}),
        ("One pilot", {"fields": ["nodes", "cores", "memory", "disk", "wall_time", "whole_nodes", "allocation"]}),
        ("How many", {"fields": ["rules", "slots", "max_waiting", "max_per_cycle", "safe_pilots", "safe_percent"]}),
        ("Nodes that fail", {"fields": ["black_hole_pilots", "black_hole_seconds", "black_hole_pause"]}),
        ("Ends", {"fields": ["held_minutes", "start_days", "grace", "keep_files"]}),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: FactoryQueue | None = None) -> list[str]:
        return ["queue"] if obj else []

    def get_queryset(self, request: HttpRequest) -> QuerySet[FactoryQueue]:
        """Read the last decisions with their queues."""
        last = FactoryCycle.objects.filter(queue=OuterRef("pk")).order_by("-pk")
        read = {f"last_{name}": Subquery(last.values(name)[:1]) for name in ("number", "words", "trace")}
        rows: QuerySet[FactoryQueue] = super().get_queryset(request).annotate(**read)
        return rows

    @admin.display(description="last decision")
    def last_decision(self, row: Any) -> str:
        if row.last_number is None:
            return ""
        return f"{row.last_number}: {row.last_words or queries.reason_of(row.last_trace)}"

    @admin.display(description="why, and what if")
    def why(self, row: FactoryQueue) -> SafeString:
        return format_html('<a href="{}">explain</a>', reverse("factory-queue", args=[row.queue]))


@admin.register(FactoryCycle)
class FactoryCycleAdmin(MachineTableAdmin):
    list_display = [
        "queue",
        "began",
        "latest",
        "times",
        "activated",
        "waiting",
        "running",
        "number",
        "submitted",
        "cancelled",
        "why",
    ]
    list_filter = ["queue"]
    list_select_related = ["queue"]
    exclude = ["trace"]
    readonly_fields = ["rules", "what_if"]

    @admin.display(description="reason")
    def why(self, cycle: FactoryCycle) -> str:
        return cycle.words or queries.reason_of(cycle.trace)

    @admin.display(description="rules")
    def rules(self, cycle: FactoryCycle) -> SafeString:
        lines = ((step["rule"], step["number"], step["reason"]) for step in cycle.trace)
        return format_html_join("", "<div>{}: <b>{}</b> ({})</div>", lines)

    @admin.display(description="what if")
    def what_if(self, cycle: FactoryCycle) -> SafeString:
        address = f"{reverse('factory-queue', args=[cycle.queue_id])}?cycle={cycle.pk}"
        return format_html('<a href="{}">decide it again with other settings</a>', address)


@admin.register(FactoryConfirmation)
class FactoryConfirmationAdmin(MachineTableAdmin):
    list_display = ["queue", "change", "asked_at", "latest", "confirmed_by", "confirmed_at", "done_at"]
    list_filter = ["queue"]
    list_select_related = ["queue"]
    actions = ["confirm"]

    @admin.action(description="Confirm these changes", permissions=["confirm"])
    def confirm(self, request: HttpRequest, chosen: QuerySet[FactoryConfirmation]) -> None:
        """Confirm what still waits for somebody's word."""
        for one in chosen:
            try:
                done = logic.confirm_change(one.queue_id, by=request.user.get_username(), now=timezone.now())
            except logic.NothingToConfirm as nothing:
                self.message_user(request, str(nothing), messages.WARNING)
            else:
                self.message_user(request, f"{one.queue_id}: a change of {done.change} pilots is confirmed.")

    def has_confirm_permission(self, request: HttpRequest) -> bool:
        """Let those confirm who may change what the queues are allowed."""
        return request.user.has_perm("factory.change_factoryqueue")


@admin.register(FactorySystemState)
class FactorySystemStateAdmin(MachineTableAdmin):
    list_display = ["name", "asked_at", "answered_at", "seconds", "pilots", "words"]
