"""Jobs that ended long ago move into the archive, and much later out of it: a few at a time, all of one or none.

Whoever is killed in the middle has moved some jobs wholly and the others not at all. A job that cannot be written stays
where it is, is counted and told, and keeps no other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, MutableMapping, Sequence
from datetime import datetime, timedelta

from django.db import Error, connection
from django.db.models import Max

from pilot.contract.states import FINAL
from server.lib.transactions import whole
from server.taskbuffer import archive, followers
from server.taskbuffer.models import ArchivedJob, Job, JobEvent
from server.taskbuffer.walks import go_on, position

#: Jobs that are moved in one transaction, so that pilots need not wait for it.
BATCH = 50
#: Jobs that are looked at in one turn.
PIECE = 2000

Keep = Callable[[], None]

#: What a row that cannot be written raises: by the database, which may hang up at once on one that is too long, or by
#: the document's own format.
UNWRITABLE = (Error, TypeError, ValueError)

LOG = logging.getLogger(__name__)


_FINAL = [state.value for state in FINAL]


def archive_ended(*, now: datetime, after: float, keep: Keep, stuck: MutableMapping[int, str] | None = None) -> int:
    """Look at some jobs, and move those that ended more than ``after`` seconds ago; answer how many.

    What somebody has to do with because of its events stays until that was done.

    Args:
        now: The time.
        after: Seconds.
        keep: A sign of life.
        stuck: Is told the jobs that cannot be moved, and why.

    Raises:
        Error: the database does not answer.
    """
    before, begin = now - timedelta(seconds=after), position("archive")
    rows = Job.objects.filter(pk__gt=begin).order_by("pk")
    piece = list(rows.values_list("pk", "state", "ended_at", "created_at")[:PIECE])
    old = [pk for pk, state, ended, _ in piece if state in _FINAL and ended is not None and ended < before]
    upto, moved, left = followers.read_by_all(), 0, {} if stuck is None else stuck
    for start in range(0, len(old), BATCH):
        keep()
        moved += _move_what_can_be(old[start : start + BATCH], before, upto, left)
    if left:
        job, words = next(iter(left.items()))
        LOG.error("%d ended jobs cannot be archived and stay where they are; job %d: %s", len(left), job, words)
    # Numbers rise with time: behind a job that was born later than that there are only younger ones.
    at_end = len(piece) < PIECE or piece[-1][3] >= before
    go_on("archive", begin, 0 if at_end else piece[-1][0])
    return moved


def _move_what_can_be(
    job_ids: Sequence[int], before: datetime, upto: int | None, stuck: MutableMapping[int, str]
) -> int:
    """Move jobs together; when that does not go, each by itself."""
    try:
        return _move(job_ids, before, upto)
    except UNWRITABLE as wrong:
        # The database may have hung up: whoever cannot reach it any more ends here.
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        connection.ensure_connection()
        if len(job_ids) == 1:
            stuck[job_ids[0]] = f"{type(wrong).__name__}: {wrong}"[:500]
            return 0
    return sum(_move_what_can_be([job], before, upto, stuck) for job in job_ids)


@whole
def _move(job_ids: Sequence[int], before: datetime, upto: int | None) -> int:
    """Move those of these jobs that are as they were read, and that all readers of the events have done with."""
    old = Job.objects.select_for_update().order_by("pk")
    jobs = list(old.filter(pk__in=job_ids, state__in=_FINAL, ended_at__lt=before))
    if upto is not None:
        last = JobEvent.objects.filter(job__in=[job.pk for job in jobs]).order_by().values("job")
        unread = set(last.annotate(last=Max("pk")).filter(last__gt=upto).values_list("job", flat=True))
        jobs = [job for job in jobs if job.pk not in unread]
    ArchivedJob.objects.bulk_create(archive.documents_of(jobs))
    Job.objects.filter(pk__in=[job.pk for job in jobs]).delete()
    return len(jobs)


def purge(*, now: datetime, after: float, keep: Keep) -> int:
    """Forget archived jobs that ended more than ``after`` seconds ago, for ever; answer how many."""
    over = ArchivedJob.objects.filter(ended_at__lt=now - timedelta(seconds=after)).order_by("ended_at")
    gone = 0
    while batch := list(over.values_list("pk", flat=True)[:BATCH]):
        keep()
        gone += ArchivedJob.objects.filter(pk__in=batch).delete()[0]
    return gone
