"""What the form's fields choose from: the rows that there are."""

from __future__ import annotations

from typing import Any

from server.dataservice.lookups import tape_endpoints
from server.pandaconfig.queries import queue_names, statuses, storages_json
from server.production.models import Task
from server.production.reference.kinds import Kind
from server.production.reference.known import Known
from server.production.reference.models import SoftwareRelease, Template
from server.production.states import TaskState, TaskType
from server.production.wizard.form import NONE_OF_TAPES

#: So many of the latest generations are offered as parents.
PARENTS = 300

Choices = dict[str, list[tuple[str, str]]]


def kinds_of(known: Known) -> list[Kind]:
    """Answer the types of task that can be defined now."""
    return [kind for kind in known.kinds.values() if kind.enabled and kind.is_defined_by_managers]


def choices_of(kind: Kind, known: Known) -> Choices:
    """Answer value and words of what each field may be."""
    is_like = statuses()
    queues = [(name, f"{name} ({is_like.get(name, 'unknown')})") for name in queue_names()]
    storages = [(name, name) for name in sorted(storages_json())]
    sites = [(site.name, f"{site.name}: {site.comment}"[:80]) for site in known.sites.values() if site.enabled]
    found: Choices = {
        "queue": queues,
        "merging_queue": queues,
        "files_endpoint": storages,
        "tape": [NONE_OF_TAPES, *((name, name) for name in sorted(tape_endpoints()))],
        "site": [(name, words.rstrip(": ")) for name, words in sites],
        "soft": _once((row.name, f"{row.home}{row.path}") for row in SoftwareRelease.objects.filter(enabled=True)),
        "template": [
            (row.name, row.file or row.name)
            for row in Template.objects.filter(enabled=True).prefetch_related("kinds")
            if not (words := {one.word for one in row.kinds.all()}) or kind.word in words
        ],
    }
    if kind.chain is TaskType.MC_RECONSTRUCTION:
        rows = Task.objects.filter(type=TaskType.MC_GENERATION).exclude(state=TaskState.CANCELLED).order_by("-pk")
        found["parent"] = [
            (task.name, f"{task.name} ({task.get_state_display()}; {task.year} {task.period} {task.soft})")
            for task in rows.defer("filelist")[:PARENTS]
        ]
    return found


def _once(pairs: Any) -> list[tuple[str, str]]:
    return list(dict(pairs).items())
