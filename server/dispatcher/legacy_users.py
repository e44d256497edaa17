"""Whom PanDA's legacy dialect takes a caller for, and the credentials that this server does not hand out."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse

from pilot.contract.messages import StatusCode
from server.accounts.identity import Identity
from server.accounts.models import Role
from server.dispatcher.credentials import NONE_HERE
from server.dispatcher.legacy import asked
from server.dispatcher.system import attributes


@asked(*Role, verbs=("GET", "POST"))
def get_attr(request: HttpRequest, identity: Identity) -> HttpResponse:
    """Answer whom the server takes the caller for, and what it has sent: a line for each."""
    lines = [f"{name} : {value}" for part in attributes(request, identity).values() for name, value in part.items()]
    return HttpResponse("\n".join(["===== Attributes =====", *lines, ""]), content_type="text/plain")


def _refused(code: StatusCode, what: str) -> Any:
    return {"StatusCode": code.value, "errorDialog": NONE_HERE.format(what)}


@asked(Role.PILOT)
def get_proxy(request: HttpRequest, identity: Identity) -> Any:
    """Refuse: this server has no proxies."""
    return _refused(StatusCode.PROXY_ERROR, "proxies")


@asked(Role.PILOT)
def get_key_pair(request: HttpRequest, identity: Identity) -> Any:
    """Refuse: this server has no keys of object storages."""
    return _refused(StatusCode.KEY_MISSING, "key pairs")


@asked(Role.PILOT, verbs=("GET", "POST"))
def get_access_token(request: HttpRequest, identity: Identity) -> Any:
    """Refuse: this server has no tokens of others."""
    return _refused(StatusCode.KEY_MISSING, "access tokens")


@asked(Role.PILOT, verbs=("GET", "POST"))
def get_token_key(request: HttpRequest, identity: Identity) -> Any:
    """Refuse: this server has no keys of tokens."""
    return _refused(StatusCode.KEY_MISSING, "token keys")
