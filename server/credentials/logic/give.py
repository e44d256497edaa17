"""Hands credentials out: the first that fits and may be given, opened, and written down before it is answered."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime

from django.utils import timezone

from server.credentials import proofs, queries, token_keys
from server.credentials.keyring import KeysMissing, SealBroken, keyring
from server.credentials.logic.renew import place
from server.credentials.models import Credential, HandOut, Kind
from server.credentials.rules import Asker, decide
from server.lib import metrics
from server.taskbuffer.queries import job_of_pilots

log = logging.getLogger(__name__)

#: What is not shown of a name that somebody asks for, beyond so many characters.
_SHOWN = 80


class NotGiven(Exception):
    """Nothing is handed out; the words say why."""


def proxy(role: str, person: str, asker: Asker, *, now: datetime | None = None) -> str:
    """Answer a proxy with its key, in PEM: this person's own, or else one that is nobody's.

    Raises:
        NotGiven: there is none for this caller.
    """
    return _give(queries.proxies(role, person), f"a proxy for the role {role!r}", asker, now)


def key_pair(public: str, private: str, asker: Asker, *, now: datetime | None = None) -> tuple[str, str]:
    """Answer the keys of an object storage, by the names that it has for them; raises likewise."""
    names = f"{public} {private}"
    text = _give(queries.asked_as(Kind.KEY_PAIR, names), f"keys by the names {public!r} and {private!r}", asker, now)
    return proofs.pair_in(text)


def access_token(client: str, key: str, asker: Asker, *, now: datetime | None = None) -> str:
    """Answer a token in a client's name, by the key for it where it wants one; raises likewise."""
    at = now or timezone.now()
    found = queries.asked_as(Kind.TOKEN, client)
    fit = [one for one in found if not one.key_days or token_keys.is_key(key, one.name, one.key_days, at)]
    if found and not fit:
        metrics.refused("credential")
        raise NotGiven("token_key: this is no key for that token, or it has ended; ask for another one")
    return _give(fit, f"a token for the client {client!r}", asker, at)


def token_key(client: str, asker: Asker, *, now: datetime | None = None) -> str:
    """Answer the key that a client's token is asked for with; raises likewise."""
    at = now or timezone.now()
    found = [one for one in queries.asked_as(Kind.TOKEN, client) if one.key_days]
    credential = _choose(found, f"a key of the token for the client {client!r}", asker, at)[0]
    _write_down(credential, "token_key", asker, None, at)
    return token_keys.key_of(credential.name, credential.key_days, at)


def _give(found: Iterable[Credential], what: str, asker: Asker, now: datetime | None) -> str:
    at = now or timezone.now()
    credential, text, job = _choose(found, what, asker, at)
    _write_down(credential, credential.kind, asker, job, at)
    return text


def _choose(found: Iterable[Credential], what: str, asker: Asker, at: datetime) -> tuple[Credential, str, int | None]:
    """Answer the first credential that may be given, what it is, and the job because of which it is given."""
    objections = []
    for credential in found:
        decision = decide(credential, asker, job_of_pilots, at)
        words = decision.objection
        if not words and credential.sealed is None:
            words = f"{credential.name} was never obtained; the admin's page Credentials says why"
        if not words:
            try:
                return credential, _open(credential), decision.job
            except (SealBroken, KeysMissing) as broken:
                log.error("credential %s cannot be opened: %s", credential.name, broken)
                words = f"{credential.name} cannot be opened; the server's log says why"
        objections.append(words)
    metrics.refused("credential")
    none = f"this server has not {what[:_SHOWN]}; the admin's page Credentials defines them"
    raise NotGiven("; ".join(objections) or none)


def _open(credential: Credential) -> str:
    assert credential.sealed is not None  # noqa: S101 (its caller has looked)
    return keyring().open(credential.sealed, place(credential))


def _write_down(credential: Credential, kind: str, asker: Asker, job: int | None, at: datetime) -> None:
    HandOut.objects.create(
        at=at,
        what=credential.name,
        kind=kind,
        to=asker.name[:80],
        queues=",".join(sorted(asker.queues))[:250],
        job=job,
        ends_at=credential.ends_at,
    )
    metrics.handed_out(kind)
