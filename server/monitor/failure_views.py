"""The page of what failed in productions, by cause, with samples, the end of a log, and the way to send it again."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from pilot.contract.codec import ContractError
from server.lib.http import envelope
from server.lib.pages import wants_json
from server.monitor.access import readable
from server.monitor.asked import Asked, refused
from server.monitor.joblog import JobLog, job_log
from server.monitor.paging import page
from server.production.queries import failures, read_cause

#: Bytes of a log's end.
TAIL = 4000
_LOGS = ("payload.stdout", "payload.stderr", "pilotlog.txt")


@readable
@require_safe
def show_failures(request: HttpRequest) -> HttpResponse:
    """Show what failed, or waits for a person, in tasks that are not over; of one cause also samples and a log."""
    try:
        asked = Asked(request, "task", "queue", "cause", "job", "log")
        task, queue, text = asked.text("task"), asked.text("queue"), asked.text("cause")
        name, job = asked.one_of("log", _LOGS, _LOGS[0]), asked.number("job")
        try:
            cause = read_cause(text) if text else None
        except ValueError as wrong:
            raise ContractError(f"cause: {wrong}", field_name="cause") from wrong
    except ContractError as wrong:
        return refused(request, wrong)
    groups = failures.failing(task, queue)
    chosen = [group for group in groups if group.cause == cause]
    some = failures.samples(cause, task, queue) if chosen and cause is not None else []
    log = _log_of(some, job, name)
    if wants_json(request):
        told = {"samples": [one.as_json() for one in some], "log": log.as_json() if log else None}
        return envelope({"groups": [group.as_json() for group in groups], **told})
    context: dict[str, Any] = {
        **{"page": "failures", "task": task, "queue": queue, "groups": groups, "chosen": chosen[0] if chosen else None},
        **{"samples": some, "log": log, "logs": _LOGS, "cause": text, "name": name},
        **{"of_cause": asked.kept("cause", "job", "log"), "of_job": asked.kept("job", "log")},
        "of_log": asked.kept("log"),
        "failed": sum(group.failed for group in groups),
        "manual_check": sum(group.manual_check for group in groups),
    }
    return page(request, "failures", context)


def _log_of(some: list[failures.Sample], job: int | None, name: str) -> JobLog | None:
    """Answer the end of the log of one of these jobs, of the latest when none is named."""
    numbers = [one.row.job_id for one in some if one.row.job_id is not None]
    if not numbers or (job is not None and job not in numbers):
        return None
    return job_log(job or numbers[0], name=name, tail=TAIL)
