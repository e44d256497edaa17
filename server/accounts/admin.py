"""Tokens in the admin: seen and revoked there, made by ``compass-server token create``."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from server.accounts import logic
from server.accounts.models import Token
from server.lib.admin import TableAdmin


@admin.register(Token)
class TokenAdmin(TableAdmin):
    """A token is shown once, when it is made; a page would keep it in somebody's browser."""

    list_display = ("name", "role", "created_at", "expires_at", "revoked_at", "last_used_at")
    list_filter = ("role",)
    search_fields = ("name",)
    readonly_fields = ("name", "role", "created_at", "revoked_at", "last_used_at")
    actions = ("revoke",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Token | None = None) -> bool:
        return False

    @admin.action(description="Revoke the selected tokens")
    def revoke(self, request: HttpRequest, chosen: QuerySet[Token]) -> None:
        for token in chosen.filter(revoked_at=None):
            logic.revoke_token(token.name)

    def save_model(self, request: HttpRequest, obj: Token, form: Any, change: Any) -> None:
        logic.set_expiry(obj.name, obj.expires_at)
