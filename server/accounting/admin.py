"""Quotas, which people write, and usage to look at."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from server.accounting.measure import measure_quotas
from server.accounting.models import Bookmark, Failure, Quota, ShareUse, Usage
from server.lib.admin import MachineRowsInline, MachineTableAdmin, TableAdmin


@admin.register(Quota)
class QuotaAdmin(TableAdmin):
    """What is used of a quota is measured when it is saved, and every few minutes after that."""

    list_display = ("name", "kind", "core_hours", "days", "core_hours_used", "over")
    list_filter = ("kind",)
    search_fields = ("name",)

    @admin.display(description="used", ordering="used")
    def core_hours_used(self, quota: Quota) -> str:
        return f"{quota.used:.1f}"

    def save_model(self, request: HttpRequest, obj: Quota, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        measure_quotas([obj], now=timezone.now())


class FailureRows(MachineRowsInline):
    model = Failure


@admin.register(Usage)
class UsageAdmin(MachineTableAdmin):
    list_display = ("day", "user", "group", "queue", "task_id", "label", "attempts", "good_core_seconds")
    list_filter = ("label",)
    search_fields = ("=user", "=group", "=queue", "=task_id")
    ordering = ("-day", "queue")
    inlines = (FailureRows,)


@admin.register(Failure)
class FailureAdmin(MachineTableAdmin):
    list_display = ("usage", "source", "code", "attempts")
    list_select_related = ("usage",)
    ordering = ("-usage__day", "source", "code")


@admin.register(ShareUse)
class ShareUseAdmin(MachineTableAdmin):
    list_display = ("share", "cores")


@admin.register(Bookmark)
class BookmarkAdmin(MachineTableAdmin):
    list_display = ("name", "position", "seen", "seen_at", "days_from", "held_until")
