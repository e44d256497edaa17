"""Celery's settings: how the periodic services get their messages, and where their results and schedules lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def celery_settings(broker: str, home: Path) -> dict[str, Any]:
    """Answer Celery's settings under Django's names; without a broker messages are files in the server's home."""
    spool = home / "messages"
    embedded: dict[str, Any] = {
        "data_folder_in": str(spool),
        "data_folder_out": str(spool),
        "control_folder": str(spool),
        # Seconds between two looks into the folder: what a wish to run costs in time when nothing else goes on.
        "polling_interval": 0.1,
    }
    return {
        "CELERY_BROKER_URL": broker or "filesystem://localhost",
        "CELERY_BROKER_TRANSPORT_OPTIONS": {} if broker else embedded,
        "CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP": True,
        "CELERY_TASK_DEFAULT_QUEUE": "compass",
        "CELERY_TASK_SERIALIZER": "json",
        "CELERY_ACCEPT_CONTENT": ["json"],
        "CELERY_WORKER_PREFETCH_MULTIPLIER": 1,
        "CELERY_WORKER_HIJACK_ROOT_LOGGER": False,
        "CELERY_WORKER_REDIRECT_STDOUTS": False,
        "CELERY_WORKER_ENABLE_REMOTE_CONTROL": bool(broker),
        "CELERY_BEAT_ENABLE_REMOTE_CONTROL": False,
        "CELERY_BEAT_SCHEDULER": "server.services.beat:Scheduler",
        # Periods of a second are kept, and a change in the admin is seen within one.
        "CELERY_BEAT_MAX_LOOP_INTERVAL": 1,
        "CELERY_TIMEZONE": "UTC",
        "CELERY_RESULT_BACKEND": "django-db",
        "CELERY_RESULT_EXTENDED": True,
        # A busy service of one second leaves tens of thousands a day; the history of the runs is kept longer.
        "CELERY_RESULT_EXPIRES": 86400,
        "DJANGO_CELERY_BEAT_TZ_AWARE": True,
    }
