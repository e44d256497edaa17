"""The task buffer in the admin: to look at; its rows are changed by its logic alone."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from server.lib.admin import MachineRowsInline, MachineTableAdmin, TableAdmin, link
from server.taskbuffer.blocked import Blocked
from server.taskbuffer.models import (
    ArchivedJob,
    Attempt,
    Bucket,
    Job,
    JobEvent,
    JobFile,
    JobParameters,
    JobReport,
    Live,
    Ready,
    RetryRule,
    Waiting,
    Walk,
)
from server.taskbuffer.past_failures import preview
from server.taskbuffer.resets import Reset, ResetJob

#: Days of failures that a preview in the admin looks at.
PREVIEW_DAYS = 7


class FileRows(MachineRowsInline):
    model = JobFile
    fields = ("lfn", "role", "state", "size", "checksum", "endpoint", "url", "attempt")


class AttemptRows(MachineRowsInline):
    model = Attempt
    fields = ("number", "state", "node", "pilot_id", "sent_at", "started_at", "ended_at", "pilot_error", "exit_status")


class EventRows(MachineRowsInline):
    model = JobEvent
    fields = ("at", "attempt", "before", "after", "by", "detail")


@admin.register(Job)
class JobAdmin(MachineTableAdmin):
    list_display = ("id", "name", "state", "attempt", "queue", "priority", "task_id", "created_at", "ended_at")
    search_fields = ("=id", "=task_id")
    inlines = (FileRows, AttemptRows, EventRows)


@admin.register(ArchivedJob)
class ArchivedJobAdmin(MachineTableAdmin):
    """What the archive is searched by; the job's own page shows the rest."""

    list_display = ("page", "name", "state", "attempt", "queue", "user", "task_id", "created_at", "ended_at")
    search_fields = ("=id", "=task_id", "^name")
    list_filter = ("state",)
    exclude = ("document",)

    @admin.display(description="job", ordering="id")
    def page(self, job: ArchivedJob) -> SafeString:
        """Lead to the job's page."""
        return format_html('<a href="{}">{}</a>', reverse("job", args=(job.pk,)), job.pk)


class ResetJobRows(MachineRowsInline):
    model = ResetJob
    fields = ("job", "state", "attempt", "restored")


@admin.register(Reset)
class ResetAdmin(MachineTableAdmin):
    list_display = ("__str__", "at", "by", "jobs", "undone_at", "undone_by", "kept")
    search_fields = ("why", "=entries__job")
    inlines = (ResetJobRows,)


@admin.register(Bucket)
class BucketAdmin(MachineTableAdmin):
    list_display = ("id", "queue", "label", "share", "cores", "memory", "walltime", "disk")


@admin.register(Ready)
class ReadyAdmin(MachineTableAdmin):
    list_display = ("job_id", "bucket", "rank")
    ordering = ("bucket", "rank")


@admin.register(Waiting)
class WaitingAdmin(MachineTableAdmin):
    list_display = ("job_id", "bucket", "state", "since")
    list_select_related = ("bucket",)


@admin.register(Blocked)
class BlockedAdmin(MachineTableAdmin):
    list_display = ("bucket", "since")
    list_select_related = ("bucket",)


@admin.register(Live)
class LiveAdmin(MachineTableAdmin):
    list_display = ("job_id", "attempt", "queue", "state", "heartbeat", "events_done", "events_total")


@admin.register(Attempt)
class AttemptAdmin(MachineTableAdmin):
    list_display = ("job_id", "number", "state", "queue", "node", "pilot", "sent_at", "ended_at", "pilot_error")
    search_fields = ("=job__id", "=request_id")

    @admin.display(description="pilot", ordering="batch_id")
    def pilot(self, attempt: Attempt) -> str:
        """Lead to the pilot that has or had it."""
        return link("pilots_pilot", attempt.batch_id, batch_id=attempt.batch_id) if attempt.batch_id else ""


@admin.register(JobEvent)
class JobEventAdmin(MachineTableAdmin):
    list_display = ("at", "job_id", "attempt", "before", "after", "by", "detail")
    search_fields = ("=job__id",)


@admin.register(JobParameters, JobReport, JobFile, ResetJob, Walk)
class RestAdmin(MachineTableAdmin):
    """Mostly reached by the job's number."""


@admin.register(RetryRule)
class RetryRuleAdmin(TableAdmin):
    """The rules for retries: the one table of the task buffer that people write."""

    list_display = ("__str__", "place", "enabled", "source", "code", "words", "action", "most_attempts", "expires_at")
    list_filter = ("enabled", "source", "action")
    search_fields = ("words", "comment")
    actions = ("show_what_they_would_have_done",)

    @admin.action(description=f"What would these have done with the failures of the last {PREVIEW_DAYS} days?")
    def show_what_they_would_have_done(self, request: HttpRequest, rules: QuerySet[RetryRule]) -> HttpResponse:
        """Judge past failures by the chosen rules, whether they are enabled or not; nothing is changed."""
        since = timezone.now() - timedelta(days=PREVIEW_DAYS)
        found = preview([rule.as_rule() for rule in rules.order_by("place", "pk")], since=since)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Failures of the last {PREVIEW_DAYS} days",
            "opts": self.model._meta,
            "preview": found,
        }
        return render(request, "taskbuffer/retry_preview.html", context)
