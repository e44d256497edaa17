"""Calls of the interface for programs, in PanDA's envelope: arguments read and bound, refusals put into words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse

from pilot.contract.codec import ContractError
from server.lib.arguments import Argument, bind
from server.lib.http import envelope, refusal

Fields = Mapping[str, Any]
#: Takes what was asked for, and who asks.
Call = Callable[[Fields, Any], Any]


def taken(arguments: Sequence[Argument], read: Callable[[HttpRequest], Any]) -> Callable[[Call], Any]:
    """Read the arguments of a call, and put what it answers, or refuses, into the envelope."""

    def decorate(call: Call) -> Callable[..., HttpResponse]:
        @wraps(call)
        def answer(request: HttpRequest, identity: Any) -> HttpResponse:
            try:
                return envelope(call(bind(arguments, read(request)), identity))
            except (ContractError, LookupError) as bad:
                return refusal(request, str(bad))

        return answer

    return decorate


def query(request: HttpRequest) -> Fields:
    """Answer what stands in the address; a name that is repeated has a list."""
    return {name: values if len(values) > 1 else values[0] for name, values in request.GET.lists()}


def body(request: HttpRequest) -> Fields:
    """Answer the JSON object that was sent.

    Raises:
        ContractError: it was not sent by POST, or is none.
    """
    if request.method != "POST":
        raise ContractError(f"method {request.method} is not taken here; use POST")
    try:
        said = orjson.loads(request.body)
    except orjson.JSONDecodeError as bad:
        raise ContractError(f"the body is not JSON ({bad}); send an object") from bad
    if not isinstance(said, dict):
        raise ContractError("the body is not a JSON object")
    return said
