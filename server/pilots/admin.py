"""The pilots, Harvesters' workers and their nodes in the admin, to look at."""

from __future__ import annotations

from django.contrib import admin

from server.lib.admin import MachineTableAdmin, link
from server.pilots.models import AllocationUse, Node, NodeGpus, Pilot, PilotUse, Worker


@admin.register(Pilot)
class PilotAdmin(MachineTableAdmin):
    none_yet = "The factory submits some where jobs wait in one of its queues; look at Factory queues."
    list_display = [
        "__str__",
        "queue",
        "state",
        "node",
        "exit_code",
        "words",
        "taken",
        "submitted_at",
        "started_at",
        "ended_at",
    ]
    list_filter = ["state", "queue", "batch_system", "exit_code"]
    search_fields = ["submission", "batch_id", "node", "words"]
    date_hierarchy = "submitted_at"

    @admin.display(description="jobs", ordering="jobs")
    def taken(self, pilot: Pilot) -> str:
        """Count the jobs that it was given, and lead to their attempts."""
        return link("taskbuffer_attempt", pilot.jobs, batch_id=pilot.batch_id) if pilot.jobs else "0"


@admin.register(PilotUse)
class PilotUseAdmin(MachineTableAdmin):
    list_display = ["day", "queue", "node", "pilots", "jobless", "failed", "quick", "lost", "jobs", "jobs_failed"]
    list_filter = ["day", "queue"]
    search_fields = ["node"]


@admin.register(AllocationUse)
class AllocationUseAdmin(MachineTableAdmin):
    list_display = ["day", "allocation", "node_seconds"]
    list_filter = ["allocation"]


@admin.register(Worker)
class WorkerAdmin(MachineTableAdmin):
    list_display = ["__str__", "state", "queue", "node", "started_at", "finished_at"]
    list_filter = ["state", "queue", "harvester_id"]
    search_fields = ["=worker_id", "node"]
    date_hierarchy = "started_at"


@admin.register(Node)
class NodeAdmin(MachineTableAdmin):
    list_display = ["host", "site", "queue", "cpu_model", "logical", "level", "memory", "disk", "seen_at"]
    list_filter = ["site", "level"]
    search_fields = ["host", "cpu_model"]


@admin.register(NodeGpus)
class NodeGpusAdmin(MachineTableAdmin):
    list_display = ["host", "site", "vendor", "model", "count", "memory", "driver", "seen_at"]
    list_filter = ["site", "vendor"]
    search_fields = ["host", "model"]
