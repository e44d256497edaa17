"""An issuer's public keys: fetched beside the requests, kept while it is down, and fetched anew now and then."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import orjson

from server.accounts.issuers import Issuer
from server.lib import metrics

log = logging.getLogger(__name__)

#: Seconds after which keys are fetched again, and for which they are used when that fails.
FRESH, STALE = 3600.0, 86400.0
#: Seconds between two attempts, however many tokens name keys that nobody knows.
PAUSE = 60.0
#: Seconds that a request waits for keys, and that a fetch may take in all.
PATIENCE, LONGEST = 3.0, 20.0
#: Bytes of an answer, and keys in it.
LARGEST, MOST = 2**18, 100

Key = Mapping[str, Any]


class KeysUnknown(Exception):
    """No key can be had by which a token could be verified; the text says why."""


class CannotFetch(Exception):
    """An issuer does not say its keys; the text says what it does instead."""


def _in_a_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="issuer-keys", daemon=True).start()


class IssuerKeys:
    """What a worker process knows of one issuer's keys. Requests wait for them `PATIENCE` seconds once in `PAUSE`."""

    def __init__(
        self,
        name: str,
        fetch: Callable[[], Sequence[Key]],
        *,
        clock: Callable[[], float] = time.monotonic,
        run: Callable[[Callable[[], None]], None] = _in_a_thread,
    ) -> None:
        """``fetch`` raises `CannotFetch`; ``run`` has something done beside the request."""
        self._name, self._fetch, self._clock, self._run = name, fetch, clock, run
        self._keys: Sequence[Key] = ()
        self._fetched: float | None = None
        self._tried: float | None = None
        self._problem = "they are being asked for"
        self._busy = threading.Event()

    def find(self, number: str | None) -> Key:
        """Answer the key of this number (``kid``); the only one for a token that names none.

        Raises:
            KeysUnknown: there is none, or the issuer cannot be asked.
        """
        now = self._clock()
        key = _pick(self._usable(now, STALE), number)
        if key is not None:
            if not self._usable(now, FRESH):
                self._begin(now)
            return key
        if (done := self._begin(now)) is not None:
            done.wait(PATIENCE)
            key = _pick(self._usable(now, STALE), number)
        if key is None:
            raise KeysUnknown(self._why(number))
        return key

    def _usable(self, now: float, seconds: float) -> Sequence[Key]:
        """Answer the keys if they were fetched so many seconds ago at most."""
        return self._keys if self._fetched is not None and now - self._fetched < seconds else ()

    def _why(self, number: str | None) -> str:
        if self._problem:
            return f"the keys of {self._name} are not known: {self._problem}; try again in {PAUSE:.0f} s"
        return f"{self._name} has no key {number or 'for a token that names none'}; get another token"

    def _begin(self, now: float) -> threading.Event | None:
        """Have the keys fetched; ``None`` while that is being done, or was done a moment ago."""
        if self._busy.is_set() or (self._tried is not None and now - self._tried < PAUSE):
            return None
        self._busy.set()
        self._tried, done = now, threading.Event()
        self._run(lambda: self._refresh(done))
        return done

    def _refresh(self, done: threading.Event) -> None:
        try:
            self._keys = self._fetch()
            self._fetched, self._problem = self._clock(), ""
        except CannotFetch as wrong:
            self._problem = str(wrong)
            metrics.refused("issuer_unreachable")
            log.warning("the keys of %s could not be fetched: %s", self._name, wrong)
        finally:
            self._busy.clear()
            done.set()


def _pick(keys: Sequence[Key], number: str | None) -> Key | None:
    found = [key for key in keys if number is None or key.get("kid") == number]
    return found[0] if len(found) == 1 or (found and number is not None) else None


def describe(issuer: Issuer, ends: float) -> Mapping[str, Any]:
    """Answer an issuer's own description (OpenID Connect Discovery).

    Args:
        issuer: Which.
        ends: When it is too late, by the monotonic clock.

    Raises:
        CannotFetch: it does not answer in time, or describes another one.
    """
    described = _get(issuer.address.rstrip("/") + "/.well-known/openid-configuration", issuer, ends)
    if described.get("issuer") != issuer.address:
        raise CannotFetch(f"it calls itself {str(described.get('issuer'))[:200]!r}")
    return described


def fetch_keys(issuer: Issuer) -> Sequence[Key]:
    """Ask an issuer for its keys, by its own description (OpenID Connect Discovery).

    Raises:
        CannotFetch: it does not answer in time, or not as it should.
    """
    ends = time.monotonic() + LONGEST
    described = describe(issuer, ends)
    where = described.get("jwks_uri")
    if not isinstance(where, str) or urlsplit(where).scheme != "https":
        raise CannotFetch("its description names no address of keys that begins with https://")
    keys = _get(where, issuer, ends).get("keys")
    if not isinstance(keys, list) or len(keys) > MOST:
        raise CannotFetch(f"it gives no list of at most {MOST} keys")
    usable = [key for key in keys if isinstance(key, dict) and key.get("use", "sig") == "sig"]
    return tuple(key for key in usable if key.get("kty") in {"RSA", "EC", "OKP"})


def _get(address: str, issuer: Issuer, ends: float) -> Mapping[str, Any]:
    from server.lib.answers import Bounds, NoAnswer, get

    host = urlsplit(address).hostname
    bounds = Bounds(LARGEST, patience=5.0, longest=ends - time.monotonic())
    try:
        answer = get(address, bounds, authorities=issuer.authorities)
        if answer.status != 200:
            raise CannotFetch(f"{host} answers {answer.status}")
        if len(answer.body) > LARGEST:
            raise CannotFetch(f"{host} answers more than {LARGEST} bytes")
        found = orjson.loads(answer.body)
    except NoAnswer as wrong:
        raise CannotFetch(f"{host} does not answer: {wrong}") from wrong
    except ValueError as wrong:
        raise CannotFetch(f"{host} answers no JSON") from wrong
    if not isinstance(found, dict):
        raise CannotFetch(f"{host} answers no JSON object")
    return found
