"""What jobs have made becomes rows: the files of many chunks and merges in a few statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import connection
from django.utils import timezone

from server.production.archive.door import made_anew
from server.production.chains import chain_of
from server.production.files import RESULT_OF
from server.production.frames import names_of
from server.production.jobs import Stored
from server.production.judging import JobView
from server.production.models import Chunk, MergeGroup, MergeInput, Output
from server.production.states import MergeKind, OutputKind

Owner = Chunk | MergeGroup

#: What is written again of a file that is there already: a person ran its job once more.
_TOLD = (*("task", "run", "chunk", "group", "kind", "endpoint", "url", "size", "checksum", "events", "job_file_id"),)
_COUNTED = (OutputKind.GENERATED, OutputKind.MDST, OutputKind.MERGED_MDST)


@dataclass(frozen=True)
class Made:
    """A chunk or a merge whose job has finished, what it was to write, by kind, and what it has stored, by name."""

    owner: Owner
    view: JobView
    wanted: Mapping[OutputKind, str]
    files: Mapping[str, Stored]


def wanted_of(owner: Owner) -> dict[OutputKind, str]:
    """Name the files that a chunk's, or a merge's, job is to write; none where its pilot sees to that."""
    if isinstance(owner, Chunk):
        if not chain_of(owner.task.type).outputs:
            return {}
        return names_of(owner.task).chunk_files(owner.run.number, owner.number)
    kind = MergeKind(owner.kind)
    return {RESULT_OF[kind]: names_of(owner.task).merged_file(kind, owner.run.number, owner.number)}


def keep(made: Sequence[Made], *, by: str) -> None:
    """Write the rows of the files. Belongs into the transaction in which their owners have finished."""
    rows: dict[tuple[str, str], Output] = {}
    stored = [file for one in made for file in one.files.values()]
    if not stored:
        return
    _take_from_others(made)
    made_anew(stored, by=by)
    for one in made:
        kinds = {lfn: kind for kind, lfn in one.wanted.items()}
        for file in one.files.values():
            # The same name twice in one statement is refused; the later job's counts.
            rows[file.dataset, file.lfn] = _row(one, file, kinds.get(file.lfn, OutputKind.LOG))
    by_name = ["dataset", "lfn"] if connection.features.supports_update_conflicts_with_target else None
    Output.objects.bulk_create(
        rows.values(), update_conflicts=True, update_fields=_TOLD, unique_fields=by_name, batch_size=400
    )


def _row(made: Made, file: Stored, kind: OutputKind) -> Output:
    owner = made.owner
    link = {"chunk": owner} if isinstance(owner, Chunk) else {"group": owner}
    return Output(
        task_id=owner.task_id,
        run_id=owner.run_id,
        **link,
        kind=kind.value,
        dataset=file.dataset,
        lfn=file.lfn,
        endpoint=file.endpoint,
        url=file.url,
        size=file.size,
        checksum=file.checksum,
        events=made.view.events if kind in _COUNTED else None,
        job_file_id=file.id,
        created=timezone.now(),
    )


def _take_from_others(made: Sequence[Made]) -> None:
    """Take files out of the merges of a cancelled task that had the same names: it is the newer task's file now."""
    names: dict[tuple[int, str], list[str]] = {}
    for one in made:
        for file in one.files.values():
            names.setdefault((one.owner.task_id, file.dataset), []).append(file.lfn)
    others: list[int] = []
    # One dataset at a time, which is how the names are indexed: several at once were looked through whole.
    for (task, dataset), lfns in names.items():
        same = Output.objects.filter(dataset=dataset, lfn__in=lfns).exclude(task_id=task).order_by()
        others += same.values_list("pk", flat=True)
    if others:
        MergeInput.objects.filter(output__in=others).delete()
