"""The rules in the admin: people write them there, and see first what they would do."""

from __future__ import annotations

from django.contrib import admin

from server.lib.admin import TableAdmin
from server.production.rules.models import ProductionRule


@admin.register(ProductionRule)
class ProductionRuleAdmin(TableAdmin):
    """What becomes of chunks and merges whose jobs fail: who may change tables of the production may write these."""

    list_display = ("name", "place", "enabled", "about", "payload_error", "pilot_error", "words", "site", "action")
    list_filter = ("enabled", "about", "action")
    search_fields = ("name", "words", "advice")
