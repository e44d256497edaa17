"""Google Cloud Logging, by its HTTP interface; google-auth gets the tokens."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pilot.errors import ConfigError
from pilot.realtime.services.base import NotSent
from pilot.realtime.services.http import Poster
from pilot.site.login import read_private

if TYPE_CHECKING:
    from pilot.realtime.address import Address
    from pilot.realtime.records import Record
    from pilot.realtime.services.base import Access

_SCOPE = "https://www.googleapis.com/auth/logging.write"


class Google:
    """Entries with a JSON payload. ``access.file`` is the key of a service account, in which its project stands too."""

    def __init__(self, address: Address, access: Access) -> None:
        try:
            from google.oauth2 import service_account
        except ImportError as wrong:
            raise ConfigError("google-cloud-logging needs google-auth: install compass-pilot[google]") from wrong
        if not access.file:
            raise ConfigError("google-cloud-logging needs realtime.credentials_file: the JSON key of a service account")
        try:
            said = json.loads(read_private(access.file, "realtime.credentials_file"))
            if not isinstance(said, dict):
                raise TypeError
            account: Any = service_account.Credentials
            self._credentials = account.from_service_account_info(said, scopes=[_SCOPE])
            self._log = f"projects/{said['project_id']}/logs/{quote(access.name, safe='')}"
        except (ValueError, KeyError, TypeError) as wrong:  # its words may hold the key
            words = f"realtime.credentials_file: {access.file} is no JSON key of a service account"
            raise ConfigError(f"{words} ({type(wrong).__name__})") from None
        self._url = f"{address.url}/v2/entries:write"
        self._access = access._replace(login="", password="", certificate="")
        self._poster = Poster(self._access)

    def send(self, records: Sequence[Record], timeout: float) -> None:
        """Write them; each has an ``insertId``, so that one that is sent again is not kept twice."""
        entries = [_entry(record) for record in records]
        content = {"logName": self._log, "resource": {"type": "global"}, "entries": entries}
        self._poster.post(self._url, content, timeout, {"Authorization": f"Bearer {self._token(timeout)}"})

    def _token(self, timeout: float) -> str:
        from google.auth.exceptions import GoogleAuthError
        from google.auth.transport.requests import Request

        if not self._credentials.valid:
            request = Request()
            try:
                self._credentials.refresh(lambda *given, **named: request(*given, **{**named, "timeout": timeout}))
            except GoogleAuthError as wrong:
                raise NotSent(f"no token can be had: {type(wrong).__name__}") from wrong
        return str(self._credentials.token)

    def close(self) -> None:
        """Let the connection go."""
        self._poster.close()


def _entry(record: Record) -> dict[str, Any]:
    names = ("PandaJobID", "attempt", "file", "sequence")
    number = ".".join(str(record[name]) for name in names) + f".{record.get('part', 0)}"
    seconds = record["PilotTimeStamp"]
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1e6):06d}Z"
    labels = {"job": str(record["PandaJobID"]), "file": record["file"]}
    return {"jsonPayload": dict(record), "timestamp": at, "severity": "INFO", "insertId": number, "labels": labels}
