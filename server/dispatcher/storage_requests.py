"""What managers call in ``/api/v1/data``: requests to storages are shown, released, tried again and given up."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from pilot.contract.codec import INTEGER, TEXT, ContractError
from server.accounts.identity import Identity
from server.accounts.models import Role
from server.accounts.rules import READERS
from server.dataservice import queries
from server.dataservice.logic import RequestRefused, act_on
from server.dataservice.states import Act, RequestState
from server.dispatcher.v1 import GET, method
from server.lib.arguments import Argument

_NUMBER = Argument("request_id", INTEGER, "Number of the request.")
_WHY = Argument("why", TEXT, "Why; kept in the request's history.", "")
_STATE = Argument("state", TEXT, "Requests in this state alone: open, done or failed.", "")
_LIMIT = Argument("limit", INTEGER, "Most requests, 1 to 500.", 50)


@method(*READERS, takes=(_STATE, _LIMIT), verbs=(GET,))
def list_requests(request: HttpRequest, identity: Identity, state: str, limit: int) -> Any:
    """Answer the open requests, oldest first, then the latest that have ended; of one state the newest first."""
    if state and state not in RequestState.values:
        there = ", ".join(RequestState.values)
        raise ContractError(f"state: {state!r} is none of a request; there are {there}", field_name="state")
    if not 1 <= limit <= 500:
        raise ContractError(f"limit: {limit} is not from 1 to 500", field_name="limit")
    lines = queries.requests_in([RequestState(state)], most=limit) if state else queries.latest_requests(limit)
    return [line.as_json() for line in lines]


@method(*READERS, takes=(_NUMBER,), verbs=(GET,))
def get_request(request: HttpRequest, identity: Identity, request_id: int) -> Any:
    """Answer everything about a request: in words, file by file, when it is given up, what people did about it."""
    return _shown(request_id)


@method(Role.PRODUCTION, takes=(_NUMBER, _WHY))
def release_request(request: HttpRequest, identity: Identity, request_id: int, why: str) -> Any:
    """Let the files of a prestage go: they need not be kept on disk any more."""
    return _done(request_id, Act.RELEASE, identity, why)


@method(Role.PRODUCTION, takes=(_NUMBER, _WHY))
def try_request_again(request: HttpRequest, identity: Identity, request_id: int, why: str) -> Any:
    """Give the files of a request that failed as many tries again."""
    return _done(request_id, Act.TRY_AGAIN, identity, why)


@method(Role.PRODUCTION, takes=(_NUMBER, Argument("why", TEXT, "Why; kept in the request's history.")))
def give_request_up(request: HttpRequest, identity: Identity, request_id: int, why: str) -> Any:
    """End what is still to be done for a request, whether or not its storage answers."""
    return _done(request_id, Act.GIVE_UP, identity, why)


def _done(number: int, act: Act, identity: Identity, why: str) -> dict[str, Any]:
    try:
        files = act_on(number, act, by=identity.name, why=why)
    except RequestRefused as refused:
        raise ContractError(str(refused), field_name="request_id") from refused
    return {"files": files, "request": _shown(number)}


def _shown(number: int) -> dict[str, Any]:
    found = queries.request_page(number, now=timezone.now())
    if found is None:
        words = f"request_id: there is no request {number}; data/list_requests has them all"
        raise ContractError(words, field_name="request_id")
    return found.as_json()
