"""A definition as the columns of its task, and back."""

from __future__ import annotations

from typing import Any

from server.production.defining import Checked
from server.production.models import Task

#: Fields of a definition that are columns of the same name.
_PLAIN = (
    *("name", "production", "year", "period", "soft", "queue", "slot", "phast", "home", "path", "template"),
    *("events_per_chunk", "priority", "merging_priority", "max_attempts", "merge_dumps", "program", "merging_queue"),
    *("by_chunk", "rich", "files_home", "files_endpoint", "working_group", "comment", "tape", "kind", "limits"),
)


def columns_of(checked: Checked) -> dict[str, Any]:
    """Answer what is written of a definition that was checked."""
    definition = checked.definition
    lines = "\n".join(f"{run}, {chunks}" if chunks else str(run) for run, chunks in definition.runs)
    return {
        **{name: getattr(definition, name) for name in _PLAIN},
        "type": definition.type.value,
        "filelist": definition.files or lines,
        "has_files": bool(definition.files),
        "parent_task": checked.parent,
        "site": checked.site,
    }


def definition_of(task: Task) -> dict[str, Any]:
    """Answer the definition that gives this task; what is empty in it is left out."""
    said: dict[str, Any] = {name: getattr(task, name) for name in _PLAIN if name != "kind"}
    said["type"] = task.kind or task.type
    said["files" if task.has_files else "runs"] = task.filelist
    said["parent"] = task.parent_task.name if task.parent_task else ""
    said["site"] = task.site.name if task.site else ""
    empty: tuple[Any, ...] = ("", None, {})
    return {
        name: value for name, value in said.items() if value not in empty and (name, value) != ("events_per_chunk", 0)
    }
