"""The Celery application: broker, results and schedule as Django's settings say."""

from __future__ import annotations

import os

from celery import Celery
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "server.settings")

# Kombu's own reads messages that are still being written, and moves them through the shared temporary folder.
TRANSPORT_ALIASES["filesystem"] = "server.services.spool:Transport"

app = Celery("compass")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
