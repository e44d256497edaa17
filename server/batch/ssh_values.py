"""Templates, jobs and windows as the values of JSON that go between a server and a login node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from server.batch.base import BatchJob, BatchState, Needs, Template


def written(template: Template, files: Mapping[str, str]) -> dict[str, Any]:
    """Write a template; ``files`` say under which names the login node has its files."""
    return {
        "key": template.key,
        "argv": list(template.argv),
        "environment": dict(template.environment),
        "grace": template.grace,
        "files": dict(files),
        "needs": asdict(template.needs),
        "options": dict(template.options),
    }


def template_of(said: Mapping[str, Any], folder: Path) -> Template:
    """Read what `written` wrote; the files are in a folder."""
    return Template(
        key=said["key"],
        argv=tuple(said["argv"]),
        environment=said["environment"],
        grace=said["grace"],
        files={name: folder / path for name, path in said["files"].items()},
        needs=Needs(**said["needs"]),
        options=said["options"],
    )


def shown(job: BatchJob) -> dict[str, Any]:
    """Write how a job is."""
    times = {name: moment and moment.isoformat() for name, moment in (("started", job.started), ("ended", job.ended))}
    return {**asdict(job), "state": job.state.value, **times}


def job_of(said: Mapping[str, Any]) -> BatchJob:
    """Read what `shown` wrote.

    Raises:
        ValueError: it is something else.
    """
    words, status = (said["words"], said["node"]), said["exit_status"]
    if not all(isinstance(one, str) for one in words) or not (status is None or isinstance(status, int)):
        raise ValueError(words, status)
    times = {name: said[name] and datetime.fromisoformat(said[name]) for name in ("started", "ended")}
    if any(moment and moment.tzinfo is None for moment in times.values()):
        raise ValueError(said["started"], said["ended"])
    return BatchJob(**{**said, "state": BatchState(said["state"]), **times})
