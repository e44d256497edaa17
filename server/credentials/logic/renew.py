"""Renews credentials: which are due, where each comes from, and what is kept of what came."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings

from server.credentials import endpoints, files, programs, proofs
from server.credentials.keyring import KeysMissing, SealBroken, keyring
from server.credentials.models import Credential, Kind, Source
from server.credentials.standing import ends_soon

log = logging.getLogger(__name__)

#: Seconds until something is tried again that has failed once, twice and so on; at most the last.
PAUSES = (0, 60, 120, 300, 900, 1800)

_REFUSALS = (
    endpoints.EndpointFailed, files.FileRefused, programs.ProgramFailed, proofs.NotGood, KeysMissing, SealBroken,
)  # fmt: skip


@dataclass(frozen=True)
class Obtained:
    """What a source gave; ``grant`` is what is asked with the next time, where that has changed."""

    text: str = field(repr=False)
    ends_at: datetime | None
    grant: str = field(default="", repr=False)


def place(credential: Credential, what: str = "text") -> str:
    """Name the place that something of a credential is sealed for."""
    return f"credential/{credential.pk}/{credential.kind}/{what}"


def place_of_grant(credential: Credential) -> str:
    """Name the place of what an endpoint is asked with: whoever changes the address learns no secret by it."""
    return place(credential, f"grant/{credential.endpoint}")


def is_due(credential: Credential, now: datetime) -> bool:
    """Say whether a credential is to be looked for now."""
    if not credential.enabled or credential.source == Source.ENTERED:
        return False
    if credential.source == Source.FILE:
        return True
    pause = PAUSES[min(credential.failures, len(PAUSES) - 1)]
    if credential.tried_at is not None and credential.tried_at + timedelta(seconds=pause) > now:
        return False
    return credential.sealed is None or ends_soon(credential, now)


def renew_due(now: datetime, keep: Callable[[], None]) -> dict[str, int]:
    """Renew what is due; ``keep`` is called before each that may take long. Answer how many were, and failed."""
    counts = {"renewed": 0, "failed": 0}
    for credential in Credential.objects.filter(enabled=True).exclude(source=Source.ENTERED):
        if is_due(credential, now):
            keep()
            if (renewed := renew(credential, now)) is not None:
                counts["renewed" if renewed else "failed"] += 1
    return counts


def renew(credential: Credential, now: datetime) -> bool | None:
    """Renew one credential; answer whether it was, or ``None`` when its source has the same as before."""
    try:
        found = _obtain(credential, now)
        refuse_ended(found.ends_at, now)
        if _is_same(credential, found.text) and not credential.failures:
            return None
        _keep(credential, found, now)
    except _REFUSALS as wrong:
        _failed(credential, str(wrong), now)
        return False
    log.info("credential %s was renewed; it ends at %s", credential.name, found.ends_at)
    return True


def refuse_ended(ends_at: datetime | None, now: datetime) -> None:
    """Refuse what has ended.

    Raises:
        NotGood: it has.
    """
    if ends_at is not None and ends_at <= now:
        raise proofs.NotGood(f"it ended at {ends_at:%Y-%m-%d %H:%M} UTC")


def _obtain(credential: Credential, now: datetime) -> Obtained:
    if credential.source == Source.ENDPOINT:
        return _ask(credential, now)
    if credential.source == Source.FILE:
        text = files.read(credential.path)
    else:
        allowed = settings.ENVIRONMENT.credential_programs.replace(",", " ").split()
        programs.refuse_others(credential.command, allowed)
        text = programs.run(credential.command)
    return Obtained(text, checked_end(credential.kind, text))


def checked_end(kind: str, text: str) -> datetime | None:
    """Answer when a credential of some kind ends; ``None`` for keys, which do not.

    Raises:
        NotGood: it is none of that kind, or does not say when it ends.
    """
    if kind == Kind.KEY_PAIR:
        proofs.pair_in(text)
        return None
    if kind == Kind.PROXY:
        return proofs.proxy_end(text)
    if (ends_at := proofs.token_end(text)) is None:
        raise proofs.NotGood("it is no JSON web token that says when it ends")
    return ends_at


def _ask(credential: Credential, now: datetime) -> Obtained:
    if credential.kind != Kind.TOKEN:
        raise proofs.NotGood("an endpoint gives tokens alone; choose another source, or another kind")
    sealed = credential.sealed_grant
    grant = {} if sealed is None else json.loads(keyring().open(sealed, place_of_grant(credential)))
    question = endpoints.Question(
        credential.endpoint, credential.client_id, credential.scope, credential.audience, credential.ca_file, grant
    )
    given = endpoints.ask(question, now=now)
    changed = json.dumps({**grant, "refresh_token": given.refresh_token}) if given.refresh_token else ""
    return Obtained(given.token, given.ends_at, changed)


def _is_same(credential: Credential, text: str) -> bool:
    if credential.sealed is None:
        return False
    try:
        return keyring().open(credential.sealed, place(credential)) == text
    except SealBroken:
        return False


def _keep(credential: Credential, found: Obtained, now: datetime) -> None:
    keys = keyring()
    sealed_grant = keys.seal(found.grant, place_of_grant(credential)) if found.grant else credential.sealed_grant
    Credential.objects.filter(pk=credential.pk).update(
        sealed=keys.seal(found.text, place(credential)),
        sealed_grant=sealed_grant,
        ends_at=found.ends_at,
        obtained_at=now,
        tried_at=now,
        failures=0,
        last_error="",
    )


def _failed(credential: Credential, words: str, now: datetime) -> None:
    log.warning("credential %s cannot be renewed: %s", credential.name, words)
    failures = credential.failures + 1
    Credential.objects.filter(pk=credential.pk).update(tried_at=now, failures=failures, last_error=words[:250])
