"""Jobs as PanDA's clients read them: what is known here under PanDA's columns, by name or in PanDA's order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from server.dispatcher.columns import FILE_COLUMNS, JOB_COLUMNS
from server.taskbuffer import queries
from server.taskbuffer.models import Job, JobFile

#: PanDA's column -> our own, of the job's row.
OF_ROW = {
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
    "assignedPriority": "priority",
    "currentPriority": "priority",
    "commandToPilot": "command",
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
}

#: PanDA's column -> its key in the dictionary that pilots are handed.
OF_HANDED = {
    "AtlasRelease": "swRelease",
    "homepackage": "homepackage",
    "cmtConfig": "cmtConfig",
    "processingType": "processingType",
    "coreCount": "coreCount",
    "minRamCount": "minRamCount",
    "maxDiskCount": "maxDiskCount",
    "maxWalltime": "maxWalltime",
    "maxCpuCount": "maxCpuCount",
    "jobParameters": "jobPars",
    "container_name": "container_name",
}

#: Numbers that are 0 where PanDA knows nothing; everything else is ``NULL``.
_ZEROS = frozenset(name for name in JOB_COLUMNS if name.endswith("ErrorCode")) | {
    *("cpuConsumptionTime", "nEvents", "relocationFlag", "jobExecutionID", "nOutputDataFiles", "outputFileBytes"),
}

Named = dict[str, Any]


def described(numbers: Sequence[int]) -> dict[int, Named]:
    """Describe those of these jobs that there are: columns by name, and ``Files``; times are aware."""
    found = queries.jobs(set(numbers))
    handed = queries.parameters_of(found)
    files: dict[int, list[Named]] = {}
    for file in queries.files_of([job.pk for job in found]):
        files.setdefault(file.job_id, []).append(_file(file))
    return {job.pk: {**_job(job, orjson.loads(handed[job.pk])), "Files": files.get(job.pk, [])} for job in found}


def _job(job: Job, handed: Mapping[str, Any]) -> Named:
    known = {name: getattr(job, field) for name, field in OF_ROW.items()}
    known |= {name: handed.get(key) for name, key in OF_HANDED.items()}
    return {name: _or_nothing(known.get(name), 0 if name in _ZEROS else "NULL") for name in JOB_COLUMNS}


def _file(file: JobFile) -> Named:
    known = {
        **{"rowID": file.pk, "PandaID": file.job_id, "GUID": file.guid, "lfn": file.lfn, "type": file.role},
        **{"dataset": file.dataset, "status": file.state, "fsize": file.size, "checksum": file.checksum},
        **{"scope": file.scope, "destinationSE": file.endpoint, "destinationDBlock": file.dataset},
    }
    return {name: _or_nothing(known.get(name), "NULL") for name in FILE_COLUMNS}


def _or_nothing(value: Any, nothing: Any) -> Any:
    return nothing if value in (None, "") else value


def in_order(job: Named) -> list[Any]:
    """Write a described job as a list of columns in PanDA's order, with the list of its files at the end."""
    files = [[*(file[name] for name in FILE_COLUMNS), None] for file in job["Files"]]
    return [*(_naive(job[name]) for name in JOB_COLUMNS), files]


def _naive(value: Any) -> Any:
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value


def as_json(value: Any) -> Any:
    """Write what JSON has not as PanDA's older clients read it."""
    if isinstance(value, datetime):
        return {"_datetime_object": value.strftime("%Y-%m-%d %H:%M:%S.%f")}
    raise TypeError(f"{type(value).__name__} cannot be written")
