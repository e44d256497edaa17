"""The data service's tables in the admin: to look at; they are changed by its logic alone."""

from __future__ import annotations

from django.contrib import admin

from server.dataservice.models import (
    Contact,
    Dataset,
    DatasetEvent,
    DatasetFile,
    Follower,
    Lane,
    Replica,
    RequestEvent,
    Submission,
    Transfer,
    TransferEvent,
    TransferRequest,
    Wait,
    WaitingJob,
)
from server.lib.admin import MachineRowsInline, MachineTableAdmin


class DatasetEventRows(MachineRowsInline):
    model = DatasetEvent


class ReplicaRows(MachineRowsInline):
    model = Replica


class RequestEventRows(MachineRowsInline):
    model = RequestEvent


class TransferEventRows(MachineRowsInline):
    model = TransferEvent


class WaitRows(MachineRowsInline):
    model = Wait


@admin.register(Dataset)
class DatasetAdmin(MachineTableAdmin):
    list_display = ("name", "scope", "owner", "kind", "state", "files", "expected", "available", "size", "changed")
    list_filter = ("state", "kind")
    search_fields = ("name", "owner")
    inlines = (DatasetEventRows,)


@admin.register(DatasetFile)
class DatasetFileAdmin(MachineTableAdmin):
    list_display = ("lfn", "dataset", "state", "size", "checksum", "events", "job")
    list_select_related = ("dataset",)
    list_filter = ("state",)
    search_fields = ("lfn", "=job")
    inlines = (ReplicaRows,)


@admin.register(Replica)
class ReplicaAdmin(MachineTableAdmin):
    list_display = ("file", "endpoint", "state", "on_tape", "pinned_until", "path", "seen")
    list_select_related = ("file",)
    list_filter = ("state",)
    search_fields = ("file__lfn", "endpoint")


@admin.register(TransferRequest)
class TransferRequestAdmin(MachineTableAdmin):
    list_display = ("id", "kind", "endpoint", "state", "files", "by", "created", "closed", "given_up_at", "given_up_by")
    list_filter = ("state", "kind")
    search_fields = ("=id", "endpoint", "by")
    inlines = (RequestEventRows,)


@admin.register(Transfer)
class TransferAdmin(MachineTableAdmin):
    list_display = ("id", "kind", "file", "endpoint", "state", "tries", "allowed", "since", "due", "answer", "words")
    list_select_related = ("file",)
    list_filter = ("state", "kind", "answer")
    search_fields = ("=request__id", "file__lfn", "endpoint")
    inlines = (TransferEventRows,)


@admin.register(Submission)
class SubmissionAdmin(MachineTableAdmin):
    list_display = ("number", "kind", "endpoint", "source", "state", "begun", "asked", "to_cancel")
    list_filter = ("state", "kind")
    search_fields = ("=number", "ticket")


@admin.register(Lane)
class LaneAdmin(MachineTableAdmin):
    list_display = ("id", "kind", "endpoint", "source", "lifetime")
    list_filter = ("kind",)


@admin.register(Contact)
class ContactAdmin(MachineTableAdmin):
    list_display = ("endpoint", "answered", "silent_since", "words")


@admin.register(WaitingJob)
class WaitingJobAdmin(MachineTableAdmin):
    list_display = ("job", "missing", "since", "hopeless")
    search_fields = ("=job",)
    inlines = (WaitRows,)


@admin.register(DatasetEvent)
class DatasetEventAdmin(MachineTableAdmin):
    list_display = ("at", "dataset", "before", "after", "by", "words")
    list_select_related = ("dataset",)


@admin.register(RequestEvent)
class RequestEventAdmin(MachineTableAdmin):
    list_display = ("at", "request", "act", "files", "by", "why")
    list_filter = ("act",)
    list_select_related = ("request",)


@admin.register(TransferEvent)
class TransferEventAdmin(MachineTableAdmin):
    list_display = ("at", "transfer", "before", "after", "tries", "by", "words")
    list_select_related = ("transfer",)


@admin.register(Wait)
class WaitAdmin(MachineTableAdmin):
    list_display = ("job_id", "file", "endpoint", "ready")
    list_select_related = ("file",)
    search_fields = ("=job__job",)


@admin.register(Follower)
class FollowerAdmin(MachineTableAdmin):
    list_display = ("name", "position")
