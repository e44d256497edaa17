"""What tasks can choose from, as forms and clients list it: also what is switched off, so that it can be told why."""

from __future__ import annotations

from typing import Any

from server.production.reference.kinds import BUILT_IN
from server.production.reference.known import read_known
from server.production.reference.models import Site, SoftwareRelease, TaskKind, Template

_SITE = ("name", "queue", "merging_queue", "home", "files_home", "files_endpoint", "tape", "hpc", "enabled", "limits")
_RELEASE = ("name", "home", "path", "phast", "enabled")


def sites_json() -> list[dict[str, Any]]:
    return [{**{name: getattr(site, name) for name in _SITE}, "comment": site.comment} for site in Site.objects.all()]


def kinds_json() -> list[dict[str, Any]]:
    """Answer all types of task, those that users submit themselves too: ``defined`` tells which managers define."""
    comments = dict(TaskKind.objects.values_list("word", "comment"))
    return [
        {
            "type": kind.word,
            "label": kind.label,
            "chain": kind.chain.value,
            "enabled": kind.enabled,
            "defined": kind.is_defined_by_managers,
            "built_in": kind.word in BUILT_IN,
            "program": kind.program,
            "limits": dict(kind.limits),
            "comment": comments.get(kind.word, ""),
        }
        for kind in read_known().kinds.values()
    ]


def templates_json() -> list[dict[str, Any]]:
    return [
        {
            "name": row.name,
            "file": row.file or row.name,
            "types": [kind.word for kind in row.kinds.all()],
            "enabled": row.enabled,
            "comment": row.comment,
        }
        for row in Template.objects.prefetch_related("kinds")
    ]


def releases_json() -> list[dict[str, Any]]:
    return [
        {
            **{name: getattr(row, name) for name in _RELEASE},
            "checked": row.checked.isoformat() if row.checked else None,
            "comment": row.comment,
        }
        for row in SoftwareRelease.objects.all()
    ]
