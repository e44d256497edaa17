"""Asking for a service to run soon because something happened: cheap, coalesced, best effort.

The worker on this machine listens at a named pipe in the server's home. Where there is none, the wish is written to
the service's row, and a worker anywhere finds it within a second. A wish that is lost costs one period.
"""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError

from server.services.models import Service

log = logging.getLogger(__name__)


def pipe() -> Path:
    """Answer where the workers of this home listen."""
    return Path(settings.HOME) / "services.wake"


def wake(name: str) -> None:
    """Ask for a service to run soon. Never waits and never fails; a second wish before its run is the same wish."""
    if not tell(name):
        write_down(name)


def write_down(name: str) -> None:
    """Leave a wish where a worker on another machine finds it within a second."""
    try:
        Service.objects.filter(name=name, wanted=False).update(wanted=True)
    except DatabaseError as error:
        log.warning("%s was not woken: %s", name, error)


def tell(name: str) -> bool:
    """Write a line to the pipe; say whether somebody will read it."""
    try:
        door = os.open(pipe(), os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENXIO):
            log.warning("the services cannot be woken through %s: %s", pipe(), error)
        return False
    try:
        os.write(door, f"{name}\n".encode())
    except (BlockingIOError, BrokenPipeError):  # it is full, or who listened went this moment
        return False
    finally:
        os.close(door)
    return True
