"""Reading one run of a task: its chunks page by page, its merges and checks, its files on tape and its history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count

from server.production.models import Chunk, CrossCheck, MergeInput, Output, RawFile, Run, Task, TaskEvent
from server.production.queries.events import event_json
from server.production.queries.evidence import Evidence, GroupSum, evidence_of, sums_of
from server.production.queries.outputs import output_json
from server.production.queries.progress import Progress, count_runs
from server.production.states import ChunkState, MergeKind

#: Chunks on one page.
PAGE = 100
#: Of which one can be asked for.
CHUNK_STATES = tuple(ChunkState.values)
#: Merges, files on tape, and moves on the page of a run.
MOST = 50


@dataclass(frozen=True)
class ChunkLine:
    """A chunk with what its job reads and has written."""

    chunk: Chunk
    inputs: Sequence[str]
    outputs: Sequence[Output]

    def as_json(self) -> dict[str, Any]:
        chunk = self.chunk
        return {
            **{"chunk": chunk.number, "state": chunk.state, "job": chunk.job_id, "attempts": chunk.attempts},
            "events": {"ordered": chunk.events_ordered, "done": chunk.events_done},
            **{"words": chunk.words, "inputs": list(self.inputs)},
            "outputs": [{"lfn": one.lfn, "size": one.size, "tape": one.tape} for one in self.outputs],
        }


@dataclass(frozen=True)
class RunPage:
    """Everything about one run; ``merged_from`` says of each merge, by its key, which chunks are in it."""

    run: Run
    cells: list[Progress]
    chunks: list[ChunkLine]
    counts: Mapping[str, int]
    show: str
    number: int
    pages: int
    sums: list[GroupSum]
    merged_from: Mapping[int, str]
    checks: list[Evidence]
    files: list[Output]
    moves: list[TaskEvent]

    def as_json(self) -> dict[str, Any]:
        return {
            "task": self.run.task.name,
            "run": self.run.number,
            "steps": [cell.as_json() for cell in self.cells],
            "chunks": [line.as_json() for line in self.chunks],
            "counts": dict(self.counts),
            **{"show": self.show, "page": self.number, "pages": self.pages},
            "merges": [{**one.as_json(), "chunks": self.merged_from.get(one.group.pk, "")} for one in self.sums],
            "checks": [one.as_json() for one in self.checks],
            "files": [output_json(one) for one in self.files],
            "moves": [event_json(one) for one in self.moves],
        }


def run_page(task: Task, run: Run, *, show: str = "", number: int = 1, most: int = PAGE) -> RunPage:
    """Gather a run's page; ``show`` is a state of chunks, or empty for all. A bounded number of queries."""
    (cells,) = count_runs(task, [run.pk]).values()
    counts = dict(Chunk.objects.filter(run=run).order_by().values_list("state").annotate(count=Count("pk")))
    counts = {state.value: counts[state.value] for state in ChunkState if state.value in counts}
    pages = max(1, -(-(counts.get(show, 0) if show else sum(counts.values())) // most))
    number = max(1, min(number, pages))
    chosen = Chunk.objects.filter(run=run, **({"state": show} if show else {})).order_by("number")
    chunks = _chunk_lines(list(chosen[(number - 1) * most : number * most]))
    sums = sums_of(task, run, MergeKind.values, most=MOST)
    checks = CrossCheck.objects.filter(run=run).values_list("kind", flat=True)
    return RunPage(
        run=run,
        cells=cells,
        chunks=chunks,
        counts=counts,
        show=show,
        number=number,
        pages=pages,
        sums=sums,
        merged_from=_merged_from([one.group.pk for one in sums]),
        checks=[evidence_of(task, run, _STEP_OF[kind]) for kind in checks],
        files=list(
            Output.objects.filter(run=run, group__isnull=False).select_related("run").order_by("kind", "lfn")[:MOST]
        ),
        moves=_moves(run, [line.chunk.pk for line in chunks], [one.group.pk for one in sums]),
    )


_STEP_OF = {"mdst": "crosscheck", "dump": "check_dump"}


def _chunk_lines(chunks: Sequence[Chunk]) -> list[ChunkLine]:
    keys = [chunk.pk for chunk in chunks]
    outputs: dict[int, list[Output]] = defaultdict(list)
    parents = [chunk.parent_id for chunk in chunks if chunk.parent_id is not None]
    for output in Output.objects.filter(chunk__in=[*keys, *parents]).order_by("kind", "lfn"):
        outputs[output.chunk_id or 0].append(output)
    raw = dict(RawFile.objects.filter(chunk__in=keys).values_list("chunk", "lfn"))
    return [
        ChunkLine(
            chunk,
            [raw[chunk.pk]]
            if chunk.pk in raw
            else [one.lfn for one in outputs.get(chunk.parent_id or 0, ()) if one.kind == "generated"],
            outputs.get(chunk.pk, []),
        )
        for chunk in chunks
    ]


def _merged_from(groups: Sequence[int]) -> dict[int, str]:
    """Answer the chunks whose files are in each of these merges, as people write numbers: ``1-8, 10``."""
    found: dict[int, list[int]] = defaultdict(list)
    rows = MergeInput.objects.filter(group__in=groups).order_by("output__chunk__number")
    for group, number in rows.values_list("group", "output__chunk__number"):
        found[group].append(number or 0)
    return {group: spans(numbers) for group, numbers in found.items()}


def spans(numbers: Iterable[int]) -> str:
    """Write ordered numbers with those in a row joined."""
    told: list[list[int]] = []
    for number in numbers:
        if told and number == told[-1][1] + 1:
            told[-1][1] = number
        else:
            told.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in told)


def _moves(run: Run, chunks: Sequence[int], groups: Sequence[int]) -> list[TaskEvent]:
    """Answer the latest moves of what a page shows: three questions that each have an index of their own."""
    events = (
        TaskEvent.objects.select_related("task", "run", "chunk__run", "group__run")
        .defer("task__filelist")
        .order_by("-id")
    )
    wanted: tuple[dict[str, Any], ...] = ({"run": run}, {"chunk__in": chunks}, {"group__in": groups})
    found = [event for one in wanted for event in events.filter(**one)[:MOST]]
    return sorted(found, key=lambda event: -event.pk)[:MOST]
