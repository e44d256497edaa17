"""The catalogue of runs: which raw files a run has, and the events of each. Filled from lists, asked by definitions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from django.db import connection, transaction
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from server.production.door import BATCH
from server.production.models import CatalogueFile, RawFile, Task
from server.production.raw_lists import RawLine
from server.production.reference.known import Known, read_known
from server.production.states import T, values

#: Tasks in which nobody needs the events any more.
_OVER = (T.DONE, T.FINISHED, T.CANCELLED, T.ARCHIVE, T.ARCHIVING, T.ARCHIVED)
_TOLD = ("lfn", "dataset", "endpoint", "size", "checksum", "events", "updated")


@transaction.atomic
def load(lines: Iterable[RawLine], *, endpoint: str) -> int:
    """Write files into the catalogue, or write anew what it has of them, all or none; answer how many.

    What a line does not tell of a file, and the catalogue knows, stays.

    Args:
        lines: The files; read as they come, some hundred at a time.
        endpoint: The storage that they lie on; empty: that of the queue of who reads them.
    """
    rest, written = iter(lines), 0
    while part := {(line.run, line.chunk): line for line in islice(rest, BATCH)}:
        now, known = timezone.now(), _known(part)
        rows = [
            CatalogueFile(
                run=line.run, chunk=line.chunk, lfn=line.lfn, dataset=line.dataset, endpoint=endpoint, size=line.size,
                checksum=line.checksum, events=line.events, updated=now,
            )
            for line in (_completed(line, known.get(key)) for key, line in part.items())
        ]  # fmt: skip
        by = ["run", "chunk"] if connection.features.supports_update_conflicts_with_target else None
        CatalogueFile.objects.bulk_create(rows, update_conflicts=True, update_fields=_TOLD, unique_fields=by)
        written += len(rows)
    return written


def _known(part: Mapping[tuple[int, int], RawLine]) -> dict[tuple[int, int], CatalogueFile]:
    """Answer what the catalogue has of those files of which the lines do not tell everything."""
    poor = [key for key, line in part.items() if line.events is None or line.size is None or not line.checksum]
    if not poor:
        return {}
    there = CatalogueFile.objects.filter(run__in={run for run, _ in poor}, chunk__in={chunk for _, chunk in poor})
    return {(row.run, row.chunk): row for row in there if (row.run, row.chunk) in part}


def _completed(line: RawLine, row: CatalogueFile | None) -> RawLine:
    """Add what is known of the same file, wherever it lay."""
    if row is None:
        return line
    return line._replace(
        events=row.events if line.events is None else line.events,
        size=row.size if line.size is None else line.size,
        checksum=line.checksum or row.checksum,
    )


def files_of(runs: Iterable[int]) -> Iterator[tuple[RawLine, str]]:
    """Give the files of runs with their storages, run by run and chunk by chunk."""
    rest = iter(runs)
    while part := list(islice(rest, BATCH)):
        rows = CatalogueFile.objects.filter(run__in=part).order_by("run", "chunk")
        for row in rows.iterator(BATCH):
            line = RawLine(row.run, row.chunk, row.lfn, row.dataset, row.events, row.size, row.checksum)
            yield line, row.endpoint


def unknown_runs(runs: Iterable[int]) -> list[int]:
    """Answer those of these runs of which the catalogue has no file, in order."""
    rest, unknown = iter(runs), list[int]()
    while part := list(islice(rest, BATCH)):
        known = set(CatalogueFile.objects.filter(run__in=part).order_by().values_list("run", flat=True).distinct())
        unknown += [run for run in part if run not in known]
    return unknown


def count_full(runs: Iterable[int]) -> int:
    """Answer how many files of these runs have events, or may have: so many chunks a task of them has."""
    rest, found = iter(runs), 0
    while part := list(islice(rest, BATCH)):
        found += CatalogueFile.objects.filter(Q(events=None) | Q(events__gt=0), run__in=part).count()
    return found


def count_events() -> int:
    """Step: fill in the events of chunks that were not known when they were defined; answer of how many."""
    open_tasks = Task.objects.exclude(state__in=values(_OVER)).order_by("id")
    lacking = list(open_tasks.filter(pk__in=_lacking().values("chunk__task")))
    known = read_known() if lacking else Known()
    return sum(_count(task, known.limits_for(task).counted_per_task) for task in lacking)


def _lacking() -> QuerySet[Any]:
    """Select the raw files whose events were unknown, and are known to the catalogue now: as ``told``."""
    told = CatalogueFile.objects.filter(run=OuterRef("chunk__run__number"), chunk=OuterRef("chunk__number"))
    return (
        RawFile.objects.filter(events=None)
        .annotate(told=Subquery(told.exclude(events=None).values("events")[:1]))
        .exclude(told=None)
    )


@transaction.atomic
def _count(task: Task, most: int) -> int:
    found = [
        RawFile(pk=key, events=events)
        for key, events in _lacking().filter(chunk__task=task).order_by("pk").values_list("pk", "told")[:most]
    ]
    return RawFile.objects.bulk_update(found, ["events"], batch_size=BATCH)
