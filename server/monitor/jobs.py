"""Jobs as clients are told of them: PanDA's names, with their files, attempts and moves."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest
from django.utils import timezone

from pilot.contract.states import JobState
from server.dataservice import queries as dataservice
from server.taskbuffer import queries as taskbuffer

if TYPE_CHECKING:
    from server.taskbuffer.models import Attempt, Job, JobEvent, JobFile

#: A job in one of these is not queued yet.
BEFORE_QUEUE = {state.value for state in (JobState.PENDING, JobState.DEFINED, JobState.WAITING, JobState.ASSIGNED)}

#: Jobs in one call, as PanDA has it.
MOST_JOBS = 5500

_COLUMNS = {
    "PandaID": "pk",
    "jobStatus": "state",
    "jobName": "name",
    "attemptNr": "attempt",
    "maxAttempt": "max_attempts",
    "jediTaskID": "task_id",
    "computingSite": "queue",
    "prodSourceLabel": "label",
    "prodUserName": "user",
    "transformation": "transformation",
    "currentPriority": "priority",
    "modificationHost": "node",
    "pilotID": "pilot_id",
    "creationTime": "created_at",
    "startTime": "started_at",
    "endTime": "ended_at",
    "nEvents": "events",
    "cpuConsumptionTime": "cpu_time",
    "maxRSS": "max_rss",
    "transExitCode": "exit_status",
    "exeErrorCode": "payload_error",
    "exeErrorDiag": "payload_error_words",
    "pilotErrorCode": "pilot_error",
    "pilotErrorDiag": "pilot_error_words",
    "jobDispatcherErrorCode": "dispatcher_error",
    "taskBufferErrorCode": "taskbuffer_error",
    "ddmErrorCode": "data_error",
    "supErrorCode": "supervisor_error",
    "serverErrorDiag": "server_error_words",
}


def job_ids_of(request: HttpRequest) -> list[int]:
    """Read ``job_ids``: repeated in the query string, or a list in a JSON body.

    Raises:
        ValueError: it is missing, too long, or not of whole numbers.
    """
    if request.method == "POST":
        try:
            body = json.loads(request.body)
        except (ValueError, RecursionError) as bad:
            raise ValueError(f"the body is not JSON: {bad}") from bad
        given = body.get("job_ids") if isinstance(body, dict) else None
        listed = given if isinstance(given, list) else [given]
    else:
        listed = list(request.GET.getlist("job_ids"))
    if not 1 <= len(listed) <= MOST_JOBS:
        raise ValueError(f"job_ids: {len(listed)} jobs; give 1 to {MOST_JOBS}")
    return [_number(value) for value in listed]


def is_job_number(text: str) -> bool:
    """Say whether a text can be the number of a job."""
    return text.isascii() and text.isdigit() and len(text) <= 18


def _number(value: Any) -> int:
    text = str(value)
    if isinstance(value, bool) or not is_job_number(text):
        raise ValueError(f"job_ids: {value!r} is not the number of a job")
    return int(text)


def descriptions(numbers: Iterable[int]) -> list[dict[str, Any]]:
    """Describe those of these jobs that there are, in a fixed number of queries.

    A job that is described alone says what it waits for, too.
    """
    return described(taskbuffer.jobs(set(numbers)))


def described(found: list[Job]) -> list[dict[str, Any]]:
    """Describe jobs that were read with their attempts and moves, likewise."""
    files: dict[int, list[JobFile]] = {}
    for file in taskbuffer.files_of([job.pk for job in found]):
        files.setdefault(file.job_id, []).append(file)
    tries = taskbuffer.transfers_of(found)
    told = [_description(job, files.get(job.pk, []), tries) for job in found]
    if len(found) == 1:
        told[0]["waitsFor"] = waits_for(found[0])
    return told


def _description(job: Job, files: list[JobFile], tries: Mapping[int, list[dict[str, Any]]]) -> dict[str, Any]:
    return {
        **{name: _plain(getattr(job, field)) for name, field in _COLUMNS.items()},
        "Files": [_file(file) for file in files],
        "attempts": [_attempt(attempt, tries.get(attempt.pk, [])) for attempt in job.attempts.all()],
        "moves": [_move(event) for event in job.moves.all()],
    }


def waits_for(job: Job) -> list[str]:
    """Say why a job is not queued yet, and why its queue does not run it; nothing for one that runs, or has ended."""
    obstacle = taskbuffer.why_not_now(job)
    if job.state not in BEFORE_QUEUE:
        return [obstacle] if obstacle else []
    said = [*([obstacle] if obstacle else []), *dataservice.why_waiting(job.pk, now=timezone.now())]
    return said or ["whoever submitted it has not let it go yet; no dataset is named for its inputs"]


def _file(file: JobFile) -> dict[str, Any]:
    return {
        "lfn": file.lfn,
        "type": file.role,
        "status": file.state,
        "dataset": file.dataset,
        "fsize": file.size,
        "checksum": file.checksum,
        "destinationSE": file.endpoint,
        "surl": file.url,
    }


def _attempt(attempt: Attempt, tries: list[dict[str, Any]]) -> dict[str, Any]:
    names = ("number", "state", "node", "batch_id", "sent_at", "started_at", "ended_at", "exit_status")
    errors = ("pilot_error", "pilot_error_words", "payload_error", "payload_error_words", "server_error_words")
    return {**{name: _plain(getattr(attempt, name)) for name in (*names, *errors)}, "transfers": tries}


def _move(event: JobEvent) -> dict[str, Any]:
    return {name: _plain(getattr(event, name)) for name in ("attempt", "before", "after", "at", "by", "detail")}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
