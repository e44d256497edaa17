"""What made a chunk or a merge fail: the code of its job, by the component that gave it. One name for each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from django.db.models import Exists, Model, OuterRef, Q, QuerySet

from pilot.contract import codes, server_codes
from pilot.contract.codec import shown
from pilot.contract.codes import ErrorCode
from pilot.contract.payload_codes import MEANINGS, PayloadCode
from server.taskbuffer.models import Job

#: Each component with its column, the one that tells most first: a payload's code is told by its pilot's, too.
COLUMNS = {
    "payload": "payload_error",
    "pilot": "pilot_error",
    "data": "data_error",
    "dispatcher": "dispatcher_error",
    "taskbuffer": "taskbuffer_error",
    "supervisor": "supervisor_error",
}
_OF_SERVER: dict[str, type[IntEnum]] = {
    "data": server_codes.DataServiceCode,
    "dispatcher": server_codes.DispatcherCode,
    "taskbuffer": server_codes.TaskBufferCode,
    "supervisor": server_codes.SupervisorCode,
}
_NONE = "none"

Rows = TypeVar("Rows", bound=Model)


@dataclass(frozen=True, order=True)
class Cause:
    """A component and its code; neither: no job of it failed, or the job told none."""

    source: str = ""
    code: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.code}" if self.source else _NONE


def read_cause(text: str) -> Cause:
    """Read a cause such as ``payload:1243``, or ``none``.

    Raises:
        ValueError: it is no cause; the text says what is.
    """
    if text == _NONE:
        return Cause()
    source, _, code = text.partition(":")
    if source not in COLUMNS or not (code.isascii() and code.isdigit() and len(code) < 10 and int(code)):
        known = ", ".join(COLUMNS)
        raise ValueError(
            f"{shown(text)} is no cause; write a component and its code, as payload:1243, or none ({known})"
        )
    return Cause(source, int(code))


def cause_of(numbers: dict[str, int]) -> Cause:
    """Answer the cause of a job from its columns, by name: the first component that told one."""
    for source, column in COLUMNS.items():
        if numbers.get(column):
            return Cause(source, numbers[column])
    return Cause()


def words_of(cause: Cause) -> tuple[str, str]:
    """Say what a cause means and what to do about it; both may be empty."""
    if cause.source == "payload":
        try:
            meaning = MEANINGS[PayloadCode(cause.code)]
        except ValueError:
            return "a code that the experiment's list does not have", "read the job's log"
        return meaning.words, meaning.advice
    if cause.source == "pilot":
        known = cause.code in {one.value for one in ErrorCode}
        return codes.words_of(cause.code), ErrorCode(cause.code).advice if known else "read the pilot's log"
    if cause.source:
        kind = _OF_SERVER[cause.source]
        known = cause.code in {one.value for one in kind}
        return (server_codes.words_of(kind(cause.code)) if known else "an unknown code of the server"), ""
    return "no job told a code", "read the words beside each"


def untold() -> Q:
    """Select of chunks, or of merges, those of which no job tells a cause: they have none, or it is archived."""
    return Q(job_id__isnull=True) | Q(~Exists(Job.objects.filter(pk=OuterRef("job_id"))))


def of_cause(rows: QuerySet[Rows], cause: Cause) -> QuerySet[Rows]:
    """Select of chunks, or of merges, those whose last job failed by a cause."""
    before = list(COLUMNS)[: list(COLUMNS).index(cause.source)] if cause.source else list(COLUMNS)
    silent = {COLUMNS[source]: 0 for source in before}
    told = {COLUMNS[cause.source]: cause.code} if cause.source else {}
    jobs = Job.objects.filter(**silent, **told).order_by()
    chosen = Q(job_id__in=jobs.values("pk"))
    return rows.filter(chosen if cause.source else chosen | untold())
