"""``compass-server``: Django's commands, and `init`, `serve` and `token`."""

from __future__ import annotations

import os
import sys

import django
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line


def main() -> None:
    """Run one command; a setting that cannot be meant ends it with one line and status 2."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "server.settings")
    try:
        django.setup()
    except ImproperlyConfigured as wrong:
        sys.stderr.write(f"compass-server: {wrong}\n")
        sys.exit(2)
    execute_from_command_line(["compass-server", *sys.argv[1:]])
