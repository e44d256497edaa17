"""The rules in the admin: people write them there, and see first what they would do."""

from __future__ import annotations

import math
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.forms import ChoiceField
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.text import get_text_list

from server.lib.admin import TableAdmin
from server.production.reference.known import read_known
from server.production.rules.known import as_rules
from server.production.rules.models import ProductionRule
from server.production.rules.preview import LATEST, Preview, compare, past_failures
from server.production.states import MergeKind

#: The button of the form that shows what a rule would do, and saves nothing.
_LOOK = "_look"


@admin.register(ProductionRule)
class ProductionRuleAdmin(TableAdmin):
    """What becomes of chunks and merges whose jobs fail: who may change tables of the production may write these."""

    list_display = ("name", "place", "enabled", "about", "payload_error", "pilot_error", "words", "site", "action")
    list_filter = ("enabled", "about", "action")
    search_fields = ("name", "words", "advice", "payload_error")
    actions = ("enable", "disable", "show_what_they_would_have_done")
    fieldsets = (
        (None, {"fields": ("name", "place", "enabled")}),
        ("Which failures", {"fields": ("about", "kind", "payload_error", "pilot_error", "words", "task_type", "site")}),
        ("What becomes of them", {"fields": ("action", "delay", "factor", "most_attempts", "advice")}),
    )

    change_form_template = "production/rule_form.html"

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer the kinds of merges and the types of tasks that there are."""
        if db_field.name == "kind":
            return _choice(db_field, list(MergeKind.choices))
        if db_field.name == "task_type":
            return _choice(db_field, [(kind.word, kind.label) for kind in read_known().kinds.values()])
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @admin.action(description="Enable the selected rules", permissions=["change"])
    def enable(self, request: HttpRequest, chosen: QuerySet[ProductionRule]) -> None:
        self._switch(request, chosen, on=True)

    @admin.action(description="Disable the selected rules", permissions=["change"])
    def disable(self, request: HttpRequest, chosen: QuerySet[ProductionRule]) -> None:
        self._switch(request, chosen, on=False)

    def _switch(self, request: HttpRequest, chosen: QuerySet[ProductionRule], *, on: bool) -> None:
        """Switch rules, each with its line in the history of who has done that."""
        changed = list(chosen.exclude(enabled=on))
        for rule in changed:
            rule.enabled = on
            rule.save(update_fields=["enabled"])
            self.log_change(request, rule, [{"changed": {"fields": ["Enabled"]}}])
        names = get_text_list([rule.name for rule in changed], "and") or "nothing, it was so already"
        self.message_user(request, f"{'Enabled' if on else 'Disabled'}: {names}.")

    @admin.action(description=f"What would these have done with the last {LATEST} failures?", permissions=["view"])
    def show_what_they_would_have_done(self, request: HttpRequest, chosen: QuerySet[ProductionRule]) -> HttpResponse:
        """Judge past failures with and without the chosen rules, whether they are enabled or not; changes nothing."""
        asked = set(chosen.values_list("pk", flat=True))
        rows = list(ProductionRule.objects.all())
        now = as_rules(row for row in rows if row.enabled and row.pk not in asked)
        then = as_rules(row for row in rows if row.enabled or row.pk in asked)
        found = compare(past_failures(), now, then, [row.name for row in rows if row.pk in asked])
        return self._show(request, found)

    def save_model(self, request: HttpRequest, obj: ProductionRule, form: Any, change: bool) -> None:
        if _LOOK not in request.POST:
            super().save_model(request, obj, form, change)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None if _LOOK in request.POST else super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None if _LOOK in request.POST else super().log_change(request, obj, message)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        return (
            self._look(request, obj) if _LOOK in request.POST else super().response_add(request, obj, post_url_continue)
        )

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        return self._look(request, obj) if _LOOK in request.POST else super().response_change(request, obj)

    def _look(self, request: HttpRequest, written: ProductionRule) -> HttpResponse:
        """Judge past failures by the rules in force, and with one as it stands in the form; nothing was saved."""
        rows = list(ProductionRule.objects.all())
        for row in rows:
            # It is the same rule, whatever it is called now.
            row.name = written.name if row.pk == written.pk else row.name
        now = as_rules(row for row in rows if row.enabled)
        others = [row for row in rows if row.enabled and row.pk != written.pk]
        then = as_rules(sorted([*others, written], key=lambda row: (row.place, row.pk or math.inf)))
        return self._show(request, compare(past_failures(), now, then, [written.name]), written=written)

    def _show(self, request: HttpRequest, found: Preview, **more: Any) -> HttpResponse:
        context = {
            **more,
            **self.admin_site.each_context(request),
            "title": f"The last {found.looked_at} failures",
            "opts": self.model._meta,
            "preview": found,
        }
        return render(request, "production/rule_preview.html", context)


def _choice(field: Any, choices: list[tuple[str, str]]) -> ChoiceField:
    words = ("", "any")
    return ChoiceField(choices=[words, *choices], required=False, help_text=field.help_text)
