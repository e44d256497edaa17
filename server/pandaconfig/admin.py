"""Queues, clouds, access to sites, users, storages, shares and limits in the admin, and what became of them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import quote
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from server.accounts.rights import why_not_queue
from server.lib.admin import MachineTableAdmin
from server.lib.uses import uses_of
from server.pandaconfig import logic
from server.pandaconfig.desk import TOLD, DeskAdmin, differences
from server.pandaconfig.forms import QueueForm, RowForm, StatusForm
from server.pandaconfig.groups import QUEUE, USER
from server.pandaconfig.models import (
    Change,
    Cloudconfig,
    GlobalShare,
    ImportDraft,
    PandaUser,
    Schedconfig,
    Siteaccess,
    StatusHold,
    StorageEndpoint,
    UserLimits,
)
from server.pandaconfig.readable import Refused
from server.pandaconfig.tables import TABLES, Row

#: Most that one cell of a list of changes shows of a value.
_CELL = 60


def _sets(groups: Any) -> tuple[Any, ...]:
    return tuple(
        (title, {"description": words, "fields": names.split(), "classes": ["tab"]}) for title, words, names in groups
    )


def _status_action(status: str) -> Any:
    @admin.action(description=f"Set {status} ...", permissions=["change"])
    def ask(desk: QueueAdmin, request: HttpRequest, queryset: QuerySet[Schedconfig]) -> HttpResponse | None:
        return desk.set_status(request, queryset, status)

    ask.__name__ = f"set_{status}"
    return ask


@admin.register(Schedconfig)
class QueueAdmin(DeskAdmin):
    """One page per queue: PanDA's columns in groups, and the JSON beside them."""

    form = QueueForm
    fieldsets = _sets(QUEUE)
    none_yet = "No job can run without one: add it here, import some, or run compass-server init --local-queue LOCAL."
    list_display = ("nickname", "gstat", "status", "held", "cloud", "corecount", "maxrss", "maxtime", "lastmod")
    list_filter = ("status", "cloud", "region")
    search_fields = ("nickname", "siteid", "gstat", "tags", "comment")
    actions = (*(_status_action(one) for one in ("online", "test", "brokeroff", "offline")), *DeskAdmin.actions)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        found = super().get_changelist_instance(request)
        holds = StatusHold.objects.in_bulk([queue.pk for queue in found.result_list])  # perhaps of another database
        for queue in found.result_list:
            queue.hold = holds.get(queue.pk)
        return found

    def may_write(self, request: HttpRequest, before: Row | None, after: Row) -> str:
        """Refuse who looks after other sites, also a queue that would leave theirs, or come from another."""
        words = (why_not_queue(request.user, row["siteid"], row["nickname"]) for row in (before, after) if row)
        return next(filter(None, words), "")

    @admin.display(description="for a time")
    def held(self, queue: Schedconfig) -> str:
        hold: StatusHold | None = getattr(queue, "hold", None)
        if hold is None or hold.status != queue.status:
            return ""
        return f"until {hold.until:%Y-%m-%d %H:%M} UTC, then {hold.back_to}: {hold.reason}"

    def set_status(self, request: HttpRequest, queryset: QuerySet[Schedconfig], status: str) -> HttpResponse | None:
        """Ask why and for how long, and show what hangs on the queues; then do it."""
        chosen, others = [], []
        for name, now, site in queryset.order_by("nickname").values_list("nickname", "status", "siteid"):
            if words := why_not_queue(request.user, site, name):
                others.append(words)
            else:
                chosen.append((name, now))
        for words in others[:TOLD]:
            self.message_user(request, words, messages.ERROR)
        if not chosen:
            return None
        form = StatusForm(request.POST if "confirmed" in request.POST else None, initial={"status": status})
        if not form.is_valid():
            uses = uses_of(self.table.name, [name for name, _ in chosen])
            shared = {**self.admin_site.each_context(request), "opts": self.opts, "title": f"Set {status}"}
            context = {"form": form, "queues": chosen, "uses": uses, "action": f"set_{status}"}
            return render(request, "pandaconfig/status.html", {**shared, **context})
        values = form.cleaned_data
        author = self.author(request, Change.Way.ACTION, values["reason"])
        try:
            left = logic.set_status([name for name, _ in chosen], values["status"], author, until=form.until())
        except Refused as refused:
            self.message_user(request, str(refused), messages.ERROR)
            return None
        for name, why in left.items():
            self.message_user(request, f"{name}: {why}", messages.ERROR)
        until = f" until {form.until():%Y-%m-%d %H:%M} UTC" if values["hours"] else ""
        self.message_user(request, f"{len(chosen) - len(left)} queues are {values['status']}{until}.")
        return None


class _PlainAdmin(DeskAdmin):
    """A table whose form has its columns in their order, and why."""

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*(name for name, one in self.table.fields.items() if one.editable), "reason"]


@admin.register(Cloudconfig)
class CloudAdmin(_PlainAdmin):
    """One page per cloud."""

    list_display = ("name", "description", "status", "tier1", "mcshare", "weight", "countries", "modtime")
    list_filter = ("status",)
    search_fields = ("name", "description", "tier1", "comment")


