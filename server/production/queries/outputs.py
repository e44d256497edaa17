"""Reading the files that tasks made."""

from __future__ import annotations

from typing import Any

from server.production.files import RESULT_OF
from server.production.models import Output, Task
from server.production.states import OutputKind

_MERGED = [kind.value for kind in RESULT_OF.values()]
_OF_JOBS = [kind for kind in OutputKind.values if kind not in (*_MERGED, OutputKind.LOG.value)]


def outputs_of(task: Task, *, most: int = 200) -> list[Output]:
    """Answer a task's files: the merged ones first, then as many of its jobs'; logs left out."""
    files = Output.objects.filter(task=task).select_related("run").order_by("run__number", "kind", "lfn")
    found = list(files.filter(kind__in=_MERGED)[:most])
    if len(found) < most:
        # Any of them, by the task's index: nobody waits for very many to be sorted, or looked for from the oldest on.
        some = files.filter(kind__in=_OF_JOBS).order_by()[: most - len(found)]
        found += sorted(some, key=lambda file: file.pk)
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
