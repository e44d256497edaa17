"""Resets of many jobs over HTTP, in PanDA's envelope: looked at first, done, and undone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import wraps
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from pilot.contract.codec import INTEGER, TEXT, TRUTH, ContractError
from server.accounts.rules import Identity, Role, allow
from server.lib.arguments import Argument, bind, described
from server.lib.http import envelope, refusal
from server.taskbuffer.logic import reset as resets

Fields = Mapping[str, Any]

_RESET = (
    Argument("job_ids", INTEGER, "Jobs that failed, were cancelled or were closed.", (), most=resets.MOST),
    Argument("task_id", INTEGER, "All such jobs of a task, instead of single ones.", None),
    Argument("why", TEXT, "The reason, for the record and for the jobs' history.", ""),
    Argument("preview", TRUTH, "Only answer what would be done.", False),
)
_UNDO = (Argument("reset", INTEGER, "The number of the reset."),)


def _taken(arguments: Sequence[Argument]) -> Callable[[Callable[[Fields, Identity], Any]], Callable[..., HttpResponse]]:
    """Read the arguments of a call from its JSON, and put what it answers, or refuses, into the envelope."""

    def decorate(call: Callable[[Fields, Identity], Any]) -> Callable[..., HttpResponse]:
        @wraps(call)
        def answer(request: HttpRequest, identity: Identity) -> HttpResponse:
            if request.method != "POST":
                return refusal(request, f"method {request.method} is not taken here; use POST")
            try:
                body = orjson.loads(request.body)
            except orjson.JSONDecodeError as bad:
                return refusal(request, f"the body is not JSON ({bad}); send an object")
            if not isinstance(body, dict):
                return refusal(request, "the body is not a JSON object")
            try:
                return envelope(call(bind(arguments, body), identity))
            except ContractError as bad:
                return refusal(request, str(bad))

        return answer

    return decorate


@described("POST", takes=_RESET)
@csrf_exempt
@allow(Role.PRODUCTION)
@_taken(_RESET)
def reset_jobs(fields: Fields, identity: Identity) -> Any:
    """Bring back jobs that ended badly for one further attempt, all or none; with ``preview`` nothing is changed."""
    if (fields["task_id"] is None) == (not fields["job_ids"]):
        raise ContractError("job_ids: give jobs, or a task_id, and not both", field_name="job_ids")
    numbers = fields["job_ids"] or resets.numbers_of_task(fields["task_id"])
    if fields["preview"]:
        return _plain(resets.preview(numbers))
    return _plain(resets.reset(numbers, by=identity.name, why=fields["why"]))


def _plain(found: resets.Outlook | resets.Done) -> dict[str, Any]:
    return {**asdict(found), "refused": {str(number): words for number, words in found.refused.items()}}


@described("POST", takes=_UNDO)
@csrf_exempt
@allow(Role.PRODUCTION)
@_taken(_UNDO)
def undo_reset(fields: Fields, identity: Identity) -> Any:
    """Bring the jobs of a reset back to what they were, as far as no pilot has had them since."""
    return asdict(resets.undo(fields["reset"], by=identity.name))
