"""The app of the desk, and the admin with our own site in it."""

from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin import apps as django_admin


class DeskConfig(AppConfig):
    name = "server.desk"
    verbose_name = "Desk"
    default = True


class AdminConfig(django_admin.AdminConfig):
    """Django's admin, whose pages are those of the desk's site."""

    default = False
    default_site = "server.desk.site.DeskSite"
