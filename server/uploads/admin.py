"""Uploads in the admin, to look at."""

from __future__ import annotations

from django.contrib import admin

from server.lib.admin import MachineTableAdmin
from server.uploads.models import Upload


@admin.register(Upload)
class UploadAdmin(MachineTableAdmin):
    list_display = ["name", "owner", "size", "created_at"]
    list_filter = ["owner"]
    search_fields = ["name", "sha256"]
    date_hierarchy = "created_at"
