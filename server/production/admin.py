"""The production's tables in the admin: all of them are the machine's; people act through the client and the pages."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from server.lib.admin import MachineRowsInline, MachineTableAdmin, link
from server.production.cleanup.models import Cleaning, Removal
from server.production.log_archives import LogArchive, with_files
from server.production.models import (
    CatalogueFile,
    Chunk,
    CrossCheck,
    Cursor,
    MergeGroup,
    MergeInput,
    Output,
    RawFile,
    Run,
    Task,
    TaskEvent,
    UserTask,
)
from server.production.reference import admin as reference_admin  # noqa: F401 (registers its tables)
from server.production.rules import admin as rule_admin  # noqa: F401 (registers its table)
from server.production.staging.models import Prestage, StagedFile, TaskStaging
from server.production.states import TapeState
from server.production.steering_models import Resend, ResendRow, SubmitDecision
from server.production.totals.count import count_anew
from server.production.totals.models import TaskTotals


class RunRows(MachineRowsInline):
    model = Run


class InputRows(MachineRowsInline):
    model = MergeInput


@admin.register(Task)
class TaskAdmin(MachineTableAdmin):
    list_display = ("name", "type", "state", "production", "year", "period", "slot", "phast", "soft", "queue", "owner")
    list_filter = ("state", "type", "year")
    search_fields = ("name", "production", "soft")
    inlines = (RunRows,)


@admin.register(UserTask)
class UserTaskAdmin(MachineTableAdmin):
    list_display = ("task", "label")
    list_select_related = ("task",)
    search_fields = ("task__name",)


@admin.register(Run)
class RunAdmin(MachineTableAdmin):
    list_display = ("number", "task")
    list_select_related = ("task",)
    search_fields = ("number", "task__name")


@admin.register(Chunk)
class ChunkAdmin(MachineTableAdmin):
    list_display = ("run", "number", "state", "job_id", "attempts", "events_ordered", "events_done", "words")
    list_select_related = ("run__task",)
    list_filter = ("state",)
    search_fields = ("run__number", "task__name", "job_id")


@admin.register(RawFile)
class RawFileAdmin(MachineTableAdmin):
    list_display = ("lfn", "chunk", "dataset", "endpoint", "size", "checksum", "events")
    list_select_related = ("chunk__run__task",)
    search_fields = ("lfn", "chunk__run__task__name")


@admin.register(CatalogueFile)
class CatalogueFileAdmin(MachineTableAdmin):
    list_display = ("lfn", "run", "chunk", "dataset", "endpoint", "size", "checksum", "events", "updated")
    search_fields = ("run", "lfn")


@admin.register(MergeGroup)
class MergeGroupAdmin(MachineTableAdmin):
    list_display = ("run", "kind", "number", "state", "job_id", "attempts", "events_expected", "events_found", "size")
    list_select_related = ("run__task",)
    list_filter = ("kind", "state")
    search_fields = ("run__number", "task__name", "job_id")
    inlines = (InputRows,)


@admin.register(LogArchive)
class LogArchiveAdmin(MachineTableAdmin):
    list_display = ("task", "run_number", "number", "files", "bytes", "state", "tape", "request", "checksum")
    list_select_related = ("run", "task")
    list_filter = ("state",)
    search_fields = ("task__name", "=run__number", "=job_id", "outputs__lfn")
    inlines = (InputRows,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[LogArchive]:
        return with_files(super().get_queryset(request))

    @admin.display(description="run", ordering="run__number")
    def run_number(self, one: Any) -> str:
        return str(one.run.number)

    @admin.display(description="logs")
    def files(self, one: Any) -> str:
        return str(one.files)

    @admin.display(description="bytes")
    def bytes(self, one: Any) -> str:
        return str(one.bytes)

    @admin.display(description="on its way to tape")
    def tape(self, one: Any) -> str:
        return TapeState(one.tape).label if one.tape else ""

    @admin.display(description="request")
    def request(self, one: Any) -> object:
        return link("dataservice_transferrequest", one.request, id=str(one.request)) if one.request else ""

    @admin.display(description="checksum")
    def checksum(self, one: Any) -> str:
        return one.checksum or ""


@admin.register(MergeInput)
class MergeInputAdmin(MachineTableAdmin):
    list_display = ("output", "group")
    list_select_related = ("output", "group__run__task")
    search_fields = ("output__lfn",)


@admin.register(Output)
class OutputAdmin(MachineTableAdmin):
    list_display = ("lfn", "kind", "dataset", "endpoint", "size", "checksum", "events")
    list_filter = ("kind",)
    search_fields = ("lfn", "task__name")


@admin.register(CrossCheck)
class CrossCheckAdmin(MachineTableAdmin):
    list_display = ("run", "kind", "verdict", "expected", "found", "words", "at")
    list_select_related = ("run__task",)
    list_filter = ("verdict", "kind")
    search_fields = ("run__number", "task__name")


@admin.register(TaskEvent)
class TaskEventAdmin(MachineTableAdmin):
    list_display = ("at", "task", "chunk", "group", "before", "after", "job_id", "by", "words")
    list_select_related = ("task", "chunk__run__task", "group__run__task")
    search_fields = ("task__name", "job_id", "by")


@admin.register(Cursor)
class CursorAdmin(MachineTableAdmin):
    list_display = ("name", "position")


@admin.register(SubmitDecision)
class SubmitDecisionAdmin(MachineTableAdmin):
    list_display = ("task", "began", "latest", "times", "number", "sent", "reason", "words")
    list_select_related = ("task",)
    search_fields = ("task__name",)


class ResendRows(MachineRowsInline):
    model = ResendRow


@admin.register(Resend)
class ResendAdmin(MachineTableAdmin):
    list_display = ("__str__", "task", "at", "by", "why", "undone_by", "undone_at")
    list_select_related = ("task",)
    search_fields = ("task__name", "why", "by")
    inlines = (ResendRows,)


@admin.register(ResendRow)
class ResendRowAdmin(MachineTableAdmin):
    list_display = ("resend", "table", "key")
    list_select_related = ("resend",)
    search_fields = ("=key",)


@admin.register(TaskStaging)
class TaskStagingAdmin(MachineTableAdmin):
    list_display = ("task", "endpoints", "words", "updated")
    list_select_related = ("task",)
    search_fields = ("task__name",)


@admin.register(Prestage)
class PrestageAdmin(MachineTableAdmin):
    list_display = ("request", "task", "endpoint", "files", "at", "by")
    list_select_related = ("task",)
    search_fields = ("task__name", "request")


@admin.register(StagedFile)
class StagedFileAdmin(MachineTableAdmin):
    list_display = ("chunk", "state", "prestage", "endpoint", "since", "due", "on_disk_until", "attempts", "words")
    list_select_related = ("chunk__run__task", "prestage__task")
    list_filter = ("state",)
    search_fields = ("chunk__run__number", "chunk__task__name")


@admin.register(Cleaning)
class CleaningAdmin(MachineTableAdmin):
    list_display = ("task", "due", "kept")
    list_select_related = ("task",)
    search_fields = ("task__name",)


@admin.register(Removal)
class RemovalAdmin(MachineTableAdmin):
    list_display = ("output", "state", "endpoint", "request", "tries", "since", "due", "words")
    list_select_related = ("output",)
    list_filter = ("state",)
    search_fields = ("output__lfn", "=request")


@admin.register(TaskTotals)
class TaskTotalsAdmin(MachineTableAdmin):
    list_display = ("task", "runs", "finished", "failed", "chunks", "events", "results", "taped", "counted")
    list_select_related = ("task",)
    search_fields = ("task__name",)
    actions = ("count_again",)

    @admin.action(description="Count the selected tasks again", permissions=["view"])
    def count_again(self, request: HttpRequest, chosen: QuerySet[TaskTotals]) -> None:
        """Have them counted in the next turn of their service: nothing is lost by it."""
        self.message_user(request, f"{count_anew(chosen)} tasks are counted again within a minute.")
