"""The factory of this server: its batch systems and what pilots are started with, from Django's settings."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from server.factory.launch import CannotLaunch, Launch
from server.factory.models import FactoryQueue, FactorySystem
from server.factory.passes import pass_file
from server.factory.systems import Described, SystemOf, open_systems


def systems() -> SystemOf:
    """Answer what opens the batch systems as admins describe them now; their files lie below the server's home."""
    described = {row.name: Described(row.name, row.kind, row.options) for row in FactorySystem.objects.all()}
    slots = dict(FactoryQueue.objects.values_list("queue", "slots"))
    return open_systems(described, slots, settings.HOME)


def token_file(queue: str) -> Path:
    """Answer the file with the pass of a queue's pilots.

    Raises:
        CannotLaunch: the token that passes are made from was revoked.
    """
    lifetime = timedelta(hours=settings.ENVIRONMENT.pass_hours)
    return pass_file(settings.HOME / "passes", queue, lifetime=lifetime, now=timezone.now())


def renew_passes() -> None:
    """Renew the passes of all pilots that may be running."""
    for queue in FactoryQueue.objects.values_list("queue", flat=True):
        with suppress(CannotLaunch):  # its pilots are to be refused, and no others are started
            token_file(queue)


def launch() -> Launch:
    """Answer what pilots are started with."""
    return Launch(
        wrapper=settings.PILOT_WRAPPER,
        bundle=settings.PILOT_BUNDLE,
        server_url=settings.PILOT_SERVER_URL,
        token_file=token_file,
        # Unpacked once by the first pilot; the wrapper makes the folder and keeps one per hash.
        bundle_cache=settings.HOME / "bundles",
    )
