"""Harvesters and their workers in the admin, to look at."""

from __future__ import annotations

from django.contrib import admin

from server.harvester.models import (
    Command,
    Dialog,
    Harvester,
    HarvesterWorker,
    ServiceMetric,
    TargetSlots,
    WorkerCount,
    WorkerJob,
)
from server.lib.admin import MachineTableAdmin


@admin.register(Harvester)
class HarvesterAdmin(MachineTableAdmin):
    list_display = ["name", "heartbeat_at"]


@admin.register(HarvesterWorker)
class HarvesterWorkerAdmin(MachineTableAdmin):
    list_display = ["__str__", "state", "queue", "batch_id", "node", "jobs", "error", "words", "updated_at"]
    list_filter = ["state", "queue", "harvester"]
    search_fields = ["=worker_id", "batch_id", "node"]


@admin.register(WorkerJob)
class WorkerJobAdmin(MachineTableAdmin):
    list_display = ["job", "harvester", "worker_id", "said_at"]
    list_filter = ["harvester"]
    search_fields = ["=job", "=worker_id"]


@admin.register(WorkerCount)
class WorkerCountAdmin(MachineTableAdmin):
    list_display = ["queue", "harvester", "job_type", "resource_type", "state", "count", "counted_at"]
    list_filter = ["queue", "harvester", "state"]


@admin.register(Command)
class CommandAdmin(MachineTableAdmin):
    list_display = ["word", "harvester", "by", "created_at", "given_at", "acknowledged_at"]
    list_filter = ["harvester"]


@admin.register(TargetSlots)
class TargetSlotsAdmin(MachineTableAdmin):
    list_display = ["queue", "resource_type", "slots", "until", "by", "wanted_at"]


@admin.register(Dialog)
class DialogAdmin(MachineTableAdmin):
    list_display = ["harvester", "level", "module", "identifier", "words", "said_at"]
    list_filter = ["level", "harvester"]
    search_fields = ["words"]


@admin.register(ServiceMetric)
class ServiceMetricAdmin(MachineTableAdmin):
    list_display = ["harvester", "host", "measured_at", "figures"]
    list_filter = ["harvester", "host"]
