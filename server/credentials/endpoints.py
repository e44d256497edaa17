"""Asks a token endpoint for a token (RFC 6749, 4.4 and 6): as a client of its own, or by a refresh token."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from server.credentials.proofs import MOST, NotGood, token_end
from server.lib.answers import Answer, Bounds, NoAnswer, post

#: A whole answer takes 40 s at most; else it could come byte by byte, and hold up all other renewals.
BOUNDS = Bounds(MOST, patience=20.0, longest=40.0)


class EndpointFailed(Exception):
    """No token was given; the words say why, and hold nothing secret of question and answer."""


@dataclass(frozen=True)
class Question:
    """What is asked, and of whom. ``grant`` holds client_secret and refresh_token, as far as there are any."""

    address: str
    client: str
    scope: str = ""
    audience: str = ""
    ca_file: str = ""
    grant: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Granted:
    """A token, when it ends, and the refresh token that follows the one it was asked for with; "" for the same."""

    token: str = field(repr=False)
    ends_at: datetime
    refresh_token: str = field(default="", repr=False)


def ask(question: Question, *, now: datetime) -> Granted:
    """Ask for a token.

    Raises:
        EndpointFailed: there is none.
    """
    check_address(question.address)
    said = _said(question)
    token, refresh = said.get("access_token"), said.get("refresh_token")
    if not isinstance(token, str):
        raise EndpointFailed("the endpoint's answer holds no access_token")
    try:
        ends_at = token_end(token) or _told_end(said, now)
    except NotGood as wrong:
        raise EndpointFailed(f"the endpoint's token cannot be used: {wrong}") from None
    return Granted(token, ends_at, refresh if isinstance(refresh, str) else "")


def check_address(address: str) -> None:
    """Refuse an address to which no secret may be sent.

    Raises:
        EndpointFailed: it is not one of https, or holds a password.
    """
    try:
        parts = urlsplit(address)
        good = parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        good = False
    if not good:
        raise EndpointFailed("endpoint: it has to be https://host/path, without a name or password in it")


def _fields(question: Question) -> dict[str, str]:
    refresh = question.grant.get("refresh_token", "")
    found = {
        "grant_type": "refresh_token" if refresh else "client_credentials",
        "refresh_token": refresh,
        "scope": question.scope,
        "audience": question.audience,
        "client_id": "" if question.grant.get("client_secret") else question.client,
    }
    return {name: value for name, value in found.items() if value}


def _said(question: Question) -> Mapping[str, Any]:
    secret = question.grant.get("client_secret", "")
    try:
        answer = post(
            question.address,
            BOUNDS,
            fields=_fields(question),
            client=(question.client, secret) if secret else None,
            authorities=question.ca_file,
        )
    except NoAnswer as wrong:
        raise EndpointFailed(f"the endpoint cannot be asked: {wrong}") from None
    return _read(answer)


def _read(answer: Answer) -> Mapping[str, Any]:
    status = answer.status
    try:
        said = json.loads(answer.body) if len(answer.body) <= MOST else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise EndpointFailed(f"the endpoint answers HTTP {status}, and no JSON object of at most {MOST} bytes")
    if status != 200:
        # RFC 6749 has a short word there; what else stands in the answer may be anything.
        word = said.get("error")
        known = word if isinstance(word, str) and len(word) <= 40 and word.replace("_", "").isalpha() else "no reason"
        raise EndpointFailed(f"the endpoint answers HTTP {status}: {known}")
    return said


def _told_end(said: Mapping[str, Any], now: datetime) -> datetime:
    try:
        return now + timedelta(seconds=float(said["expires_in"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        raise EndpointFailed("neither the token nor the endpoint says when it ends") from None
