"""A dry run: everything that a definition, or a task that has not begun, would do. Nothing is written."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import orjson

from server.brokerage import queries as brokerage
from server.dataservice.lookups import tape_endpoints
from server.lib.texts import plain_cell
from server.production.columns import definition_of
from server.production.defining import Checked, Conflict, check_definition, conflicts_of
from server.production.definition import NO_TAPE, Definition
from server.production.dryrun.learnt import learn
from server.production.dryrun.pieces import pieces_of, pieces_of_chunks
from server.production.dryrun.plan import Planner
from server.production.dryrun.there import There, look
from server.production.dryrun.values import Job, MergeJob, Piece, Wanted
from server.production.files import Names
from server.production.limits import Limits
from server.production.models import Task
from server.production.reference.known import Known, read_known
from server.production.states import TaskState

#: A task in one of these has sent nothing yet.
BEFORE = (TaskState.DRAFT, TaskState.READY, TaskState.JOBS_READY)
#: Rows of each list, unless something else is said, and at most.
PAGE, MOST = 100, 1000


class NoDryRun(ValueError):
    """There is nothing to say about a task any more; the message says why, and where to look."""


@dataclass(frozen=True)
class Part:
    """Which rows of the lists are answered; ``run``: of that run alone."""

    run: int | None = None
    jobs_from: int = 0
    merges_from: int = 0
    runs_from: int = 0
    limit: int = PAGE


@dataclass(frozen=True)
class DryRun:
    """What a dry run looks at. Its pieces are read anew each time, and never held."""

    definition: Definition
    wanted: Wanted
    pieces: Callable[[], Iterator[Piece]]
    conflicts: tuple[Conflict, ...]
    state: str = ""

    def answer(self, part: Part) -> dict[str, Any]:
        """Go through all pieces once; answer the sums, and a part of each list."""
        planner, page, counted = Planner(self.wanted), list[Piece](), 0
        first, last = part.jobs_from, part.jobs_from + part.limit
        for piece in self.pieces():
            if planner.take(piece) and part.run in (None, piece.run):
                if first <= counted < last:
                    page.append(piece)
                counted += 1
        runs = planner.runs() if part.run is None else [part.run]
        merges = planner.merges(None if part.run is None else runs)
        lines = planner.run_lines(runs[part.runs_from : part.runs_from + part.limit])
        return {
            "task": self.definition.name,
            "status": self.state,
            "type": self.definition.kind or self.definition.type.value,
            "queue": self.definition.queue,
            "totals": planner.totals(),
            "conflicts": [vars(one) for one in self.conflicts],
            "there": self._there(planner).as_json(),
            "learnt": self.wanted.learnt.as_json(),
            "run": part.run,
            "limit": part.limit,
            "runs": _listed([line.as_json() for line in lines], part.runs_from, len(runs)),
            "jobs": _listed([planner.job_of(piece).as_json() for piece in page], first, counted),
            "merges": _listed_merges(merges, part),
        }

    def _there(self, planner: Planner) -> There:
        return look(self.wanted.names, planner.chunks())

    def rows(self) -> Iterator[Job | MergeJob]:
        """Give every job as its piece is read, and after them every merge."""
        planner = Planner(self.wanted)
        for piece in self.pieces():
            if planner.take(piece):
                yield planner.job_of(piece)
        yield from planner.merges()


def of_definition(data: Mapping[str, Any]) -> DryRun:
    """Look at a definition that is no task yet.

    Raises:
        BadDefinition: with what `define_task` would say, but for tasks that make the same files: these are answered.
    """
    known = read_known()
    checked = check_definition(data, alone=True)
    kind = known.kinds.get(checked.definition.kind)
    limits = replace(known.limits_of_new(kind, checked.site), **checked.definition.limits)
    return _dry_run(checked, limits, known, None)


def of_task(task: Task) -> DryRun:
    """Look at a task that has not begun: of a draft what its definition says, of others the chunks that they have.

    Raises:
        NoDryRun: its jobs are on their way.
        BadDefinition: a draft cannot be sent any more as it is.
    """
    if task.state not in BEFORE:
        raise NoDryRun(f"task {task.name!r} is {task.state}: its jobs are no plan any more; look at its page")
    known = read_known()
    checked = check_definition(definition_of(task), besides=task, alone=True)
    return _dry_run(checked, known.limits_for(task), known, task)


def _dry_run(checked: Checked, limits: Limits, known: Known, task: Task | None) -> DryRun:
    definition, parent = checked.definition, checked.parent
    names = Names(
        definition.type.value,
        definition.production,
        definition.year,
        definition.period,
        definition.soft,
        definition.slot,
        definition.phast,
        definition.rich,
    )
    site = known.site_at(definition.queue) or checked.site
    load = brokerage.loads().get(definition.queue)
    wanted = Wanted(
        names=names,
        limits=limits,
        merge_dumps=definition.merge_dumps,
        tape="" if definition.tape == NO_TAPE else definition.tape,
        tapes=frozenset() if site is not None and site.hpc else tape_endpoints(),
        slots=max(load.slots, load.running) if load else 0,
        learnt=learn(names, besides=task.pk if task else 0),
    )
    has_chunks = task is not None and task.state == TaskState.JOBS_READY
    return DryRun(
        definition=definition,
        wanted=wanted,
        pieces=lambda: pieces_of_chunks(task) if task is not None and has_chunks else pieces_of(definition, parent),
        conflicts=tuple(conflicts_of(definition, parent, besides=task)),
        state=task.state if task is not None else "",
    )


def _listed(rows: list[dict[str, Any]], first: int, total: int) -> dict[str, Any]:
    return {"from": first, "total": total, "rows": rows}


def _listed_merges(merges: Iterator[MergeJob], part: Part) -> dict[str, Any]:
    first = sum(1 for _ in islice(merges, part.merges_from))
    rows = [one.as_json() for one in islice(merges, part.limit)]
    return _listed(rows, part.merges_from, first + len(rows) + sum(1 for _ in merges))


COLUMNS = ("what", "job", "run", "chunk", "input", "input_bytes", "events", "kind", "file", "dataset", "bytes")


def as_lines(rows: Iterator[Job | MergeJob]) -> Iterator[bytes]:
    """Write rows as JSON, one in each line."""
    for row in rows:
        what = {"what": "job" if isinstance(row, Job) else "merge"}
        yield orjson.dumps({**what, **row.as_json()}) + b"\n"


def as_csv(rows: Iterator[Job | MergeJob]) -> Iterator[str]:
    """Write a line for each file that would be written."""
    yield ",".join(COLUMNS) + "\r\n"
    for row in rows:
        text = io.StringIO()
        write = csv.writer(text).writerow
        if isinstance(row, Job):
            piece = row.piece
            head = ("job", row.name, piece.run, piece.chunk, piece.lfn, piece.size, piece.events)
            for made in row.outputs:
                write(map(plain_cell, (*head, made.kind.value, made.lfn, made.dataset, made.size)))
        else:
            chunks = f"{row.first}-{row.last}"
            merge = ("merge", row.name, row.run, chunks, "", "", "", row.kind, row.lfn, row.dataset, row.size)
            write(map(plain_cell, merge))
        yield text.getvalue()
