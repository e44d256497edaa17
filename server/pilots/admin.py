"""The pilots in the admin, to look at."""

from __future__ import annotations

from django.contrib import admin

from server.lib.admin import MachineTableAdmin
from server.pilots.models import Pilot


@admin.register(Pilot)
class PilotAdmin(MachineTableAdmin):
    list_display = ["__str__", "queue", "state", "exit_code", "words", "jobs", "submitted_at", "started_at", "ended_at"]
    list_filter = ["state", "queue", "exit_code"]
    search_fields = ["submission", "batch_id", "words"]
    date_hierarchy = "submitted_at"
