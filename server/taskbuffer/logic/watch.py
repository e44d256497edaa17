"""The watchdog over states: jobs that stand in one for too long, or that can never run, are ended and told why.

Reads small side tables: `Waiting` by its index, `Ready` and `Live` piece by piece, kinds of jobs instead of jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Max, Q

from pilot.contract.messages import Command
from pilot.contract.server_codes import DispatcherCode, TaskBufferCode
from pilot.contract.states import JobState
from server.lib.transactions import once_more, whole
from server.pandaconfig.queries import QueueLimits, limits_of_queues
from server.taskbuffer.blocked import since_when
from server.taskbuffer.hot import rows
from server.taskbuffer.limits import STAYS, WAITS, Limits
from server.taskbuffer.logic.end import KillOutcome, end_one
from server.taskbuffer.logic.lost import End, put_right
from server.taskbuffer.models import Bucket, Job, JobEvent, Live, Ready, Waiting
from server.taskbuffer.obstacles import is_offline, obstacle
from server.taskbuffer.states import Kill
from server.taskbuffer.walks import go_on, position

#: Jobs that are ended in one transaction.
BATCH = 100
#: Rows of a table that are looked at in one turn.
PIECE = 1000

EXPIRED = Kill(JobState.CLOSED, TaskBufferCode.EXPIRED)
IMPOSSIBLE = Kill(JobState.FAILED, TaskBufferCode.IMPOSSIBLE)
STUCK = Kill(JobState.FAILED, TaskBufferCode.EXPIRED)

_VARIABLE = "COMPASS_SERVER_{}"

Keep = Callable[[], None]


def expire_waiting(*, now: datetime, limits: Limits, by: str, keep: Keep) -> int:
    """End jobs that have waited in one state, not queued, for longer than it allows; answer how many."""
    ended = 0
    for state, setting in WAITS.items():
        over = Waiting.objects.filter(state=state.value, since__lt=now - timedelta(seconds=limits.of(setting)))
        kill = STUCK if state is JobState.MERGING else EXPIRED
        while found := list(over.order_by("since", "pk").values_list("pk", "since")[:BATCH]):
            keep()
            gone = _end_all({pk: _too_long(state, since, setting) for pk, since in found}, kill, now, by)
            ended += gone
            if not gone:  # they have all just been moved by somebody else
                break
    return ended


def expire_queued(*, now: datetime, limits: Limits, by: str, keep: Keep) -> int:
    """End some of the jobs that have been queued for too long, for a shorter time where their queue is offline."""
    keep()
    offline = {name: queue.changed for name, queue in limits_of_queues().items() if is_offline(queue)}
    begin, over = position("ready"), dict[int, str]()
    piece = list(
        Ready.objects.filter(pk__gt=begin)
        .order_by("pk")
        .values_list("pk", "bucket__queue", "job__created_at", "job__activated_at")[:PIECE]
    )
    for pk, queue, created, activated in piece:
        since = activated or created
        if setting := _queued_too_long(since, offline.get(queue), now, limits):
            over[pk] = _too_long(JobState.ACTIVATED, since, setting)
    # Numbers rise with time: behind a job that is too young for any limit there are only younger ones.
    young = now - timedelta(seconds=min(limits.offline, limits.activated))
    at_end = len(piece) < PIECE or piece[-1][2] >= young
    go_on("ready", begin, 0 if at_end else piece[-1][0])
    return sum(_end_all(some, EXPIRED, now, by) for some in _in_batches(over))


def _queued_too_long(since: datetime, offline: datetime | None, now: datetime, limits: Limits) -> str:
    """Answer the limit that a queued job has passed; its queue is ``offline`` since then at the earliest, if at all."""
    if since < now - timedelta(seconds=limits.activated):
        return WAITS[JobState.ACTIVATED]
    # A queue that goes offline for a moment does not lose at once all that has waited in it for long.
    if offline is not None and max(since, offline) < now - timedelta(seconds=limits.offline):
        return "offline_timeout"
    return ""


def end_overstays(*, now: datetime, limits: Limits, by: str, keep: Keep) -> int:
    """Look at some of the jobs that pilots have, and end the attempts that have stood in one state for too long."""
    keep()
    states, begin = [state.value for state in STAYS], position("live")
    piece = list(Live.objects.filter(pk__gt=begin, state__in=states).order_by("pk")[:PIECE])
    go_on("live", begin, piece[-1].pk if len(piece) == PIECE else 0)
    since = _entered([live.pk for live in piece])
    over = [live for live in piece if _overstays(live, since.get(live.pk), now, limits)]
    return sum(_end_stay(live, since[live.pk], now, by) for live in over)


def fail_impossible(*, now: datetime, grace: float, by: str, keep: Keep) -> int:
    """End the jobs that no pilot of their queue can ever run, with words that say why; answer how many.

    Those that were possible before their queue was changed have ``grace`` seconds for it to be mended.
    """
    keep()
    queues, buckets = limits_of_queues(), list(Bucket.objects.all())
    words = blocked_buckets(buckets, queues)
    over = now - timedelta(seconds=grace)
    young = {bucket for bucket, since in since_when(words, now).items() if since > over}
    stuck = [Q(bucket__in=some) for some in _pieces(sorted(words.keys() - young))]
    for bucket in buckets:
        queue = queues.get(bucket.queue)
        if bucket.pk in young and queue is not None:
            stuck.append(Q(bucket=bucket.pk, job__created_at__gte=queue.changed))
    return sum(_fail_stuck(some, words, now, by, keep) for some in stuck)


def _pieces(numbers: Sequence[int]) -> Iterable[Sequence[int]]:
    for start in range(0, len(numbers), BATCH):
        yield numbers[start : start + BATCH]


def _fail_stuck(stuck: Q, words: Mapping[int, str], now: datetime, by: str, keep: Keep) -> int:
    ended = 0
    for table in (Ready, Waiting):
        rows_of = table._default_manager.filter(stuck).order_by()
        while found := dict(rows_of.values_list("pk", "bucket")[:BATCH]):
            keep()
            gone = _end_all({pk: words[bucket] for pk, bucket in found.items()}, IMPOSSIBLE, now, by)
            ended += gone
            if not gone:
                break
    return ended


def blocked_buckets(buckets: Iterable[Bucket], queues: Mapping[str, QueueLimits]) -> dict[int, str]:
    """Answer the buckets whose jobs can never run, and why."""
    said = {bucket.pk: obstacle(bucket, queues.get(bucket.queue)) for bucket in buckets}
    return {bucket: words for bucket, words in said.items() if words}


@whole
def _end_all(words: Mapping[int, str], kill: Kill, now: datetime, by: str) -> int:
    """End some jobs in one transaction; answer how many were there to be ended."""
    ended = 0
    with connection.cursor() as cursor:
        for job_id, why in sorted(words.items()):
            try:
                with transaction.atomic():
                    ended += end_one(cursor, job_id, kill, now, by, why, waits_only=True) is KillOutcome.ENDED
            except rows.LostRace:
                continue  # a pilot, or a person, was faster
    return ended


def _in_batches(words: Mapping[int, str]) -> Iterable[dict[int, str]]:
    for some in _pieces(sorted(words)):
        yield {number: words[number] for number in some}


def _too_long(state: JobState, since: datetime, setting: str) -> str:
    variable = _VARIABLE.format(setting.upper())
    return f"{state.value} since {since:%Y-%m-%d %H:%M}, longer than {variable} allows; submit the job again"


def _entered(job_ids: Sequence[int]) -> dict[int, datetime]:
    """Answer since when these jobs are in their states: the time of the last move of each."""
    moves = JobEvent.objects.filter(job__in=job_ids).order_by()
    return dict(moves.values_list("job").annotate(last=Max("at")))


def _overstays(live: Live, since: datetime | None, now: datetime, limits: Limits) -> bool:
    allowed = timedelta(seconds=limits.of(STAYS[JobState(live.state)]))
    return since is not None and since < now - allowed


@once_more
def _end_stay(live: Live, since: datetime, now: datetime, by: str) -> bool:
    """A job that runs is ended by its pilot, as by a kill; another is tried again, and its pilot hears that later."""
    state = JobState(live.state)
    words = _too_long(state, since, STAYS[state])
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            if state is not JobState.RUNNING:
                code = DispatcherCode.OTHER_TIMEOUT if state is JobState.STARTING else DispatcherCode.TRANSFER_TIMEOUT
                return put_right(cursor, live, code, words, now, by) is not End.NOT_LOST
            if Job.objects.filter(pk=live.pk, command=Command.KILL.value).exists():
                return False
            return end_one(cursor, live.pk, EXPIRED, now, by, words) is KillOutcome.ORDERED
    except rows.LostRace:
        return False
