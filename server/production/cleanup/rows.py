"""The rows that decide on clean-up, read for a whole task in a fixed number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from django.db.models import BooleanField, Case, Count, Exists, OuterRef, Q, QuerySet, Sum, Value, When

from pilot.contract.naming import EMPTY_DUMP_SIZE
from server.dataservice.models import Replica, Transfer
from server.dataservice.states import LIVING, ReplicaState
from server.dataservice.states import THERE as IN_PLACE
from server.dataservice.states import values as words_of
from server.production.archive.rows import TYPES
from server.production.cleanup.models import Cleaning, RemovalState
from server.production.cleanup.rules import (
    CLOSED_CHUNKS,
    CLOSED_GROUPS,
    Group,
    Owner,
    Portion,
    RunFacts,
    kept_because,
)
from server.production.files import RESULT_OF
from server.production.frames import tape_of
from server.production.models import Chunk, CrossCheck, MergeGroup, Output, Task
from server.production.states import MergeKind, OutputKind, TapeState, TaskState, values

#: A task of which nothing was to be removed is looked at again after so long.
PAUSE = timedelta(days=1)
#: The same where something may go that cannot be asked for now.
SOON = timedelta(minutes=10)
#: Keys of one statement.
BATCH = 400

_ALIKE = ("kind", "endpoint", "run", "merged_in__group", "empty")


@dataclass(frozen=True)
class Facts:
    """Everything that decides on the files of a task."""

    owner: Owner
    portions: Sequence[Portion]
    runs: Mapping[int, RunFacts]
    groups: Mapping[int, Group]

    def why(self, files: Portion) -> str:
        """Say why files are kept; empty: they may be removed."""
        group = None if files.group is None else self.groups.get(files.group, Group("", "", safe=False))
        return kept_because(self.owner, self.runs.get(files.run, RunFacts()), group, files)

    def removable(self) -> list[Portion]:
        return [files for files in self.portions if not self.why(files)]


def tasks_due(now: datetime) -> QuerySet[Task]:
    """Select the archived tasks that are to be looked at, those that never were first."""
    due = Q(cleaning__due=None) | Q(cleaning__due__lte=now)
    # A time further ahead than any pause was written by a clock that was wrong.
    due |= Q(cleaning__due__gt=now + 2 * PAUSE)
    tasks = Task.objects.filter(state=TaskState.ARCHIVED, type__in=values(TYPES))
    tasks = tasks.filter(Q(cleaning=None) | (due & Q(cleaning__kept=""))).select_related("site").defer("filelist")
    first = Case(When(cleaning__due=None, then=Value(0)), default=Value(1))
    return tasks.order_by(first, "cleaning__due", "pk")


def kept_words(task: Task) -> str:
    """Answer who keeps a task's files and why; empty: nobody does."""
    row = Cleaning.objects.filter(task=task).first()
    return row.kept if row else ""


def facts_of(task: Task) -> Facts:
    """Read what decides on the files of a task that were not removed yet."""
    tape = tape_of(task)
    children = task.children.values_list("state", flat=True)
    owner = Owner(task.type, task.state, tape, kept_words(task), list(children))
    return Facts(owner, _portions(task, tape), _runs(task), _groups(task, tape))


def _lies_on(tape: str) -> Exists:
    """Say of an `Output` that the catalogue has it, as its job has written it, at the storage of the tapes."""
    there = Replica.objects.filter(endpoint=tape, state__in=words_of(IN_PLACE))
    return Exists(there.filter(file__job_file=OuterRef("job_file_id")))


def is_safe(tape: str) -> Q:
    """Say of an `Output` that it lies on tape, verified, and that nobody has removed it there since."""
    return Q(tape=TapeState.FINISHED) & Q(_lies_on(tape))


def _is_marker() -> Q:
    """Say of an `Output` that it is a dump without an event: it is merged with nothing."""
    return Q(kind=OutputKind.DUMP, size__lte=EMPTY_DUMP_SIZE)


def _portions(task: Task, tape: str) -> list[Portion]:
    empty = Case(When(_is_marker(), then=Value(True)), default=Value(False), output_field=BooleanField())
    files = Output.objects.filter(task=task, removed__isnull=True).annotate(empty=empty).order_by()
    generated = Q(kind=OutputKind.GENERATED)
    found = _counted(files.exclude(generated), safe=False)
    found += _counted(files.filter(generated, is_safe(tape)), safe=True)
    return found + _counted(files.filter(generated).exclude(is_safe(tape)), safe=False)


