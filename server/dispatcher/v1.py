"""PanDA's newer dialect, ``/api/v1/<module>/<method>``: JSON in its envelope, with its manners.

A method is declared once, by who may call it and what it takes: that is checked, and described in OpenAPI.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from pilot.contract.codec import INTEGER, ContractError, Dialect, WrongKind, decode
from server.accounts.identity import Identity
from server.accounts.models import Role
from server.accounts.rules import allow, everyone
from server.dispatcher.bodies import FILE, Receive, fields_of, uploaded_file
from server.dispatcher.words import WORDS
from server.lib.arguments import Argument, Description, View, arguments_of, bind, describe, described
from server.lib.http import BodyRefused, envelope, refusal

Fields = Mapping[str, Any]

GET, POST = "GET", "POST"

#: Jobs in one call, as in PanDA; beyond that the call is refused, not cut.
MOST_JOBS = 5000

JOB_ID = Argument("job_id", INTEGER, "Number of the job, its PandaID.")
JOB_IDS = Argument("job_ids", INTEGER, "Numbers of jobs, their PandaIDs.", most=MOST_JOBS)


class NothingToGive(Exception):
    """The call was understood and there is nothing to answer; PanDA calls that no success."""


class Said(str):
    """An answer that PanDA gives in the envelope's ``message``, beside its success; ``data`` is what stands there."""

    __slots__ = ()
    data: Any = None


class Registered(Said):
    """What PanDA answers of what is done with a task: a 0 in ``data`` says that it is."""

    __slots__ = ()
    data = 0


def method(*roles: Role, takes: Sequence[Argument] = (), verbs: Sequence[str] = (POST,)) -> Callable[[Any], View]:
    """Make a view of a method: its arguments are bound by name, what it answers is the ``data`` of the envelope."""

    def decorate(call: Callable[..., Any]) -> View:
        def answer(request: HttpRequest, identity: Identity, fields: Fields) -> Any:
            return call(request, identity, **bind(takes, fields))

        return _view(call, answer, roles, Description(tuple(verbs), tuple(takes), inspect.getdoc(call) or ""))

    return decorate


def told(*roles: Role, message: type[Any], also: Sequence[Argument] = ()) -> Callable[[Any], View]:
    """Make a view of a method that takes one message of the contract; ``also`` are taken beside it and mean nothing."""
    passed_over = {argument.name for argument in also}

    def decorate(call: Callable[..., Any]) -> View:
        def answer(request: HttpRequest, identity: Identity, fields: Fields) -> Any:
            if passed_over:
                fields = {name: value for name, value in fields.items() if name not in passed_over}
            return call(request, identity, decode(message, fields, Dialect.V1))

        arguments = arguments_of(message, WORDS, *also)
        return _view(call, answer, roles, Description((POST,), arguments, inspect.getdoc(call) or ""))

    return decorate


def takes_file(*roles: Role) -> Callable[[Any], View]:
    """Make a view of a method that takes one file, sent as a multipart form."""

    def decorate(call: Callable[..., Any]) -> View:
        def answer(request: HttpRequest, identity: Identity, fields: Receive) -> Any:
            return call(request, identity, fields)

        takes = (Argument("file", FILE, "The file, with its name."),)
        description = Description((POST,), takes, inspect.getdoc(call) or "", takes_file=True)
        return _view(call, answer, roles, description, read=uploaded_file)

    return decorate


def open_method(because: str, verbs: Sequence[str] = (GET,)) -> Callable[[Any], View]:
    """Make a view of a method that everybody may call, and that takes nothing."""

    def decorate(call: Callable[..., Any]) -> View:
        @csrf_exempt
        @everyone(because=because)
        @wraps(call)
        def view(request: HttpRequest) -> HttpResponse:
            return envelope(call(request))

        return described(*verbs)(view)

    return decorate


def _view(
    call: Any,
    answer: Callable[..., Any],
    roles: Sequence[Role],
    description: Description,
    read: Callable[[HttpRequest], Any] = fields_of,
) -> View:
    verbs = description.verbs

    @csrf_exempt
    @allow(*roles)
    @wraps(call)
    def view(request: HttpRequest, identity: Identity) -> HttpResponse:
        if request.method not in verbs:
            return refusal(request, f"{request.method} is not allowed here; use {' or '.join(verbs)}")
        try:
            said = answer(request, identity, read(request))
            return envelope(said.data, said) if isinstance(said, Said) else envelope(said)
        except BodyRefused as refused:
            return refusal(request, str(refused), status=refused.status)
        except ContractError as wrong:
            return refusal(request, slip(wrong))
        except NothingToGive as nothing:
            return refusal(request, str(nothing), reason="")

    return describe(view, description)


def slip(wrong: ContractError) -> str:
    """Say in PanDA's words what is wrong with a call; a value of a wrong kind is told apart from other slips."""
    return f"{'Type' if isinstance(wrong, WrongKind) else 'Argument'} error: {wrong}"
