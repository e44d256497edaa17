"""FTS3 as a mover, by its REST interface. Never run against a real FTS3 by us: only against its documented answers.

Requests have FTS3's deterministic numbers, which follow from the caller's own: one that is submitted again is refused
there as known (409), and goes on under the same number.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from server.storage.base import Copied, Copy, CopyState, Mover, StorageUnavailable

if TYPE_CHECKING:
    import requests

#: FTS3's words for how far a file is.
STATES: Mapping[str, CopyState] = {
    "SUBMITTED": CopyState.QUEUED,
    "ON_HOLD": CopyState.QUEUED,
    "STAGING": CopyState.QUEUED,
    "STARTED": CopyState.QUEUED,
    "READY": CopyState.ACTIVE,
    "ACTIVE": CopyState.ACTIVE,
    "FINISHED": CopyState.DONE,
    "FAILED": CopyState.FAILED,
    "CANCELED": CopyState.FAILED,
    "NOT_USED": CopyState.FAILED,
}


@dataclass(frozen=True)
class Fts3Options:
    """``certificate`` is a proxy, or certificate and key in one file; ``authorities`` a folder or a file; seconds."""

    certificate: str = ""
    authorities: str = ""
    patience: float = 60.0
    retries: int = 2


class Fts3Mover(Mover):
    """One FTS3 server, such as ``https://fts.example:8446``."""

    def __init__(self, address: str, options: Fts3Options | None = None) -> None:
        self._address, self._options = address.rstrip("/"), options or Fts3Options()

    def submit(self, copies: Sequence[Copy], *, request: str) -> str:
        who = self._ask("GET", "/whoami", (HTTPStatus.OK,)).json()
        taken = (HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.CONFLICT)
        answer = self._ask("POST", "/jobs", taken, self._job(copies, request))
        if answer.status_code == HTTPStatus.CONFLICT:  # it was taken before
            return number_of(request, who["base_id"], who["vos"][0])
        return str(answer.json()["job_id"])

    def status(self, request: str) -> Mapping[str, Copied]:
        answer = self._ask("GET", f"/jobs/{request}/files", (HTTPStatus.OK, HTTPStatus.NOT_FOUND))
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return {}
        return {str(file["dest_surl"]): read_file(file) for file in answer.json()}

    def cancel(self, request: str) -> None:
        self._ask("DELETE", f"/jobs/{request}", (HTTPStatus.OK, HTTPStatus.MULTI_STATUS, HTTPStatus.NOT_FOUND))

    def _job(self, copies: Sequence[Copy], request: str) -> Mapping[str, Any]:
        files: list[dict[str, Any]] = []
        for copy in copies:
            said = {"sources": [copy.source], "destinations": [copy.target]}
            known = {"checksum": _upper(copy.checksum), "filesize": copy.size}
            files.append({**said, **{name: value for name, value in known.items() if value is not None}})
        return {
            "files": files,
            "params": {
                "verify_checksum": "both",  # what was given, or else the source's, against the target's
                "overwrite": False,
                "retry": self._options.retries,
                "id_generator": "deterministic",
                "sid": request,
                "job_metadata": {"request": request},
            },
        }

    def _ask(
        self, method: str, path: str, expected: Sequence[HTTPStatus], said: Mapping[str, Any] | None = None
    ) -> requests.Response:
        import requests

        options = self._options
        try:
            answer = requests.request(
                method,
                f"{self._address}{path}",
                json=said,
                headers={"Accept": "application/json"},
                cert=options.certificate or None,
                verify=options.authorities or True,
                timeout=options.patience,
            )
        except requests.RequestException as wrong:
            raise StorageUnavailable(f"FTS3 does not answer: {wrong}") from wrong
        if answer.status_code not in expected:
            raise StorageUnavailable(f"FTS3 answers {method} {path} with {answer.status_code}: {answer.text[:300]}")
        return answer


def number_of(request: str, base: str, organisation: str) -> str:
    """Answer FTS3's number of a request, as FTS3 makes it itself."""
    return str(uuid.uuid5(uuid.uuid5(uuid.UUID(base), organisation), request))


def read_file(said: Mapping[str, Any]) -> Copied:
    """Read what FTS3 says of one file."""
    state = STATES.get(str(said.get("file_state")), CopyState.QUEUED)
    moved = int(said.get("transferred") or (said.get("filesize") if state is CopyState.DONE else 0) or 0)
    failed = state is CopyState.FAILED
    words = str(said.get("reason") or said.get("file_state")) if failed else ""
    checksum = str(said.get("checksum") or "").lower() or None
    return Copied(state, moved, words, checksum if state is CopyState.DONE else None)


def _upper(checksum: str | None) -> str | None:
    return None if checksum is None else checksum.upper()