def _counted(files: QuerySet[Output], *, safe: bool) -> list[Portion]:
    rows = files.values(*_ALIKE).annotate(files=Count("pk"), bytes=Sum("size"))
    return [
        Portion(
            kind=row["kind"],
            endpoint=row["endpoint"],
            run=row["run"],
            group=row["merged_in__group"],
            empty=bool(row["empty"]),
            safe=safe,
            files=row["files"],
            size=row["bytes"] or 0,
        )
        for row in rows
    ]


def _runs(task: Task) -> dict[int, RunFacts]:
    open_runs = set(
        Chunk.objects.filter(task=task).exclude(state__in=values(CLOSED_CHUNKS)).values_list("run", flat=True)
    )
    groups = MergeGroup.objects.filter(task=task).exclude(state__in=values(CLOSED_GROUPS))
    open_runs |= set(groups.values_list("run", flat=True))
    checks: dict[int, dict[str, str]] = defaultdict(dict)
    for run, kind, verdict in CrossCheck.objects.filter(task=task).values_list("run", "kind", "verdict"):
        checks[run][kind] = verdict
    return {run: RunFacts(run in open_runs, checks.get(run, {})) for run in open_runs | checks.keys()}


def _groups(task: Task, tape: str) -> dict[int, Group]:
    made = Output.objects.filter(task=task, group__isnull=False, kind__in=values(RESULT_OF.values()))
    made = made.filter(is_safe(tape), removed__isnull=True)
    safe = set(made.values_list("group", "kind"))
    # A file of another task, of the same name, may have been merged here: the group is looked up by its files.
    rows = MergeGroup.objects.filter(pk__in=_group_keys(task)).values_list("pk", "kind", "state")
    return {key: Group(kind, state, (key, RESULT_OF[MergeKind(kind)].value) in safe) for key, kind, state in rows}


def _group_keys(task: Task) -> QuerySet[Output, int]:
    inputs = Output.objects.filter(task=task, removed__isnull=True, merged_in__isnull=False).order_by()
    return inputs.values_list("merged_in__group", flat=True).distinct()


def due_files(task: Task, facts: Facts, now: datetime, *, most: int) -> list[Output]:
    """Choose files that may be removed, and that nobody was asked to remove, or not again until now."""
    asked = Q(removal__state=RemovalState.ASKED)
    later = Q(removal__state=RemovalState.FAILED) & (Q(removal__due=None) | Q(removal__due__gt=now))
    waits = Exists(
        Output.objects.filter(asked | later, pk=OuterRef("pk"), removal__job_file_id=OuterRef("job_file_id"))
    )
    files = Output.objects.filter(task=task, removed__isnull=True).exclude(waits)
    files = files.filter(_has_place()).exclude(_is_busy())
    found: list[Output] = []
    for chosen in _selections(facts):
        if len(found) >= most:
            break
        found += files.filter(chosen).order_by("pk")[: most - len(found)]
    return found


def _selections(facts: Facts) -> Iterable[Q]:
    """Say of `Output`s, some hundred merges or runs at a time, that they are in what may be removed."""
    groups: dict[tuple[str, str], set[int]] = defaultdict(set)
    runs: dict[tuple[str, str], set[int]] = defaultdict(set)
    for files in facts.removable():
        if files.group is None:
            runs[files.kind, files.endpoint].add(files.run)
        else:
            groups[files.kind, files.endpoint].add(files.group)
    for (kind, endpoint), keys in sorted(groups.items()):
        for some in _some(keys):
            yield Q(kind=kind, endpoint=endpoint, merged_in__group__in=some)
    for (kind, endpoint), keys in sorted(runs.items()):
        own = is_safe(facts.owner.tape) if kind == OutputKind.GENERATED else _is_marker()
        for some in _some(keys):
            yield Q(kind=kind, endpoint=endpoint, merged_in=None, run__in=some) & own


def _some(keys: Iterable[int]) -> Iterable[list[int]]:
    ordered = iter(sorted(keys))
    while some := list(islice(ordered, BATCH)):
        yield some


def _has_place() -> Exists:
    """Say of an `Output` that the catalogue knows what became of it at its storage."""
    ours = (*IN_PLACE, ReplicaState.LOST, ReplicaState.DELETED)
    there = Replica.objects.filter(endpoint=OuterRef("endpoint"), state__in=words_of(ours))
    return Exists(there.filter(file__job_file=OuterRef("job_file_id")))


def _is_busy() -> Exists:
    """Say of an `Output` that something is being done with it at its storage."""
    living = Transfer.objects.filter(endpoint=OuterRef("endpoint"), state__in=words_of(LIVING))
    return Exists(living.filter(file__job_file=OuterRef("job_file_id")))
