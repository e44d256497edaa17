"""Counting how far tasks and their runs are, step by step: one grouped query for each table, whatever there is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet

from server.dataservice.lookups import tape_endpoints
from server.production.archive.rows import is_made
from server.production.chains import chain_of
from server.production.files import RESULT_OF
from server.production.frames import tape_of
from server.production.models import Chunk, CrossCheck, MergeGroup, Output, Run, Task
from server.production.reference.known import Known, read_known
from server.production.staging.models import TaskStaging
from server.production.states import (
    PASSED,
    CheckKind,
    ChunkState,
    GroupState,
    MergeKind,
    TapeState,
    TaskState,
    Verdict,
    values,
)

#: Step -> the words for it, in the order of the chain.
STEPS = {
    "analysis": "jobs",
    "generation": "generation",
    "reconstruction": "reconstruction",
    "filtering": "filtering",
    "merge_mdst": "mDST merge",
    "crosscheck": "cross-check",
    "merge_hist": "histograms",
    "merge_dump": "event dumps",
    "check_dump": "dump check",
}
#: The way to tape is no step of a chain: a task has it where its files have it.
TAPE = "tape"
#: Nor is staging: a task has it whose raw files lie on tape.
STAGING = "staging"
#: Nor is the packing of logs, which a task has when it is archived.
LOGS = "merge_logs"
LABELS = {STAGING: "staging", **STEPS, LOGS: "logs", TAPE: "tape"}

#: The step that each check is.
CHECKS = {CheckKind.MDST.value: "crosscheck", CheckKind.DUMP.value: "check_dump"}

#: Chunks and groups in one of these have failed, or wait for a person.
BAD = values((ChunkState.FAILED, ChunkState.MANUAL_CHECK))
_UNDER_WAY = values((ChunkState.SENT, ChunkState.RUNNING))
_BEFORE = values((ChunkState.DEFINED, ChunkState.STAGING, ChunkState.PAUSED))
_PACKING = values((TaskState.ARCHIVE, TaskState.ARCHIVING, TaskState.ARCHIVED))
_ON_THE_WAY = values((TapeState.READY, TapeState.SENT))
_WANTED = values((TapeState.READY, TapeState.SENT, TapeState.FINISHED, TapeState.FAILED))


@dataclass
class Progress:
    """How far a step of a task or of a run is: pieces, of which some are done, under way, or bad.

    Pieces are chunks, merged files, checks, or files on tape. A merge whose files are not planned yet counts one.
    """

    step: str
    total: int = 0
    done: int = 0
    active: int = 0
    bad: int = 0
    words: str = ""

    @property
    def label(self) -> str:
        return LABELS[self.step]

    @property
    def percent(self) -> int:
        return self._share(self.done)

    @property
    def active_percent(self) -> int:
        return self._share(self.active)

    @property
    def bad_percent(self) -> int:
        return self._share(self.bad)

    @property
    def state(self) -> str:
        """Done, bad, active or waiting: what a cell of the matrix shows."""
        if self.total and self.done >= self.total:
            return "done"
        if self.bad:
            return "bad"
        return "active" if self.active or self.done else "waiting"

    @property
    def sign(self) -> str:
        """Say the same in a word: colours alone do not reach everybody."""
        told = {"done": "done", "bad": f"{self.bad} to look at", "active": "under way", "waiting": "waits"}
        return told[self.state]

    def _share(self, part: int) -> int:
        return min(100, part * 100 // self.total) if self.total else 0

    def add(self, count: int, *, done: bool = False, active: bool = False, bad: bool = False) -> None:
        """Count so many pieces that are all so."""
        self.done += count * done
        self.active += count * active
        self.bad += count * bad

    def as_json(self) -> dict[str, Any]:
        counts = {"total": self.total, "done": self.done, "active": self.active, "bad": self.bad}
        return {"step": self.step, "label": self.label, **counts, "state": self.state, "words": self.words}


def steps_of(task: Task) -> tuple[str, ...]:
    """Answer the steps of a task's chain, in order."""
    return chain_of(task.type).steps(merge_dumps=task.merge_dumps)


