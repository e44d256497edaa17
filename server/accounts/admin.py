"""Tokens and people in the admin: seen, revoked and banned; tokens are made by ``compass-server token create``."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from server.accounts import logic
from server.accounts.models import GivenRight, Login, Person, SiteRight, Token, UserCertificate
from server.lib.admin import MachineTableAdmin, TableAdmin


@admin.register(Token)
class TokenAdmin(TableAdmin):
    """A token is shown once, when it is made; a page would keep it in somebody's browser."""

    list_display = (
        "name",
        "role",
        "person",
        "is_own",
        "queues",
        "created_at",
        "expires_at",
        "revoked_at",
        "last_used_at",
    )
    list_filter = ("role",)
    search_fields = ("name", "person__name")
    readonly_fields = ("name", "role", "person", "is_own", "queues", "created_at", "revoked_at", "last_used_at")
    actions = ("revoke",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Token | None = None) -> bool:
        return False

    @admin.action(description="Revoke the selected tokens", permissions=["change"])
    def revoke(self, request: HttpRequest, chosen: QuerySet[Token]) -> None:
        for token in chosen.filter(revoked_at=None):
            logic.revoke_token(token.name)

    def save_model(self, request: HttpRequest, obj: Token, form: Any, change: Any) -> None:
        logic.set_expiry(obj.name, obj.expires_at)


@admin.register(Person)
class PersonAdmin(TableAdmin):
    """Whose tokens there are; whoever is banned is refused within a second, whatever token it comes with."""

    list_display = ("name", "account", "banned_at", "banned_because", "created_at")
    search_fields = ("name", "account__username")
    list_select_related = ("account",)
    autocomplete_fields = ("account",)
    readonly_fields = ("name", "created_at", "banned_at")
    actions = ("ban", "lift_ban")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Person | None = None) -> bool:
        return False

    @admin.action(description="Ban the selected people", permissions=["change"])
    def ban(self, request: HttpRequest, chosen: QuerySet[Person]) -> None:
        for person in chosen.filter(banned_at=None):
            logic.ban(person.name, person.banned_because)

    @admin.action(description="Lift the ban of the selected people", permissions=["change"])
    def lift_ban(self, request: HttpRequest, chosen: QuerySet[Person]) -> None:
        for person in chosen.exclude(banned_at=None):
            logic.lift_ban(person.name)

    def save_model(self, request: HttpRequest, obj: Person, form: Any, change: Any) -> None:
        logic.explain_ban(obj.name, obj.banned_because)
        logic.join_account(obj.name, obj.account)


@admin.register(Login)
class LoginAdmin(TableAdmin):
    """Whom the issuers of web tokens mean; ``compass-server token login`` joins them to other people."""

    list_display = ("subject", "issuer", "person", "created_at")
    list_filter = ("issuer",)
    search_fields = ("subject", "person__name")
    readonly_fields = ("subject", "issuer", "person", "created_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Login | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Login | None = None) -> bool:
        return False


@admin.register(UserCertificate)
class UserCertificateAdmin(TableAdmin):
    """By which certificates people log in; each may be joined to an account, and switched off."""

    list_display = ("subject", "account", "enabled", "added_at", "last_used_at")
    list_filter = ("enabled",)
    list_select_related = ("account",)
    search_fields = ("subject", "account__username")
    autocomplete_fields = ("account",)
    fields = ("subject", "account", "enabled", "added_at", "last_used_at")
    readonly_fields = ("added_at", "last_used_at")


@admin.register(SiteRight)
class SiteRightAdmin(TableAdmin):
    """Which sites somebody of the group site_admin looks after."""

    list_display = ("account", "site", "queue", "origin")
    list_display_links = ("account",)
    list_select_related = ("account",)
    search_fields = ("account__username", "site", "queue")
    autocomplete_fields = ("account",)
    fields = ("account", "site", "queue")


@admin.register(GivenRight)
class GivenRightAdmin(MachineTableAdmin):
    """What the groups of issuers have given, at the last login of each person."""

    list_display = ("account", "role", "origin", "at")
    list_select_related = ("account",)
    list_filter = ("role",)
    search_fields = ("account__username", "origin")
