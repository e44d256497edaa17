"""Web tokens (JWT) of WLCG and OpenID Connect: verified once, and then believed by their digest until they end.

The table of issuers, and never the token, says who is asked for keys and which algorithms are taken.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from server.accounts.issuer_keys import IssuerKeys, KeysUnknown, fetch_keys
from server.accounts.issuers import Issuer

#: Every such token begins so: `{"` in base64.
MARK = "eyJ"

#: Characters of a token, and of a name in it, at most.
LONGEST, LONGEST_NAME = 2**14, 250
#: Seconds by which the clocks of an issuer and of this machine may differ.
LEEWAY = 30.0
#: Seconds after which a signature is verified again, lest a key that was withdrawn counts for long.
BELIEVED = 3600.0


class BadToken(Exception):
    """A token is not believed; the text says why, the reason is one of few words."""

    def __init__(self, text: str, *, reason: str = "bad_token") -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True)
class Claims:
    """What a verified token says of its bearer; ``ends`` in seconds since 1970."""

    issuer: Issuer
    subject: str
    groups: frozenset[str]
    scopes: frozenset[str]
    ends: float
    name: str = ""  # the claim that names persons, where the issuer's entry has one


class WebTokens:
    """The verified tokens that a worker process remembers."""

    def __init__(
        self,
        fetch: Callable[[Issuer], Any] = fetch_keys,
        *,
        clock: Callable[[], float] = time.time,
        most: int = 10_000,
    ) -> None:
        self._fetch, self._clock, self._most = fetch, clock, most
        self._known: dict[str, tuple[float, Claims]] = {}
        self._keys: dict[Issuer, IssuerKeys] = {}

    def verify(self, token: str, digest: str, issuers: Mapping[str, Issuer]) -> Claims:
        """Answer what a token says.

        Args:
            token: As it came.
            digest: Its own, by which it is remembered.
            issuers: Who is believed, by address.

        Raises:
            BadToken: it is forged, meant for others, over or not yet good, or nobody can verify it.
        """
        now = self._clock()
        found = self._known.get(digest)
        if found is None or now >= found[0]:
            claims = self._read(token, issuers)
            if len(self._known) >= self._most:
                self._known.clear()
            found = self._known[digest] = (min(now + BELIEVED, claims.ends + LEEWAY), claims)
        return found[1]

    def forget(self) -> None:
        """Know nothing, neither tokens nor keys."""
        self._known.clear()
        self._keys.clear()

    def _read(self, token: str, issuers: Mapping[str, Issuer]) -> Claims:
        if len(token) > LONGEST:
            raise BadToken(f"the token has {len(token)} characters; at most {LONGEST} are taken")
        head, body = unverified(token)
        issuer = issuers.get(body["iss"]) if isinstance(body.get("iss"), str) else None
        if issuer is None:
            text = f"tokens of {str(body.get('iss'))[:200]!r} are not taken here; taken are those of"
            raise BadToken(f"{text} {', '.join(issuers)}", reason="unknown_issuer")
        algorithm, number = head.get("alg"), head.get("kid")
        if algorithm not in issuer.algorithms or "crit" in head:
            text = f"the token is signed by {str(algorithm)[:20]!r}; {issuer.address} signs by"
            raise BadToken(f"{text} {', '.join(issuer.algorithms)}, and without critical headers")
        if not (number is None or isinstance(number, str)):
            raise BadToken("the token's kid is not a text")
        return claims_of(_verified(token, str(algorithm), self._key(issuer, number), issuer, self._clock()), issuer)

    def _key(self, issuer: Issuer, number: str | None) -> Mapping[str, Any]:
        keys = self._keys.get(issuer)
        if keys is None:
            keys = self._keys[issuer] = IssuerKeys(issuer.address, lambda: self._fetch(issuer))
        try:
            return keys.find(number)
        except KeysUnknown as unknown:
            raise BadToken(str(unknown), reason="unknown_key") from unknown


def unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read what decides by which key a token is verified; nothing of it is believed."""
    parts = token.split(".")
    try:
        head, body = (json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in parts[:2])
    except (ValueError, binascii.Error, RecursionError) as wrong:
        raise BadToken("the token begins as a web token and cannot be read as one") from wrong
    if len(parts) != 3 or not isinstance(head, dict) or not isinstance(body, dict):
        raise BadToken("the token begins as a web token and cannot be read as one; it has three parts")
    return head, body


def _verified(token: str, algorithm: str, key: Mapping[str, Any], issuer: Issuer, now: float) -> dict[str, Any]:
    import jwt

    options = {"require": ["exp", "iss", "sub", "aud"], "enforce_minimum_key_length": True, "verify_exp": False}
    options |= {"verify_nbf": False, "verify_iat": False}  # by our own clock, below
    if key.get("alg", algorithm) != algorithm:
        raise BadToken(f"the token is signed by {algorithm}; its key is for {str(key['alg'])[:20]}")
    try:
        said = jwt.decode(
            token,
            jwt.PyJWK(dict(key), algorithm),
            algorithms=[algorithm],
            audience=issuer.audiences,
            issuer=issuer.address,
            options=options,  # type: ignore[arg-type]
        )
    except jwt.InvalidAudienceError as wrong:
        text = f"the token is meant for others; get one for the audience {' or '.join(issuer.audiences)}"
        raise BadToken(text, reason="other_audience") from wrong
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as wrong:
        raise BadToken(f"the token is not what {issuer.address} has signed: {type(wrong).__name__}") from wrong
    _refuse_untimely(said, now)
    return said


def _refuse_untimely(said: Mapping[str, Any], now: float) -> None:
    ends, begins = _seconds(said, "exp"), _seconds(said, "nbf")
    if ends is None or ends + LEEWAY <= now:
        raise BadToken(f"the token ended {now - (ends or 0.0):.0f} s ago; get another", reason="expired")
    if begins is not None and begins - LEEWAY > now:
        raise BadToken(f"the token begins in {begins - now:.0f} s; is a clock wrong?", reason="not_yet")


def _seconds(said: Mapping[str, Any], name: str) -> float | None:
    value = said.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e11:
        raise BadToken(f"the token's {name} is not a time")
    return float(value)


def claims_of(said: Mapping[str, Any], issuer: Issuer) -> Claims:
    """Write down what a verified token says.

    Raises:
        BadToken: its subject, or the name that the issuer's entry asks for, is none.
    """
    subject, name = said.get("sub"), said.get(issuer.person)
    for claim, value in (("sub", subject), (issuer.person, name)):
        if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME or not value.isprintable():
            raise BadToken(f"the token's {claim} is not a text of at most {LONGEST_NAME} printable characters")
    groups = {group for claim in ("wlcg.groups", "groups", issuer.groups) for group in _texts(said.get(claim))}
    scopes = {*_texts(said.get("scope")), *_texts(said.get("scp"))}
    plain = frozenset(group.strip("/") for group in groups)
    return Claims(
        issuer, str(subject), plain, frozenset(scopes), float(said["exp"]), "" if issuer.person == "sub" else str(name)
    )


def _texts(value: Any) -> tuple[str, ...]:
    """Read a claim of several words: a list, or a text with blanks between them."""
    if isinstance(value, str):
        return tuple(value.split())
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()
