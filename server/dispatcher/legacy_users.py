"""Whom PanDA's legacy dialect takes a caller for, and the credentials that pilots ask for in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse

from pilot.contract.codec import TEXT
from pilot.contract.messages import StatusCode
from server.accounts.identity import Identity
from server.accounts.models import Role
from server.credentials.logic import give
from server.dispatcher.credentials import CLIENT, DN, ROLE, TOKEN_KEY, asker_of
from server.dispatcher.legacy import asked
from server.dispatcher.system import attributes
from server.lib.arguments import Argument
from server.lib.http import json_response


@asked(*Role, verbs=("GET", "POST"))
def get_attr(request: HttpRequest, identity: Identity) -> HttpResponse:
    """Answer whom the server takes the caller for, and what it has sent: a line for each."""
    lines = [f"{name} : {value}" for part in attributes(request, identity).values() for name, value in part.items()]
    return HttpResponse("\n".join(["===== Attributes =====", *lines, ""]), content_type="text/plain")


def _given(request: HttpRequest, ask: Callable[[], dict[str, str]], code: StatusCode = StatusCode.FAILED) -> Any:
    """Answer what is handed out, or why nothing is; in JSON to who sent no form, since old pilots read it so."""
    try:
        said: dict[str, Any] = {"StatusCode": StatusCode.OK.value, **ask()}
    except give.NotGiven as none:
        # PanDA's two names of the words; readers of either are found.
        said = {"StatusCode": code.value, "errorDialog": str(none), "ErrorDialog": str(none)}
    return json_response(said) if request.method == "GET" else said


@asked(Role.PILOT, takes=(ROLE, DN))
def get_proxy(request: HttpRequest, identity: Identity, role: str, dn: str) -> Any:
    """Answer a proxy with its key, in PEM."""
    asker = asker_of(identity)
    return _given(request, lambda: {"userProxy": give.proxy(role, dn, asker)}, StatusCode.PROXY_ERROR)


_PUBLIC = Argument("publicKeyName", TEXT, "Name of the public key.")
_PRIVATE = Argument("privateKeyName", TEXT, "Name of the private key.")


@asked(Role.PILOT, takes=(_PUBLIC, _PRIVATE))
def get_key_pair(request: HttpRequest, identity: Identity, **names: str) -> Any:
    """Answer the keys of an object storage, by the names that it has for them."""

    def ask() -> dict[str, str]:
        keys = give.key_pair(names["publicKeyName"], names["privateKeyName"], asker_of(identity))
        return dict(zip(("publicKey", "privateKey"), keys, strict=True))

    return _given(request, ask, StatusCode.KEY_MISSING)


@asked(Role.PILOT, takes=(CLIENT, TOKEN_KEY), verbs=("GET", "POST"))
def get_access_token(request: HttpRequest, identity: Identity, client_name: str, token_key: str) -> Any:
    """Answer a token in a client's name, by the key for it where it wants one."""
    asker = asker_of(identity)
    return _given(
        request, lambda: {"userProxy": give.access_token(client_name, token_key, asker)}, StatusCode.KEY_MISSING
    )


@asked(Role.PILOT, takes=(CLIENT,), verbs=("GET", "POST"))
def get_token_key(request: HttpRequest, identity: Identity, client_name: str) -> Any:
    """Answer the key that a client's token is asked for with."""
    asker = asker_of(identity)
    return _given(request, lambda: {"tokenKey": give.token_key(client_name, asker)}, StatusCode.KEY_MISSING)
