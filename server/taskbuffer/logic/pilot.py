"""The two verbs of pilots: get work, and report on it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone

from pilot.contract.messages import JobUpdate, UpdateAnswer
from server.taskbuffer import hot
from server.taskbuffer.values import ClaimOrder, OtherQueue, Progress


def claim(order: ClaimOrder, *, now: datetime | None = None) -> list[dict[str, Any]]:
    """Give jobs to a pilot (activated -> sent); see `hot.claim`."""
    return hot.claim(order, now or timezone.now())


def apply_update(
    update: JobUpdate,
    *,
    by: str,
    progress: Progress | None = None,
    now: datetime | None = None,
    queues: Collection[str] = (),
) -> UpdateAnswer:
    """Take a pilot's report and answer what it is to do; see `hot.apply_update`."""
    return hot.apply_update(update, progress, now or timezone.now(), by, queues)


def apply_updates(
    updates: Sequence[JobUpdate], *, by: str, now: datetime | None = None, queues: Collection[str] = ()
) -> list[UpdateAnswer | OtherQueue]:
    """Take several pilots' reports in their order; see `hot.apply_updates`."""
    return hot.apply_updates(updates, now or timezone.now(), by, queues)
