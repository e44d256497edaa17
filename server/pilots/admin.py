"""The pilots in the admin, to look at."""

from __future__ import annotations

from django.contrib import admin

from server.lib.admin import MachineTableAdmin, link
from server.pilots.models import Pilot


@admin.register(Pilot)
class PilotAdmin(MachineTableAdmin):
    list_display = [
        "__str__",
        "queue",
        "state",
        "exit_code",
        "words",
        "taken",
        "submitted_at",
        "started_at",
        "ended_at",
    ]
    list_filter = ["state", "queue", "exit_code"]
    search_fields = ["submission", "batch_id", "words"]
    date_hierarchy = "submitted_at"

    @admin.display(description="jobs", ordering="jobs")
    def taken(self, pilot: Pilot) -> str:
        """Count the jobs that it was given, and lead to their attempts."""
        return link("taskbuffer_attempt", pilot.jobs, batch_id=pilot.batch_id) if pilot.jobs else "0"
