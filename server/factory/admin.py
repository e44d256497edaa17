"""The factory in the admin: what a queue is allowed is edited, decisions are shown rule by rule."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from server.factory import queries
from server.factory.models import FactoryCycle, FactoryQueue
from server.lib.admin import MachineTableAdmin, TableAdmin


@admin.register(FactoryQueue)
class FactoryQueueAdmin(TableAdmin):
    list_display = ["queue", "enabled", "batch_system", "slots", "max_waiting", "max_per_cycle", "last_decision"]
    list_filter = ["enabled", "batch_system"]
    search_fields = ["queue"]

    def get_readonly_fields(self, request: Any, obj: FactoryQueue | None = None) -> list[str]:
        return ["queue"] if obj else []

    @admin.display(description="last decision")
    def last_decision(self, row: FactoryQueue) -> str:
        last = row.cycles.order_by("-id").first()
        return f"{last.number}: {last.words or queries.reason_of(last.trace)}" if last else ""


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
        "why",
    ]
    list_filter = ["queue"]
    list_select_related = ["queue"]
    exclude = ["trace"]
    readonly_fields = ["rules"]

    @admin.display(description="reason")
    def why(self, cycle: FactoryCycle) -> str:
        return cycle.words or queries.reason_of(cycle.trace)

    @admin.display(description="rules")
    def rules(self, cycle: FactoryCycle) -> SafeString:
        lines = ((step["rule"], step["number"], step["reason"]) for step in cycle.trace)
        return format_html_join("", "<div>{}: <b>{}</b> ({})</div>", lines)
