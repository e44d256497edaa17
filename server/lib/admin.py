"""Bases of our pages in the admin, in its theme: tables that people edit, and tables that only the machine writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

if TYPE_CHECKING:
    Themed = admin.ModelAdmin[Any]
    RowsInline = admin.TabularInline[Any, Any]
else:
    from unfold.admin import ModelAdmin as Themed
    from unfold.admin import TabularInline as RowsInline


class TableAdmin(Themed):
    """A table with pages in the admin; who may change one row is asked of that row (`server.accounts.rights`)."""

    def __setattr__(self, name: str, value: Any) -> None:
        # The theme would keep each request in this object, which all threads share, and hide methods of that name.
        if name != "request":
            super().__setattr__(name, value)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Ask of the table, and of the row when there is one."""
        return super().has_change_permission(request, obj) and self._is_theirs(request, "change", obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Ask of the table, and of the row when there is one."""
        return super().has_delete_permission(request, obj) and self._is_theirs(request, "delete", obj)

    def _is_theirs(self, request: HttpRequest, verb: str, row: Any) -> bool:
        return row is None or request.user.has_perm(f"{self.opts.app_label}.{verb}_{self.opts.model_name}", row)


def link(table: str, words: object, /, **filters: str) -> SafeString:
    """Write a link to those rows of a table (``app_model``) that have these values."""
    address = f"{reverse(f'admin:{table}_changelist')}?{urlencode(filters)}"
    return format_html('<a href="{}">{}</a>', address, words)


class ReadOnly:
    """Shows rows and lets nobody write: what the machine owns is changed through its logic, or not at all."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class MachineTableAdmin(ReadOnly, TableAdmin):
    """A table that the machine owns; counting all its rows for each page would take longer than showing them."""

    show_full_result_count = False
    list_per_page = 50


class MachineRowsInline(ReadOnly, RowsInline):
    """Rows of a machine-owned table on the page of what they belong to."""

    extra = 0
    can_delete = False
