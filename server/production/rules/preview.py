"""What rules would have done with the latest failures: nothing is changed, each is judged as if it came now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.db.models import Max, Q

from pilot.contract.states import JobState
from server.production.judging import JobView
from server.production.models import Chunk, MergeGroup, TaskEvent
from server.production.rules.deciding import Deciding, failure_of
from server.production.rules.match import Decision, Failure, Rule, decide
from server.production.states import ChunkState, values
from server.taskbuffer import queries
from server.taskbuffer.models import Attempt, Job

#: Failures that are looked at: a page waits for the answer.
LATEST = 500
#: Moves among which they are looked for, the latest: where hardly anything fails, all moves ever are too many.
MOVES = 1_000_000
#: Failures that are named for each rule.
EXAMPLES = 5

_RAN = values((ChunkState.SENT, ChunkState.RUNNING))
_BAD = values((ChunkState.FAILED, ChunkState.MANUAL_CHECK, ChunkState.DEFINED))


@dataclass(frozen=True)
class Past:
    """A failure that is past: whose, and in which job."""

    failure: Failure
    owner: str
    job: int


@dataclass(frozen=True)
class Example:
    """A failure, what was done with it by the rules in force, and what these would have done."""

    owner: str
    job: int
    before: Decision
    after: Decision

    @property
    def is_changed(self) -> bool:
        return (self.before.action, self.before.delay) != (self.after.action, self.after.delay)


@dataclass
class Line:
    """What one rule would have done: how many failures it fits first, and for how many that is something new."""

    rule: str
    fits: int = 0
    changes: int = 0
    examples: list[Example] = field(default_factory=list)


@dataclass(frozen=True)
class Preview:
    """The answer, of ``looked_at`` failures; a line for each rule that was asked about."""

    looked_at: int
    lines: Sequence[Line]


def compare(pasts: Iterable[Past], now: Sequence[Rule], then: Sequence[Rule], asked: Sequence[str]) -> Preview:
    """Judge failures by the rules as they are and as they would be.

    Args:
        pasts: The failures.
        now: The rules in force, without those that are asked about, or with them as they were.
        then: The same with them as they would be.
        asked: Their names.
    """
    lines, looked_at = {name: Line(name) for name in asked}, 0
    for past in pasts:
        looked_at += 1
        before, after = decide(now, past.failure), decide(then, past.failure)
        # A rule that is changed may also leave to others what it decided.
        line = lines.get(after.rule) or lines.get(before.rule)
        if line is None:
            continue
        example = Example(past.owner, past.job, before, after)
        line.fits += after.rule == line.rule
        line.changes += example.is_changed
        # Those that change something are worth seeing before others.
        line.examples = sorted([*line.examples, example], key=lambda one: not one.is_changed)[:EXAMPLES]
    return Preview(looked_at, list(lines.values()))


def past_failures(most: int = LATEST) -> list[Past]:
    """Answer the latest failures of jobs of chunks and merges, as they were; in some statements, whatever there is."""
    rows = TaskEvent.objects.filter(Q(chunk__isnull=False) | Q(group__isnull=False), job_id__isnull=False)
    newest = TaskEvent.objects.aggregate(newest=Max("pk"))["newest"] or 0
    rows = rows.filter(pk__gt=newest - MOVES, before__in=_RAN, after__in=_BAD).order_by("-pk")
    related = ("chunk__task", "chunk__run__task", "group__task", "group__run__task")
    # Some lists of raw files are megabytes, and every row would bring its task's.
    lists = [f"{task}__filelist" for task in related]
    events = list(rows.select_related(*related).defer(*lists)[:most])
    jobs = {job.pk: job for job in queries.jobs({event.job_id for event in events if event.job_id is not None})}
    known = Deciding().known
    found = []
    for event in events:
        owner, job = event.chunk or event.group, jobs.get(event.job_id or 0)
        view = _view(job, event) if job is not None else None
        if owner is not None and view is not None:
            failure = failure_of(_as_it_was(owner), view, delay=known.limits_for(owner.task).retry_delay)
            found.append(Past(failure, str(owner), view.id))
    return found


def _as_it_was(owner: Chunk | MergeGroup) -> Chunk | MergeGroup:
    """Forget how many attempts a row has used since: those of its job count."""
    owner.attempts = 0
    return owner


def _view(job: Job, event: TaskEvent) -> JobView | None:
    """Answer the attempt of a job whose end an event has told; one that a pilot never had is not looked at."""
    tries = [one for one in job.attempts.all() if one.ended_at is not None and one.ended_at <= event.at]
    last = max((one for one in tries if one.state == JobState.FAILED.value), key=lambda one: one.number, default=None)
    return _as_view(job, last) if last is not None else None


def _as_view(job: Job, one: Attempt) -> JobView:
    said = [one.payload_error_words, one.pilot_error_words, one.server_error_words]
    return JobView(
        id=job.pk,
        state=JobState.FAILED,
        attempt=one.number,
        payload_error=one.payload_error,
        pilot_error=one.pilot_error,
        words=next(filter(None, said), ""),
        queue=one.queue,
        said="\n".join(dict.fromkeys(filter(None, said))),
    )
