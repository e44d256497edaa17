"""Incidents in the admin."""

from __future__ import annotations

from django.contrib import admin

from server.incidents.models import Incident, IncidentCount
from server.lib.admin import MachineTableAdmin


@admin.register(Incident)
class IncidentAdmin(MachineTableAdmin):
    list_display = ["words", "app", "level", "count", "first_seen", "last_seen", "state"]


@admin.register(IncidentCount)
class IncidentCountAdmin(MachineTableAdmin):
    list_display = ["incident", "slot", "count"]
    list_select_related = ["incident"]
