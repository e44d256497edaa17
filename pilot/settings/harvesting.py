"""By which way a pilot gets its jobs, and by which it reports: the server, or Harvester's files. Pure."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from pilot.settings.everything import Settings


class Mode(str, Enum):
    """Where jobs come from, and where reports go."""

    SERVER = "server"  # from the server, to the server; or without Harvester altogether
    PUSHED = "pushed"  # from Harvester's files, to the server
    FILES = "files"  # from Harvester's files, to files


def mode_of(settings: Settings) -> Mode:
    """Answer how a pilot with these settings works.

    By files alone when any of Harvester's files is named and no reports go to the server (``-z``). As a worker of a
    Harvester that pushes (PUSH, and HARVESTER_ID or HARVESTER_WORKER_ID), jobs come from files in any case. A pilot
    that has a file of jobs of its own asks neither.
    """
    if not settings.mentions("harvester"):
        return Mode.SERVER
    harvester = settings.harvester
    pushed = harvester.submit_mode == "PUSH" and bool(harvester.id or harvester.worker)
    if settings.job.file:
        return Mode.SERVER
    if not settings.server.updates:
        return Mode.FILES if harvester.files or pushed else Mode.SERVER
    return Mode.PUSHED if pushed else Mode.SERVER


def worker_of(settings: Settings) -> tuple[str, Optional[int]]:
    """Answer whose worker a pilot is: the Harvester's id, and the worker's number; ``("", None)`` for nobody's."""
    if not settings.mentions("harvester"):
        return "", None
    return settings.harvester.id, settings.harvester.worker or None
