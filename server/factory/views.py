"""The factory over HTTP, in PanDA's envelope: looked at, tried with other settings, switched, confirmed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from pilot.contract.codec import INTEGER, TEXT, TRUTH, ContractError
from server.accounts.rules import READERS, Identity, NotAllowed, Role, allow
from server.factory import logic, queries
from server.lib.arguments import Argument, bind, described
from server.lib.http import envelope, refusal

Fields = Mapping[str, Any]
Call = Callable[[Fields, Identity], Any]

_QUEUE = Argument("queue", TEXT, "Its name in schedconfig.")
#: Settings of one call.
MOST_SETTINGS = 50


def _taken(arguments: Sequence[Argument], read: Callable[[HttpRequest], Any]) -> Callable[[Call], Any]:
    """Read the arguments of a call, and put what it answers, or refuses, into the envelope."""

    def decorate(call: Call) -> Callable[..., HttpResponse]:
        @wraps(call)
        def answer(request: HttpRequest, identity: Identity) -> HttpResponse:
            try:
                return envelope(call(bind(arguments, read(request)), identity))
            except (ContractError, LookupError) as bad:
                return refusal(request, str(bad))

        return answer

    return decorate


def _query(request: HttpRequest) -> Fields:
    return {name: values if len(values) > 1 else values[0] for name, values in request.GET.lists()}


def _body(request: HttpRequest) -> Fields:
    if request.method != "POST":
        raise ContractError(f"method {request.method} is not taken here; use POST")
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError as bad:
        raise ContractError(f"the body is not JSON ({bad}); send an object") from bad
    if not isinstance(body, dict):
        raise ContractError("the body is not a JSON object")
    return body


@described("GET")
@allow(*READERS)
@require_safe
@_taken((), _query)
def get_overview(fields: Fields, identity: Identity) -> Any:
    """Answer the factory's systems and queues: pilots, last decisions with their reasons, and what had no work."""
    return queries.overview().as_json()


@described("GET", takes=(_QUEUE,))
@allow(*READERS)
@require_safe
@_taken((_QUEUE,), _query)
def explain(fields: Fields, identity: Identity) -> Any:
    """Answer why a queue gets as many pilots as it gets: each rule of the last decision, and what was known."""
    return queries.explain(fields["queue"])


_REPLAY = (
    _QUEUE,
    Argument("settings", TEXT, "Such as max_waiting=50, scale.factor=2 or rules=[...].", (), most=MOST_SETTINGS),
    Argument("cycle", INTEGER, "Whose facts are taken; the last one's when left out.", None),
)


@described("GET", takes=_REPLAY)
@allow(*READERS)
@require_safe
@_taken(_REPLAY, _query)
def replay(fields: Fields, identity: Identity) -> Any:
    """Answer what the rules would have said of a cycle's facts by other settings; nothing is changed."""
    return queries.replayed(fields["queue"], fields["settings"], fields["cycle"])


_SWITCH = (_QUEUE, Argument("on", TRUTH, "Whether the queue gets pilots."))


@described("POST", takes=_SWITCH)
@csrf_exempt
@allow(Role.PRODUCTION, Role.SITE_ADMIN)
@_taken(_SWITCH, _body)
def switch(fields: Fields, identity: Identity) -> Any:
    """Let the factory submit pilots for a queue, or not any longer; those it has are followed either way."""
    _refuse_others(identity, fields["queue"])
    row = logic.switch_queue(fields["queue"], on=fields["on"], by=identity.name)
    return {"queue": row.queue, "enabled": row.enabled}


@described("POST", takes=(_QUEUE,))
@csrf_exempt
@allow(Role.PRODUCTION, Role.SITE_ADMIN)
@_taken((_QUEUE,), _body)
def confirm(fields: Fields, identity: Identity) -> Any:
    """Confirm the change of a queue's pilots that is too large to be made unasked: once, within an hour."""
    _refuse_others(identity, fields["queue"])
    one = logic.confirm_change(fields["queue"], by=identity.name, now=timezone.now())
    return {"queue": fields["queue"], "change": one.change, "confirmed_by": one.confirmed_by}


def _refuse_others(identity: Identity, queue: str) -> None:
    if identity.role is Role.SITE_ADMIN and queue not in identity.queues:
        mine = ", ".join(sorted(identity.queues)) or "none"
        raise NotAllowed(f"you may steer the pilots of your queues alone ({mine}), not those of {queue}")
