"""The compact form of jobs that ended long ago: all rows of one as one compressed document, and back."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeVar

import orjson
from django.db.models import Model

from server.taskbuffer.models import (
    ArchivedJob,
    Attempt,
    Bucket,
    Job,
    JobEvent,
    JobFile,
    JobParameters,
    JobReport,
)

Row = Mapping[str, Any]
M = TypeVar("M", bound=Model)

#: The tables whose rows are of one job, by their names in the document, and the column that says of which.
TABLES: Mapping[str, tuple[type[Model], str]] = {
    "parameters": (JobParameters, "job_id"),
    "attempts": (Attempt, "job_id"),
    "files": (JobFile, "job_id"),
    "moves": (JobEvent, "job_id"),
}


class Archived:
    """One archived job: rows as they stood in their tables, not to be saved."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self.job = _row(Job, document["job"])
        self.job.bucket = _row(Bucket, document["bucket"])
        self.job.archived = self
        # As if they had been asked for with the job.
        self.job._prefetched_objects_cache = {  # type: ignore[attr-defined]
            "attempts": self.rows("attempts", Attempt),
            "moves": self.rows("moves", JobEvent),
        }

    def rows(self, name: str, model: type[M]) -> list[M]:
        """Answer the job's rows of one table."""
        return [_row(model, row) for row in self._document[name]]

    @property
    def reports(self) -> dict[int, str]:
        """The final reports, by the attempts' keys."""
        return {row["attempt_id"]: row["report"] for row in self._document["reports"]}


def documents_of(jobs: Collection[Job]) -> list[ArchivedJob]:
    """Write the archive's rows of some jobs, in a fixed number of queries; nothing is saved."""
    numbers = [job.pk for job in jobs]
    # Apart, so that they need not be held as the jobs are.
    buckets = Bucket.objects.in_bulk({job.bucket_id for job in jobs})
    parts = {name: _by_job(model, column, numbers) for name, (model, column) in TABLES.items()}
    reports: dict[int, list[Row]] = defaultdict(list)
    for row in JobReport.objects.filter(attempt__job__in=numbers).values("attempt__job_id", *_columns(JobReport)):
        reports[row.pop("attempt__job_id")].append(row)
    return [
        _packed(
            job,
            {
                "bucket": _values(buckets[job.bucket_id]),
                **{name: rows.get(job.pk, []) for name, rows in parts.items()},
                "reports": reports[job.pk],
            },
        )
        for job in jobs
    ]


def read(job_ids: Collection[int]) -> dict[int, Archived]:
    """Answer those of these jobs that are in the archive, by number."""
    if not job_ids:
        return {}
    rows = ArchivedJob.objects.filter(pk__in=job_ids).order_by("pk").values_list("pk", "document")
    return {pk: Archived(orjson.loads(zlib.decompress(bytes(document)))) for pk, document in rows}


def _by_job(model: type[Model], column: str, numbers: Collection[int]) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = defaultdict(list)
    for row in model._default_manager.filter(**{f"{column}__in": numbers}).order_by("pk").values(*_columns(model)):
        found[row[column]].append(row)
    return found


def _packed(job: Job, rest: Mapping[str, Row | Iterable[Row]]) -> ArchivedJob:
    document = {"job": _values(job), **rest}
    same = {name: getattr(job, name) for name in _columns(ArchivedJob) if name not in ("id", "document")}
    return ArchivedJob(id=job.pk, document=zlib.compress(orjson.dumps(document)), **same)


def _values(row: Model) -> Row:
    return {name: getattr(row, name) for name in _columns(type(row))}


def _columns(model: type[Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]


def _row(model: type[M], said: Row) -> M:
    """Make a row again; what its table has gained since has its default, and what it has lost is left out."""
    fields = {field.attname: field for field in model._meta.concrete_fields}
    return model(**{name: fields[name].to_python(value) for name, value in said.items() if name in fields})
