"""Queues, storages, shares and limits of users in the admin; what pilots could not read is refused in the form."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from pilot.contract.codec import ContractError
from server.lib.admin import TableAdmin
from server.pandaconfig import logic, readable
from server.pandaconfig.merge import COLUMNS
from server.pandaconfig.models import GlobalShare, Schedconfig, StorageEndpoint, UserLimits

_JSON = forms.JSONField(
    required=False,
    label="JSON beside the columns",
    help_text="CRIC's keys: copytools, acopytools, astorages, aprotocols, params ...",
    widget=forms.Textarea(attrs={"rows": 20, "cols": 100, "spellcheck": "false"}),
)


class QueueForm(forms.ModelForm):  # type: ignore[type-arg]
    """The columns, and the JSON beside them, as one form."""

    beside = _JSON

    class Meta:
        model = Schedconfig
        fields = ("nickname", *(name for name in COLUMNS if name != "lastmod"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        beside = getattr(self.instance, "json", None) if self.instance.pk else None
        self.initial["beside"] = beside.data if beside else {}

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        columns = {key: value for key, value in values.items() if key != "beside"}
        try:
            readable.check_queue(
                str(values.get("nickname") or self.instance.nickname), columns, values.get("beside") or {}
            )
        except ContractError as wrong:
            self.add_error("beside", str(wrong))
        return values


@admin.register(Schedconfig)
class QueueAdmin(TableAdmin):
    """One page per queue."""

    form = QueueForm
    list_display = ("nickname", "gstat", "status", "corecount", "maxrss", "maxtime", "lastmod")
    list_filter = ("status", "cloud")
    search_fields = ("nickname", "gstat", "siteid")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return ("nickname",) if obj else ()

    def save_model(self, request: HttpRequest, obj: Schedconfig, form: Any, change: Any) -> None:
        columns = {key: getattr(obj, key) for key in COLUMNS}
        logic.define_queue({**(form.cleaned_data["beside"] or {}), **columns, "nickname": obj.nickname})


class StorageForm(forms.ModelForm):  # type: ignore[type-arg]
    """A storage's name and its entry."""

    class Meta:
        model = StorageEndpoint
        fields = ("name", "data")

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        try:
            readable.check_storage(self.instance.name or str(values.get("name", "")), values.get("data"))
        except ContractError as wrong:
            self.add_error("data", str(wrong))
        return values


@admin.register(StorageEndpoint)
class StorageAdmin(TableAdmin):
    """One page per storage endpoint."""

    form = StorageForm
    list_display = ("name", "last_update")
    search_fields = ("name",)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return ("name",) if obj else ()

    def save_model(self, request: HttpRequest, obj: StorageEndpoint, form: Any, change: Any) -> None:
        logic.define_storage(obj.name, obj.data)


@admin.register(GlobalShare)
class ShareAdmin(TableAdmin):
    """The tree of shares."""

    list_display = ("name", "parent", "value", "prodsourcelabel", "workinggroup", "processingtype", "per_user")


@admin.register(UserLimits)
class UserLimitsAdmin(TableAdmin):
    """Bans and quotas."""

    list_display = ("name", "country", "banned", "max_queued", "max_running_cores")
    search_fields = ("name",)
