"""Asks a token endpoint for a token (RFC 6749, 4.4 and 6): as a client of its own, or by a refresh token."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from server.credentials.proofs import MOST, NotGood, token_end

#: Seconds to connect, and between two bytes.
PATIENCE = (10.0, 20.0)

#: Seconds that a whole answer may take, which else could come byte by byte and hold up all other renewals.
LONGEST = 40.0


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
        with requests.post(
            question.address,
            data=_fields(question),
            auth=(question.client, secret) if secret else _unsigned,
            headers={"Accept": "application/json"},
            timeout=PATIENCE,
            allow_redirects=False,
            verify=question.ca_file or True,
            stream=True,
        ) as answer:
            text = _body(answer)
            status = answer.status_code
    except (requests.RequestException, HTTPError, OSError, ValueError) as wrong:
        # Not its words: they may hold the address with what was asked.
        raise EndpointFailed(f"the endpoint cannot be asked: {type(wrong).__name__}") from None
    return _read(status, text)


def _body(answer: requests.Response) -> bytes:
    """Read an answer as it comes, and a little more of it than is taken."""
    body, ends = bytearray(), time.monotonic() + LONGEST
    while len(body) <= MOST and (part := answer.raw.read1(2**14, decode_content=True)):
        body += part
        if time.monotonic() > ends:
            raise TimeoutError
    return bytes(body)


def _unsigned(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Sign by nothing; without this the library would look into the user's .netrc."""
    return request


def _read(status: int, text: bytes) -> Mapping[str, Any]:
    try:
        said = json.loads(text) if len(text) <= MOST else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise EndpointFailed(f"the endpoint answers HTTP {status}, and no JSON object of at most {MOST} bytes")
    if status != requests.codes.ok:
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
