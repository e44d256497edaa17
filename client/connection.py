"""Talks to the server's ``/api/v1`` and turns whatever goes wrong into one line with a remedy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests
import requests.auth

from client.errors import ClientError, Unanswered
from client.place import Place
from pilot.contract.routes import V1_BASE
from pilot.contract.version import PRODUCT

#: Seconds to wait for a connection, and for an answer.
TIMEOUT = (5.0, 60.0)


class _Bearer(requests.auth.AuthBase):
    """Sends a token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Connection:
    """One server, one identity, one kept-alive connection."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.session = requests.Session()
        self.session.headers.update({"Accept": "application/json", "User-Agent": f"compass/{PRODUCT}"})
        if token := place.token():
            self.session.auth = _Bearer(token)  # a header alone would give way to an entry of ~/.netrc

    def get(self, method: str, **query: Any) -> Any:
        """Ask ``/api/v1/<method>``; answer the ``data`` of the envelope."""
        return self._call("GET", method, params=query)

    def post(self, method: str, body: Mapping[str, Any]) -> Any:
        """Order ``/api/v1/<method>``; answer the ``data`` of the envelope."""
        return self._call("POST", method, json=dict(body))

    def _call(self, verb: str, method: str, **what: Any) -> Any:
        address = f"{self.place.url}{V1_BASE}/{method}"
        try:
            # A redirection leads to no server of this kind, and is not to be shown the token.
            reply = self.session.request(verb, address, timeout=TIMEOUT, allow_redirects=False, **what)
        except requests.exceptions.SSLError as wrong:
            remedy = "check the certificate, or REQUESTS_CA_BUNDLE"
            raise ClientError(f"{self.place.url} is not trusted: {_last(wrong)}", remedy) from wrong
        except requests.exceptions.Timeout as wrong:
            raise Unanswered(
                f"{self.place.url} did not answer in time", "try again; look at the server's log"
            ) from wrong
        except requests.exceptions.RequestException as wrong:
            raise Unanswered(
                f"{self.place.url} cannot be reached: {_last(wrong)}", "is it up? try 'compass up'"
            ) from wrong
        return self._data(reply, method)

    def _data(self, reply: requests.Response, method: str) -> Any:
        try:
            envelope = reply.json()
            success, message = envelope["success"], envelope["message"]
        except (ValueError, KeyError, TypeError) as wrong:
            what = f"{self.place.url} answered {reply.status_code} to {method}, and not as a server of this kind"
            raise ClientError(what, "check --url; look at the server's log") from wrong
        if reply.status_code in (401, 403):
            raise ClientError(
                f"{self.place.url} refused: {message}", "give a token by --token-file or COMPASS_TOKEN_FILE"
            )
        if not success:
            raise ClientError(str(message))
        return envelope.get("data")


def _last(wrong: Exception) -> str:
    """Find the innermost reason; requests wraps it three times."""
    reason: BaseException = wrong
    while reason.__context__ is not None or reason.__cause__ is not None:
        reason = reason.__cause__ or reason.__context__ or reason
    return str(getattr(reason, "strerror", None) or reason)
