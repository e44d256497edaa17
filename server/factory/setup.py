"""The factory of this server: its batch systems and what pilots are started with, from Django's settings."""

from __future__ import annotations

from django.conf import settings

from server.batch.base import BatchSystem
from server.factory.launch import Launch
from server.factory.models import FactoryQueue
from server.factory.systems import SYSTEMS


def system_of(row: FactoryQueue) -> BatchSystem:
    """Answer the batch system of a queue; its files lie below the server's home."""
    return SYSTEMS[row.batch_system](settings.HOME / "pilots" / row.queue, row.slots)


def launch() -> Launch:
    """Answer what pilots are started with."""
    return Launch(
        wrapper=settings.PILOT_WRAPPER,
        bundle=settings.PILOT_BUNDLE,
        server_url=settings.PILOT_SERVER_URL,
        token_file=settings.HOME / "pilot.token",
        # Unpacked once by the first pilot; the wrapper makes the folder and keeps one per hash.
        bundle_cache=settings.HOME / "bundles",
    )
