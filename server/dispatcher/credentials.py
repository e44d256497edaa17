"""Credentials that pilots ask for in ``/api/v1/creds``, and the secrets that users give there for their jobs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from django.http import HttpRequest
from django.utils import timezone

from pilot.contract.codec import TEXT, ContractError
from server.accounts.identity import Identity
from server.accounts.models import Role
from server.credentials import queries
from server.credentials.keyring import KeysMissing
from server.credentials.logic import give, secrets
from server.credentials.rules import Asker
from server.dispatcher.v1 import GET, NothingToGive, method
from server.lib.arguments import Argument

log = logging.getLogger(__name__)

ROLE = Argument("role", TEXT, "The VOMS role of the proxy.", "")
DN = Argument("dn", TEXT, "Whose proxy: a user's own, for the pilots of its jobs.", "")
CLIENT = Argument("client_name", TEXT, "For whom.")
TOKEN_KEY = Argument("token_key", TEXT, "The key that the token is asked for with.", "")
PUBLIC = Argument("public_key_name", TEXT, "Name of the public key.")
PRIVATE = Argument("private_key_name", TEXT, "Name of the private key.")

#: Who may keep secrets.
_OWNERS = (Role.PRODUCTION, Role.USER)

#: Stands for a secret wherever its name is told.
HIDDEN = "(hidden)"

Given = TypeVar("Given")


def asker_of(identity: Identity) -> Asker:
    """Say who asks, as the rules of hand-outs have it."""
    return Asker(identity.name, identity.queues)


def _given(ask: Callable[[], Given]) -> Given:
    try:
        return ask()
    except give.NotGiven as none:
        raise NothingToGive(str(none)) from none


@method(Role.PILOT, takes=(ROLE, DN), verbs=(GET,))
def get_proxy(request: HttpRequest, identity: Identity, role: str, dn: str) -> Any:
    """Answer a proxy with its key, in PEM."""
    return {"user_proxy": _given(lambda: give.proxy(role, dn, asker_of(identity)))}


@method(Role.PILOT, takes=(PUBLIC, PRIVATE), verbs=(GET,))
def get_key_pair(request: HttpRequest, identity: Identity, public_key_name: str, private_key_name: str) -> Any:
    """Answer the keys of an object storage, by the names that it has for them."""
    public, private = _given(lambda: give.key_pair(public_key_name, private_key_name, asker_of(identity)))
    return {"public_key": public, "private_key": private}


@method(Role.PILOT, takes=(CLIENT, TOKEN_KEY), verbs=(GET,))
def get_access_token(request: HttpRequest, identity: Identity, client_name: str, token_key: str) -> Any:
    """Answer a token in a client's name, by the key for it where it wants one."""
    return {"user_proxy": _given(lambda: give.access_token(client_name, token_key, asker_of(identity)))}


@method(Role.PILOT, takes=(CLIENT,), verbs=(GET,))
def get_token_key(request: HttpRequest, identity: Identity, client_name: str) -> Any:
    """Answer the key that a client's token is asked for with."""
    return {"tokenKey": _given(lambda: give.token_key(client_name, asker_of(identity)))}


_KEY = Argument("key", TEXT, "The secret's name; without one all of them are removed.", "")
_VALUE = Argument("value", TEXT, "The secret; without one what has that name is removed.", "")
_KEYS = Argument("keys", TEXT, "Names of secrets; all of them when they are left out.", None, most=secrets.MOST)


@method(*_OWNERS, takes=(_KEY, _VALUE))
def set_user_secrets(request: HttpRequest, identity: Identity, key: str, value: str) -> Any:
    """Keep a secret for those of the caller's jobs that ask for secrets, or remove one, or all of them."""
    owner = _owner(identity)
    if not (key and value):
        if value:
            raise ContractError("key: missing; the secret needs a name", field_name="key")
        return {"removed": secrets.remove_secrets(owner, key)}
    try:
        secrets.set_secret(owner, key, value, now=timezone.now())
    except secrets.SecretRefused as wrong:
        raise ContractError(str(wrong), field_name="key") from wrong
    except KeysMissing as missing:
        log.error("secrets cannot be kept: %s", missing)
        raise NothingToGive("this server cannot keep secrets now; its log says why") from missing
    return None


@method(*_OWNERS, takes=(_KEYS,), verbs=(GET,))
def get_user_secrets(request: HttpRequest, identity: Identity, keys: list[str] | None) -> Any:
    """Answer which of the caller's secrets there are, by name; no secret is ever shown."""
    return {name: HIDDEN for name in queries.names_of(_owner(identity)) if keys is None or name in keys}


def _owner(identity: Identity) -> str:
    if not identity.person:
        raise NothingToGive(f"secrets belong to a person, and the token {identity.name} to nobody; use a user's token")
    return identity.person
