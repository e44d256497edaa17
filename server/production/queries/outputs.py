"""Reading the files that tasks made."""

from __future__ import annotations

from typing import Any

from server.production.files import RESULT_OF
from server.production.models import Output, Task
from server.production.states import OutputKind

_MERGED = [kind.value for kind in RESULT_OF.values()]


def outputs_of(task: Task, *, most: int = 200) -> list[Output]:
    """Answer a task's files: the merged ones first, then as many of its jobs'; logs left out."""
    files = Output.objects.filter(task=task).select_related("run").order_by("run__number", "kind", "lfn")
    found = list(files.filter(kind__in=_MERGED)[:most])
    if len(found) < most:
        # In the order in which they were written: nobody waits for very many to be sorted.
        found += files.exclude(kind__in=[*_MERGED, OutputKind.LOG.value]).order_by("pk")[: most - len(found)]
    return found


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
