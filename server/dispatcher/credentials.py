"""Credentials that PanDA's server hands out in ``/api/v1/creds``, and this one does not: the site provides them."""

from __future__ import annotations

from typing import Any, NoReturn

from django.http import HttpRequest

from pilot.contract.codec import TEXT
from server.accounts.identity import Identity
from server.accounts.models import Role
from server.dispatcher.v1 import GET, NothingToGive, method
from server.lib.arguments import Argument

#: Why there is none, in both dialects.
NONE_HERE = "this server hands out no {}; the site has to provide them"

_ROLE = Argument("role", TEXT, "The VOMS role of the proxy.", None)
_DN = Argument("dn", TEXT, "Whose proxy.", None)
_PUBLIC = Argument("public_key_name", TEXT, "Name of the public key.")
_PRIVATE = Argument("private_key_name", TEXT, "Name of the private key.")
_CLIENT = Argument("client_name", TEXT, "For whom.")
_KEY = Argument("token_key", TEXT, "The key that the token is asked for with.", None)


def _refuse(what: str) -> NoReturn:
    raise NothingToGive(NONE_HERE.format(what))


@method(Role.PILOT, takes=(_ROLE, _DN), verbs=(GET,))
def get_proxy(request: HttpRequest, identity: Identity, **said: Any) -> Any:
    """Refuse: this server has no proxies."""
    _refuse("proxies")


@method(Role.PILOT, takes=(_PUBLIC, _PRIVATE), verbs=(GET,))
def get_key_pair(request: HttpRequest, identity: Identity, **said: Any) -> Any:
    """Refuse: this server has no keys of object storages."""
    _refuse("key pairs")


@method(Role.PILOT, takes=(_CLIENT, _KEY), verbs=(GET,))
def get_access_token(request: HttpRequest, identity: Identity, **said: Any) -> Any:
    """Refuse: this server has no tokens of others."""
    _refuse("access tokens")


@method(Role.PILOT, takes=(_CLIENT,), verbs=(GET,))
def get_token_key(request: HttpRequest, identity: Identity, **said: Any) -> Any:
    """Refuse: this server has no keys of tokens."""
    _refuse("token keys")
