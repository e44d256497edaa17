"""Answers and errors over HTTP: JSON, in the manners of the dialect that the address belongs to."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import orjson
from django.http import HttpRequest, HttpResponse
from django.views import defaults

from pilot.contract.codec import Dialect
from pilot.contract.messages import StatusCode
from pilot.contract.routes import CONTRACT_HEADER, LEGACY_BASE, V1_BASE
from pilot.contract.version import CONTRACT
from server.lib import metrics
from server.lib.transactions import is_cut_off

log = logging.getLogger(__name__)


class BodyRefused(Exception):
    """A request's body cannot be taken; ``status`` is the HTTP status that says so."""

    def __init__(self, text: str, *, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


def dialect_of(request: HttpRequest) -> Dialect | None:
    """Say which dialect an address speaks; ``None`` for pages."""
    if request.path.startswith(f"{V1_BASE}/"):
        return Dialect.V1
    return Dialect.LEGACY if request.path.startswith(f"{LEGACY_BASE}/") else None


def json_response(content: Any, status: int = 200) -> HttpResponse:
    """Answer in JSON, and name the contract that we speak."""
    return HttpResponse(
        orjson.dumps(content),
        status=status,
        content_type="application/json",
        headers={CONTRACT_HEADER: str(CONTRACT)},
    )


def envelope(data: Any, message: str = "") -> HttpResponse:
    """Answer a well done ``/api/v1`` call."""
    return json_response({"success": True, "message": message, "data": data})


def legacy_response(request: HttpRequest, answer: Mapping[str, Any], status: int = 200) -> HttpResponse:
    """Answer in PanDA's legacy dialect: JSON for a peer that reads it, else a form. Pilots of all ages parse one."""
    if asks_for_json(request):
        return json_response(answer, status)
    inner = {key: orjson.dumps(value).decode() for key, value in answer.items() if isinstance(value, list | dict)}
    return HttpResponse(
        urlencode({**answer, **inner}),
        status=status,
        content_type=_FORM,
        headers={CONTRACT_HEADER: str(CONTRACT)},
    )


_JSON, _FORM = "application/json", "application/x-www-form-urlencoded"


def asks_for_json(request: HttpRequest) -> bool:
    """Say whether the peer reads JSON: it says so, or it wrote JSON itself and does not ask for a form."""
    accepted = request.headers.get("Accept", "").lower()
    if _JSON in accepted or _FORM in accepted:
        return _JSON in accepted
    return _JSON in request.headers.get("Content-Type", "").lower()


#: Why something is refused, where nobody says it better: by the status of HTTP.
_REASONS = {404: "unknown_address", 413: "too_large", 500: "broken"}


def refusal(
    request: HttpRequest,
    text: str,
    *,
    status: int = 200,
    code: StatusCode = StatusCode.FAILED,
    reason: str | None = None,
) -> HttpResponse:
    """Say no, in the manners of the address; ``text`` names the thing, its value and the remedy.

    It is counted by its ``reason``, one of few words; "" for what is no fault of the caller's.
    """
    if reason is None:
        reason = _REASONS.get(status, "bad_call")
    if reason:
        metrics.refused(reason)
        log.info("refused (%s): %s %s: %s", reason, request.method, request.path, text)
    if dialect_of(request) is Dialect.LEGACY:
        return legacy_response(request, {"StatusCode": code.value, "errorDialog": text}, status)
    return json_response({"success": False, "message": text, "data": None}, status)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if dialect_of(request) is None:
        return defaults.page_not_found(request, exception)
    return refusal(request, f"{request.path}: there is no such method; see the list of addresses", status=404)


_CUT_OFF = (
    "the database went away while this request was worked on: nobody knows whether it was done."
    " Look in a moment, and send it again if it was not"
)


def broken(request: HttpRequest) -> HttpResponse:
    if dialect_of(request) is None:
        return defaults.server_error(request)
    if is_cut_off(sys.exception()):
        return refusal(request, _CUT_OFF, status=500)
    return refusal(request, "the server broke on this request; its log says where. Try again later", status=500)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if dialect_of(request) is None:
        return defaults.bad_request(request, exception)
    return refusal(request, f"the request cannot be read: {type(exception).__name__}", status=400)
