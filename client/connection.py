"""Talks to the server's ``/api/v1`` and turns whatever goes wrong into one line with a remedy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests

from client.errors import ClientError, Unanswered
from client.place import Place
from pilot.contract.routes import V1_BASE
from pilot.contract.version import PRODUCT

#: Seconds to wait for a connection, and for an answer.
TIMEOUT = (5.0, 60.0)


class Connection:
    """One server, one identity, one kept-alive connection."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.session = requests.Session()
        self.session.headers.update({"Accept": "application/json", "User-Agent": f"compass/{PRODUCT}"})
        if token := place.token():
            self.session.headers["Authorization"] = f"Bearer {token}"

    def get(self, method: str, **query: Any) -> Any:
        """Ask ``/api/v1/<method>``; answer the ``data`` of the envelope."""
        return self._call("GET", method, params=query)

    def post(self, method: str, body: Mapping[str, Any]) -> Any:
        """Order ``/api/v1/<method>``; answer the ``data`` of the envelope."""
        return self._call("POST", method, json=dict(body))

    def _call(self, verb: str, method: str, **what: Any) -> Any:
        address = f"{self.place.url}{V1_BASE}/{method}"
        try:
            reply = self.session.request(verb, address, timeout=TIMEOUT, **what)
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
