"""What pilots call in ``/api/v1/pilot``: they ask for work and report on it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from pilot.contract.codec import TEXT, ContractError, Dialect, encode
from pilot.contract.messages import NO_JOBS_TEXT, JobUpdate, StatusCode, UpdateAnswer, WorkRequest
from server.accounts.identity import Identity
from server.accounts.models import Role
from server.accounts.rules import READERS, NotAllowed
from server.dispatcher import headers, logic
from server.dispatcher.v1 import GET, JOB_IDS, MOST_JOBS, NothingToGive, method, slip, told
from server.lib.arguments import OBJECTS, TIMEOUT, Argument
from server.taskbuffer import queries


@told(Role.PILOT, message=WorkRequest)
def acquire_jobs(request: HttpRequest, identity: Identity, work: WorkRequest) -> Any:
    """Give a pilot jobs, in PanDA's form of a job. Without any, `success` is false and the message says so."""
    work = headers.with_cores(request, work)
    name, repeatable = headers.request_id(request)
    stock = headers.is_stock(request)
    jobs = logic.acquire(work, name, repeatable=repeatable, by=identity.name, queues=identity.queues, stock=stock)
    if not jobs:
        raise NothingToGive(NO_JOBS_TEXT)
    return {"StatusCode": StatusCode.OK.value, "jobs": jobs}


@told(Role.PILOT, message=JobUpdate)
def update_job(request: HttpRequest, identity: Identity, update: JobUpdate) -> Any:
    """Take a pilot's report on a job, and answer with the command for it."""
    progress, shown = headers.progress(request), headers.shown(request)
    answer = logic.report(update, progress=progress, shown=shown, by=identity.name, queues=identity.queues)
    return {"StatusCode": StatusCode.OK.value, **encode(headers.addressed(request, update, answer), Dialect.V1)}


_REPORTS = Argument("job_list", OBJECTS, "Reports, each with the arguments of `update_job`.")
_HARVESTER = Argument("harvester_id", TEXT, "Name of the Harvester.", None)


@method(Role.PILOT, takes=(_REPORTS, _HARVESTER))
def update_jobs_bulk(request: HttpRequest, identity: Identity, job_list: Any, harvester_id: str | None) -> Any:
    """Take reports on several jobs, as Harvester sends them; answer to each as `update_job` does, in its envelope."""
    if len(job_list) > MOST_JOBS:
        raise ContractError(f"job_list: {len(job_list)} jobs; at most {MOST_JOBS} in a call", field_name="job_list")
    answers = logic.report_all(job_list, Dialect.V1, by=identity.name, queues=identity.queues)
    return [_said(answer) for answer in answers]


def _said(answer: UpdateAnswer | NotAllowed | ContractError) -> dict[str, Any]:
    if isinstance(answer, UpdateAnswer):
        data = {"StatusCode": StatusCode.OK.value, **encode(answer, Dialect.V1)}
        return {"success": True, "message": "", "data": data}
    words = slip(answer) if isinstance(answer, ContractError) else str(answer)
    return {"success": False, "message": words, "data": None}


@method(Role.PILOT, *READERS, takes=(JOB_IDS, TIMEOUT), verbs=(GET,))
def get_job_status(request: HttpRequest, identity: Identity, job_ids: list[int], timeout: int | None) -> Any:
    """Answer state and attempt of those of these jobs that there are."""
    found = queries.states_of(job_ids)
    return [
        {"job_id": number, "status": found[number][0], "attempt_number": found[number][2]}
        for number in job_ids
        if number in found
    ]
