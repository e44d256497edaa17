"""Reading the files that tasks made."""

from __future__ import annotations

from typing import Any

from django.db.models import F

from server.production.models import Output, Task
from server.production.states import OutputKind, values


def outputs_of(task: Task, *, merged_only: bool = False, most: int = 200) -> list[Output]:
    """Answer a task's files: the merged ones first, logs left out."""
    merged = values((OutputKind.MERGED_MDST, OutputKind.MERGED_HISTOGRAMS, OutputKind.MERGED_DUMP))
    outputs = Output.objects.filter(task=task).exclude(kind=OutputKind.LOG).select_related("run")
    if merged_only:
        outputs = outputs.filter(kind__in=merged)
    return list(outputs.order_by(F("chunk_id").asc(nulls_first=True), "run__number", "kind", "lfn")[:most])


def output_json(output: Output) -> dict[str, Any]:
    return {
        "run": output.run.number,
        "kind": output.kind,
        "lfn": output.lfn,
        "dataset": output.dataset,
        "endpoint": output.endpoint,
        "url": output.url,
        "size": output.size,
        "checksum": output.checksum,
        "events": output.events,
        "tape": output.tape,
        "tape_request": output.tape_request,
        "tape_words": output.tape_words,
    }
