"""What the server answers, as whole JSON bodies in both dialects: jobs, a word on a report, a refusal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pilot.contract.codec import (
    INTEGER,
    OBJECT,
    TEXT,
    TRUTH,
    ContractError,
    Dialect,
    decode,
    encode,
    read,
    read_json,
    says_something,
    shown,
)
from pilot.contract.job import JobSpec
from pilot.contract.job_wire import from_panda, to_panda
from pilot.contract.messages import NO_JOBS_TEXT, StatusCode, UpdateAnswer


class Refused(Exception):
    """The server understood and said no: ``status`` is a `StatusCode`, ``words`` are the server's own."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"{words or 'the server gave no reason'} (status {status})")
        self.status = status
        self.words = words


def write_refusal(words: str, dialect: Dialect, *, status: StatusCode = StatusCode.FAILED) -> dict[str, Any]:
    """Say no in PanDA's manner: HTTP 200 and these words in the body."""
    if dialect is Dialect.LEGACY:
        return {"StatusCode": status.value, "errorDialog": words}
    return {"success": False, "message": words, "data": None}


def write_jobs(specs: Sequence[JobSpec], dialect: Dialect, *, asked: int = 1) -> dict[str, Any]:
    """Hand out jobs; none is an answer too.

    Args:
        specs: At most ``asked`` jobs.
        dialect: In the legacy one a single job lies flat beside the status.
        asked: How many jobs were asked for; more than one makes a list of them even when there is only one.
    """
    if not specs:
        return write_refusal(NO_JOBS_TEXT, dialect, status=StatusCode.NO_JOBS)
    jobs = [to_panda(spec) for spec in specs]
    if dialect is Dialect.V1:
        return _envelope({"StatusCode": StatusCode.OK.value, "jobs": jobs})
    return {"StatusCode": StatusCode.OK.value, **(jobs[0] if asked == 1 else {"jobs": jobs})}


def write_update(answer: UpdateAnswer, dialect: Dialect) -> dict[str, Any]:
    """Answer a report."""
    written = encode(answer, dialect)
    return written if dialect is Dialect.LEGACY else _envelope(written)


def _envelope(found: dict[str, Any]) -> dict[str, Any]:
    return {"success": True, "message": "", "data": found}


def read_jobs(answer: Any, dialect: Dialect) -> tuple[JobSpec, ...]:
    """Read what came for a request for work; no job is an empty tuple.

    Raises:
        Refused: the server said no.
        ContractError: this is not such an answer, or a job in it cannot be understood.
    """
    try:
        found = _accepted(answer, dialect)
    except Refused as no:
        if no.status == StatusCode.NO_JOBS:
            return ()
        raise
    jobs = found.get("jobs", [found])
    jobs = read_json(jobs) if isinstance(jobs, str) else jobs
    if not isinstance(jobs, list):
        raise ContractError(f"jobs: {shown(jobs)} is not a list", field_name="jobs")
    return tuple(from_panda(job) for job in jobs)


def read_update(answer: Any, dialect: Dialect) -> UpdateAnswer:
    """Read the server's word on a report.

    Raises:
        Refused: the server did not take the report.
        ContractError: this is not such an answer.
    """
    return decode(UpdateAnswer, _accepted(answer, dialect), dialect)


def _accepted(answer: Any, dialect: Dialect) -> Mapping[str, Any]:
    """Unwrap an answer that says yes."""
    found: Mapping[str, Any] = read(answer, OBJECT, "answer")
    if dialect is Dialect.V1:
        words = _words(found, "message")
        if not read(found.get("success"), TRUTH, "success"):
            raise Refused(StatusCode.NO_JOBS if words == NO_JOBS_TEXT else StatusCode.FAILED, words)
        found = read(found.get("data"), OBJECT, "data")
        status = read(found.get("StatusCode", 0), INTEGER, "StatusCode")
    else:
        words = _words(found, "errorDialog")
        status = read(found.get("StatusCode"), INTEGER, "StatusCode")
    if status != StatusCode.OK:
        raise Refused(status, words or _words(found, "ErrorDiag"))
    return found


def _words(found: Mapping[str, Any], name: str) -> str:
    return str(read(found[name], TEXT, name)) if says_something(found.get(name)) else ""
