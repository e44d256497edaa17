"""An OpenID Connect provider on the loopback, for tests: the issuer of `issuer.py`, at which people log in.

It looks at all that it is sent as RFC 6749, RFC 7636 (S256 alone) and OpenID Connect Core ask, and says so by errors.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from tests.services.issuer import Issuer


class Provider(Issuer):
    """One client, and one person who is logged in here and agrees to everything.

    ``says`` is put into the id_token, ``tells`` is what the page of userinfo answers; ``refuses`` is an error that the
    way back carries in the place of a code.
    """

    def __init__(self, folder: Path, *, client: str = "compass-desk", secret: str = "not so secret") -> None:
        self.client, self.secret = client, secret
        self.says: dict[str, Any] = {}
        self.tells: dict[str, Any] = {}
        self.refuses = ""
        self._codes: dict[str, dict[str, str]] = {}
        super().__init__(folder)

    def described(self) -> dict[str, Any]:
        named = {"authorization": "authorize", "token": "token", "userinfo": "userinfo", "end_session": "end"}
        return {**super().described(), **{f"{name}_endpoint": f"{self.address}{at}" for name, at in named.items()}}

    def page(self, method: str, path: str, body: str, headers: Any) -> tuple[int, dict[str, str], bytes] | None:
        at = urlsplit(path)
        asked = dict(parse_qsl(body if method == "POST" else at.query))
        if at.path == "/authorize":
            return self._authorize(asked)
        if at.path == "/token" and method == "POST":
            status, said = self._token(asked, headers.get("Authorization", ""))
            return status, {"Content-Type": "application/json"}, json.dumps(said).encode()
        if at.path == "/userinfo":
            is_known = headers.get("Authorization") == "Bearer opaque"
            return 200 if is_known else 401, {"Content-Type": "application/json"}, json.dumps(self.tells).encode()
        return None

    def _authorize(self, asked: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        wanted = {"response_type": "code", "client_id": self.client, "code_challenge_method": "S256"}
        wrong = [name for name, value in wanted.items() if asked.get(name) != value]
        wrong += [name for name in ("state", "nonce", "code_challenge", "redirect_uri") if not asked.get(name)]
        if wrong or "openid" not in asked.get("scope", "").split():
            return 400, {}, f"not as it should be: {wrong or 'scope'}".encode()
        back = {"state": asked["state"]}
        if self.refuses:
            back |= {"error": self.refuses}
        else:
            back["code"] = secrets.token_urlsafe()
            self._codes[back["code"]] = asked
        return 302, {"Location": f"{asked['redirect_uri']}?{urlencode(back)}"}, b""

    def _token(self, asked: dict[str, str], header: str) -> tuple[int, dict[str, Any]]:
        name, _, secret = base64.b64decode(header.partition(" ")[2]).decode().partition(":")
        if (unquote(name), unquote(secret)) != (self.client, self.secret):
            return 401, {"error": "invalid_client"}
        begun = self._codes.pop(asked.get("code", ""), None)  # good once
        digest = hashlib.sha256(asked.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        is_same = begun is not None and begun["redirect_uri"] == asked.get("redirect_uri")
        if begun is None or not is_same or begun["code_challenge"] != challenge:
            return 400, {"error": "invalid_grant"}
        token = self.token(**{"aud": self.client, "nonce": begun["nonce"], **self.says})
        return 200, {"access_token": "opaque", "token_type": "Bearer", "expires_in": 600, "id_token": token}


@contextmanager
def running(folder: Path) -> Iterator[Provider]:
    provider = Provider(folder)
    try:
        yield provider
    finally:
        provider.close()