#: (task, run) -> the progress of each step; the run is 0 where whole tasks are counted.
Cells = dict[tuple[int, int], dict[str, Progress]]


def count_tasks(tasks: Sequence[Task]) -> dict[int, tuple[list[Progress], int]]:
    """Answer the progress of each of these tasks, and how many runs it has."""
    count = _Count(tasks, per_run=False)
    return {task.pk: (list(count.cells[task.pk, 0].values()), count.runs[task.pk, 0]) for task in tasks}


def count_runs(task: Task, runs: Iterable[int] | None = None) -> dict[int, list[Progress]]:
    """Answer the progress of each run of a task, or of those with these keys alone, by the run's key."""
    cells = _Count([task], per_run=True, runs=None if runs is None else list(runs)).cells
    return {run: list(steps.values()) for (_, run), steps in cells.items()}


class _Count:
    """One counting of tasks, or of the runs of one."""

    def __init__(self, tasks: Sequence[Task], *, per_run: bool, runs: list[int] | None = None) -> None:
        self.cells: Cells = {}
        self.runs: dict[tuple[int, int], int] = {}
        self._empty: dict[tuple[int, int], int] = {}
        self._grouping = ["task", "run"] if per_run else ["task"]
        self._runs = runs
        self._steps = {task.pk: steps_of(task) for task in tasks}
        self._packing = {task.pk for task in tasks if task.state in _PACKING and chain_of(task.type).archived}
        self._merging = [pk for pk, steps in self._steps.items() if len(steps) > 1 or pk in self._packing]
        self._archived = {task.pk: chain_of(task.type).archived for task in tasks}
        known = read_known()
        self._staged = _with_staging(tasks, known)
        self._make_cells(tasks)
        self._count_chunks()
        self._count_lost()
        self._count_merges()
        self._count_checks()
        self._count_tape({task.pk for task in tasks if tape_of(task, known)})

    def _make_cells(self, tasks: Sequence[Task]) -> None:
        """Begin with what is known of every run: each merge makes a file at least, each check is made once."""
        if len(self._grouping) == 1:
            rows = Run.objects.filter(task__in=tasks).order_by().values("task").annotate(count=Count("pk"))
            counted = {row["task"]: row["count"] for row in rows}
            self.runs = {(task.pk, 0): counted.get(task.pk, 0) for task in tasks}
        else:
            chosen = self._within(Run.objects.filter(task__in=tasks), "pk__in").order_by("number")
            self.runs = {(task, run): 1 for run, task in chosen.values_list("pk", "task")}
        for key, runs in self.runs.items():
            first, *others = self._steps[key[0]]
            staging = {STAGING: Progress(STAGING)} if key[0] in self._staged else {}
            others += [LOGS] if key[0] in self._packing else []
            merges = {step: Progress(step, total=runs) for step in others}
            self.cells[key] = {**staging, first: Progress(first), **merges}

    def _within(self, rows: QuerySet[Any], name: str = "run__in") -> QuerySet[Any]:
        return rows if self._runs is None else rows.filter(**{name: self._runs})

    def _of(self, row: Mapping[str, Any], step: str) -> Progress:
        """Answer where a row counts; what is no step of its task any more counts nowhere that is shown."""
        return self.cells.get(self._key(row), {}).get(step) or Progress(step)

    def _key(self, row: Mapping[str, Any]) -> tuple[int, int]:
        return row["task"], row["run"] if len(self._grouping) > 1 else 0

    def _count_chunks(self) -> None:
        rows = self._within(Chunk.objects.filter(task__in=list(self._steps))).order_by()
        for row in rows.values(*self._grouping, "state").annotate(count=Count("pk")):
            progress, count, state = self._of(row, self._steps[row["task"]][0]), row["count"], row["state"]
            progress.total += count
            progress.add(count, done=state == ChunkState.FINISHED, active=state in _UNDER_WAY, bad=state in BAD)
            if row["task"] in self._staged:
                staging = self._of(row, STAGING)
                staging.total += count
                staging.add(count, done=state not in _BEFORE, active=state == ChunkState.STAGING)

    def _count_lost(self) -> None:
        """Count what waits for a person because it did not come from tape: it never had a job."""
        lost = Chunk.objects.filter(task__in=self._staged, state=ChunkState.MANUAL_CHECK, job_id=None)
        rows = self._within(lost).order_by().values(*self._grouping).annotate(count=Count("pk"))
        for row in rows if self._staged else ():
            self._of(row, STAGING).add(row["count"], bad=True)
            self._of(row, STAGING).done -= row["count"]
            self._of(row, self._steps[row["task"]][0]).bad -= row["count"]

    def _count_merges(self) -> None:
        rows = self._within(MergeGroup.objects.filter(task__in=self._merging)).order_by()
        # The first group of a run takes the place of the file that was counted while nothing was planned.
        for row in rows.values(*self._grouping, "kind", "state").annotate(
            count=Count("pk"), first=Count("pk", filter=Q(number=0))
        ):
            progress, count, state = self._of(row, f"merge_{row['kind']}"), row["count"], row["state"]
            progress.total += count - row["first"]
            progress.add(count, done=state == GroupState.FINISHED, active=state == GroupState.SENT, bad=state in BAD)

    def _count_checks(self) -> None:
        rows = self._within(CrossCheck.objects.filter(task__in=self._merging)).order_by()
        empty = Count("pk", filter=Q(kind=CheckKind.DUMP, found=0))
        for row in rows.values(*self._grouping, "kind", "verdict").annotate(count=Count("pk"), empty=empty):
            passed = row["verdict"] in values(PASSED)
            self._of(row, CHECKS[row["kind"]]).add(
                row["count"], done=passed, bad=row["verdict"] == Verdict.MANUAL_CHECK
            )
            if passed and row["empty"]:
                # Nothing was dumped in these runs: they have no groups, and are complete.
                self._of(row, f"merge_{MergeKind.DUMP.value}").add(row["empty"], done=True)
                self._empty[self._key(row)] = self._empty.get(self._key(row), 0) + row["empty"]

    def _count_tape(self, wanting: set[int]) -> None:
        """Count the files that are wanted on tape, and those that will be when they are made."""
        made = Output.objects.filter(is_made(), task__in=list(self._steps), tape__in=_WANTED)
        rows = self._within(made).order_by()
        found = list(rows.values(*self._grouping, "tape").annotate(count=Count("pk")))
        wanting = {key for key in wanting | {row["task"] for row in found} if self._archived[key]}
        for key, steps in self.cells.items():
            if key[0] in wanting:
                steps[TAPE] = Progress(TAPE, total=self._files(key, steps))
        for row in found:
            progress, count, state = self._of(row, TAPE), row["count"], row["tape"]
            progress.add(
                count, done=state == TapeState.FINISHED, active=state in _ON_THE_WAY, bad=state == TapeState.FAILED
            )

    def _files(self, key: tuple[int, int], steps: Mapping[str, Progress]) -> int:
        """Answer how many files go to tape: those of merges, or those of chunks where chunks' files do."""
        counted = [_MERGE_OF.get(kind, self._steps[key[0]][0]) for kind in self._archived[key[0]]] + [LOGS]
        return sum(steps[step].total for step in counted if step in steps) - self._empty.get(key, 0)


_MERGE_OF = {result: f"merge_{kind.value}" for kind, result in RESULT_OF.items()}


def _with_staging(tasks: Sequence[Task], known: Known) -> set[int]:
    """Answer the tasks whose raw files come from tape, as far as that was found out; two queries at most."""
    raw = {task.pk: task for task in tasks if chain_of(task.type).raw}
    tapes = tape_endpoints() if raw else frozenset()
    rows = TaskStaging.objects.filter(task__in=raw).values_list("task", "endpoints") if tapes else ()
    return {key for key, endpoints in rows if tapes & set(endpoints) and not _has_own_disk(raw[key], known)}


def _has_own_disk(task: Task, known: Known) -> bool:
    site = known.site_of(task)
    return site is not None and site.hpc
