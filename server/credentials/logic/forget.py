"""Removes what is not needed any more: secrets of jobs that have ended, and old lines about hand-outs."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from pilot.contract.states import FINAL
from server.credentials import queries
from server.credentials.models import HandOut, JobSecrets
from server.taskbuffer.queries import states_of

#: Rows of one statement, so that none holds others up.
_BATCH = 500

_ENDED = frozenset(state.value for state in FINAL)


def forget_ended() -> int:
    """Remove the secrets that came with jobs which have ended, or are known no more; answer how many."""
    removed, last = 0, 0
    while jobs := queries.jobs_with_secrets(last, limit=_BATCH):
        last = jobs[-1]
        states = states_of(jobs)
        ended = [job for job in jobs if job not in states or states[job][0] in _ENDED]
        removed += JobSecrets.objects.filter(job__in=ended).delete()[0]
    return removed


def forget_hand_outs(now: datetime) -> int:
    """Remove the oldest lines about hand-outs whose days are over; answer how many."""
    oldest = now - timedelta(days=settings.ENVIRONMENT.hand_out_days)
    old = list(HandOut.objects.filter(at__lt=oldest).order_by("at").values_list("pk", flat=True)[:_BATCH])
    return HandOut.objects.filter(pk__in=old).delete()[0]
