"""The server's keys over HTTP, for administrators' scripts and ``compass admin key``: changed, and never shown."""

from __future__ import annotations

import socket
from typing import Any

from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from pilot.contract.codec import TEXT, TRUTH, ContractError
from server.accounts.rules import Identity, allow
from server.lib.arguments import Argument, described
from server.lib.calls import Fields, body, query, taken
from server.manage import keys


@described("GET")
@allow()
@require_safe
@taken((), query)
def get_keys(fields: Fields, identity: Identity) -> Any:
    """Answer which keys the machine that answers has, by what tells them apart; public ones as they are."""
    return {"machine": socket.gethostname(), "kinds": keys.shown()}


_CHANGE = (
    Argument("kind", TEXT, f"One of {', '.join(keys.KINDS)}."),
    Argument("step", TEXT, f"One of {', '.join(keys.STEPS)}, in this order."),
    Argument("only_here", TRUTH, "Whether no other machine has the keys in files of its own.", False),
)


@described("POST", takes=_CHANGE)
@csrf_exempt
@allow()
@taken(_CHANGE, body)
def change_key(fields: Fields, identity: Identity) -> Any:
    """Add a key to the files of the machine that answers, use it, or drop the old one; answer what comes next."""
    try:
        said = keys.change(fields["kind"], fields["step"], only_here=fields["only_here"])
    except keys.KeysRefused as refused:
        raise ContractError(str(refused)) from refused
    return {"machine": socket.gethostname(), "said": said}