@admin.register(Siteaccess)
class SiteaccessAdmin(_PlainAdmin):
    """Who may do what at which site."""

    list_display = ("dn", "pandasite", "status", "rights", "poffset", "workinggroups", "created")
    list_filter = ("status", "rights")
    search_fields = ("dn", "pandasite", "workinggroups")
    actions = ("approve", "reject", *DeskAdmin.actions)

    @admin.action(description="Approve the selected requests", permissions=["change"])
    def approve(self, request: HttpRequest, queryset: QuerySet[Siteaccess]) -> None:
        self._set(request, queryset, Siteaccess.Status.APPROVED)

    @admin.action(description="Reject the selected requests", permissions=["change"])
    def reject(self, request: HttpRequest, queryset: QuerySet[Siteaccess]) -> None:
        self._set(request, queryset, Siteaccess.Status.REJECTED)

    def _set(self, request: HttpRequest, queryset: QuerySet[Siteaccess], status: Siteaccess.Status) -> None:
        done = self.write_many(request, queryset, {"status": status.value})
        self.message_user(request, f"{done} were {status.value}.")


@admin.register(PandaUser)
class PandaUserAdmin(DeskAdmin):
    """Users as PanDA accounts for them."""

    fieldsets = _sets(USER)
    list_display = ("name", "vo", "status", "dn", "email", "njobs30", "latestjob", "lastmod")
    list_filter = ("status", "vo")
    search_fields = ("name", "dn", "email")
    actions = ("disable", "enable", *DeskAdmin.actions)

    @admin.action(description="Disable: nothing of theirs is taken or started", permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[PandaUser]) -> None:
        self._set(request, queryset, PandaUser.Status.DISABLED)

    @admin.action(description="Enable again", permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[PandaUser]) -> None:
        self._set(request, queryset, PandaUser.Status.ACTIVE)

    def _set(self, request: HttpRequest, queryset: QuerySet[PandaUser], status: PandaUser.Status) -> None:
        done = self.write_many(request, queryset, {"status": status.value})
        self.message_user(request, f"{done} are {status.label}.")


class StorageForm(RowForm):
    """A storage's name and its entry; an empty entry is one too."""

    data = forms.JSONField(  # type: ignore[assignment]  # a field's name, which no instance has as attribute
        required=False,
        help_text="Its entry of ddmendpoints.json: arprotocols by activity, state, type, is_deterministic ...",
        widget=forms.Textarea(attrs={"rows": 20, "cols": 100, "spellcheck": "false", "class": "vLargeTextField"}),
    )

    class Meta:
        model = StorageEndpoint
        fields = ("name", "data")

    def row(self) -> Row:
        found = super().row()
        return found | {"data": {} if found.get("data") is None else found["data"]}


@admin.register(StorageEndpoint)
class StorageAdmin(_PlainAdmin):
    """One page per storage endpoint."""

    form = StorageForm
    list_display = ("name", "last_update")
    search_fields = ("name",)


@admin.register(GlobalShare)
class ShareAdmin(_PlainAdmin):
    """The tree of shares."""

    list_display = ("name", "parent", "value", "prodsourcelabel", "workinggroup", "processingtype", "per_user")


@admin.register(UserLimits)
class UserLimitsAdmin(_PlainAdmin):
    """Bans and quotas."""

    list_display = ("name", "country", "banned", "max_queued", "max_running_cores")
    search_fields = ("name",)


@admin.register(Change)
class ChangeAdmin(MachineTableAdmin):
    """What became of these tables; an import, or an action, is undone as a whole."""

    list_display = ("at", "table", "row", "person", "way", "reason", "what", "was_undone")
    list_filter = ("table", "way", "at")
    search_fields = ("label", "key", "person", "reason")
    actions = ("undo",)
    readonly_fields = ("at", "table", "row", "person", "way", "reason", "what", "undoes")
    fields = readonly_fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Change]:
        return super().get_queryset(request).prefetch_related("undone_by")

    @admin.display(description="row")
    def row(self, change: Change) -> SafeString:
        model = TABLES[change.table].model._meta.model_name
        history = reverse(f"admin:pandaconfig_{model}_history", args=[quote(change.key)])
        return format_html('<a href="{}">{}</a>', history, change.label or change.key)

    @admin.display(description="what")
    def what(self, change: Change) -> SafeString:
        if change.before is None or change.after is None:
            words = "made" if change.before is None else "deleted"
            return format_html("<em>{}</em>, with {} columns", words, len(change.after or change.before or {}))
        shown = ((name, _cut(before), _cut(after)) for name, before, after in differences(change))
        return format_html_join("\n", "{}: {} → {}<br>", shown)

    @admin.display(description="undone", empty_value="")
    def was_undone(self, change: Change) -> str:
        return "undone" if change.undone_by.all() else ""

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return lookup in {"batch", "key", "table"} or super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]

    @admin.action(description="Undo the selected changes")
    def undo(self, request: HttpRequest, queryset: QuerySet[Change]) -> HttpResponseRedirect | None:
        if not request.user.is_superuser:
            self.message_user(request, "Several changes at once are undone by administrators alone.", messages.ERROR)
            return None
        try:
            done = logic.undo_many(list(queryset.values_list("pk", flat=True)), self._author(request))
        except Refused as refused:
            self.message_user(request, f"Nothing was undone: {refused}", messages.ERROR)
        else:
            self.message_user(request, f"{done} changes were undone.")
        return None

    def _author(self, request: HttpRequest) -> logic.Author:
        return logic.Author(request.user.get_username(), Change.Way.UNDO)


def _cut(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _CELL else f"{text[: _CELL - 3]}..."


@admin.register(StatusHold)
class StatusHoldAdmin(MachineTableAdmin):
    """Statuses that end by themselves."""

    list_display = ("queue", "status", "until", "back_to", "person", "reason", "since")
    search_fields = ("queue", "person", "reason")


@admin.register(ImportDraft)
class ImportDraftAdmin(MachineTableAdmin):
    """Imports that somebody looks at before they are written."""

    list_display = ("at", "table", "source", "person")
    exclude = ("text",)
