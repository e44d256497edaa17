"""Credentials in the admin: defined, renewed at will, looked after; what is secret is entered there and never shown."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from server.credentials import forms as entered
from server.credentials.logic import enter, renew
from server.credentials.models import Credential, HandOut, JobSecrets, Source, UserSecret
from server.credentials.standing import WELL, standing
from server.lib.admin import MachineTableAdmin, TableAdmin


@admin.register(Credential)
class CredentialAdmin(TableAdmin):
    """A credential's own text and its grant have fields that are empty whenever a page is shown."""

    form = entered.CredentialForm
    none_yet = "Jobs that need a proxy or a token get none until one is added here."
    list_display = ("name", "kind", "asked_as", "source", "stands", "ends_at", "obtained_at", "last_error")
    list_filter = ("kind", "source", "enabled")
    search_fields = ("name", "asked_as", "person")
    actions = ("renew_now",)
    readonly_fields = ("stands", "ends_at", "obtained_at", "tried_at", "failures", "last_error")

    def get_readonly_fields(self, request: HttpRequest, obj: Credential | None = None) -> tuple[str, ...]:
        # What was sealed is sealed for a credential of this kind.
        return (*self.readonly_fields, "kind") if obj else self.readonly_fields

    @admin.display(description="standing")
    def stands(self, row: Credential) -> SafeString:
        word = standing(row, timezone.now())
        return format_html("{}" if word in WELL else "<b>&#9888; {}</b>", word.value)

    @admin.action(description="Renew the selected credentials now", permissions=["change"])
    def renew_now(self, request: HttpRequest, chosen: QuerySet[Credential]) -> None:
        for credential in chosen.filter(enabled=True).exclude(source=Source.ENTERED):
            renew.renew(credential, timezone.now())

    def save_model(self, request: HttpRequest, obj: Credential, form: forms.ModelForm[Any], change: bool) -> None:
        # Columns that the renewing service writes meanwhile are left alone.
        obj.save(update_fields=form.changed_columns() if change else None)  # type: ignore[attr-defined]
        if text := form.cleaned_data.get("text"):
            enter.enter(obj, text, timezone.now())
        if grant := form.grant():  # type: ignore[attr-defined]
            enter.enter_grant(obj, grant)


@admin.register(HandOut)
class HandOutAdmin(MachineTableAdmin):
    list_display = ("at", "kind", "what", "to", "queues", "job", "attempt", "ends_at")
    list_filter = ("kind",)
    search_fields = ("what", "to", "=job")
    date_hierarchy = "at"


@admin.register(JobSecrets)
class JobSecretsAdmin(MachineTableAdmin):
    """Which jobs came with secrets, and have not ended."""

    list_display = ("job",)


@admin.register(UserSecret)
class UserSecretAdmin(MachineTableAdmin):
    """Whose secrets there are, by name; they can be removed, and not be read."""

    list_display = ("owner", "name", "changed_at")
    search_fields = ("owner", "name")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return admin.ModelAdmin.has_delete_permission(self, request, obj)
