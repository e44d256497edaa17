"""Speaks with the server: asks for work, reports, fetches descriptions of queues and storages. In either dialect.

What comes back is an answer, or an error whose type says whether asking again may help: see `pilot.api.replies`.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional
from urllib.parse import quote, urlsplit

from pilot.api import replies
from pilot.contract import routes
from pilot.contract.codec import ContractError, Dialect, encode
from pilot.contract.messages import JobUpdate, UpdateAnswer, WorkRequest
from pilot.contract.queue import QueueData, StorageEndpoint
from pilot.contract.version import CONTRACT, PRODUCT
from pilot.errors import ConfigError

if TYPE_CHECKING:
    import requests

    from pilot.settings import Server

log = logging.getLogger(__name__)

#: An answer longer than this is garbage, in bytes. A full description of all storages of a large experiment has 5 MB.
LONGEST_ANSWER = 64 * 2**20
_PIECE = 2**16


def base_url(url: str, port: int) -> str:
    """Complete a server's address: https unless said otherwise, ``port`` unless the address holds one.

    Raises:
        ConfigError: it is no address of a web server.
    """
    full = url if "://" in url else f"https://{url}"
    parts = urlsplit(full)
    try:
        own_port = parts.port
    except ValueError:
        own_port = 0
    if parts.scheme not in ("http", "https") or not parts.hostname or own_port == 0:
        raise ConfigError(f"server.url: {url!r} is not an address such as https://pandaserver.example:25443")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{own_port or port}{parts.path.rstrip('/')}"


@dataclass(frozen=True)
class Report:
    """One report on a job, as it is sent: the same text each time it is repeated."""

    text: str
    progress: Optional[str] = None  # "done/total", of a running job


class Communicator:
    """Thread-safe. Connections are kept and shared: each is used by one thread at a time.

    ``token`` is called before each request, so that a token that was renewed on the disk is used at once.
    """

    def __init__(self, server: Server, token: Callable[[], str] = str) -> None:
        self._server, self._token = server, token
        self._base = base_url(server.url, server.port)
        self._dialect = Dialect(server.dialect)
        self._idle: list[requests.Session] = []

    @property
    def name(self) -> str:
        """Which server this is, and in which dialect it is spoken to; journals name it."""
        return f"{self._base} {self._dialect.value}"

    def acquire(self, request: WorkRequest, request_id: str) -> replies.Jobs:
        """Ask for work; no job is an answer too.

        ``request_id`` names this request: asked again under it, the server gives the same answer again.

        Raises:
            replies.ServerError: there was no answer, or one that is none.
        """
        v1 = self._dialect is Dialect.V1
        text = json.dumps(encode(request, self._dialect))
        said = self._post(routes.ACQUIRE_JOBS if v1 else routes.GET_JOB, text, {routes.REQUEST_ID: request_id})
        return replies.jobs_v1(said) if v1 else replies.jobs_legacy(said)

    def compose(self, update: JobUpdate, progress: Optional[tuple[int, Optional[int]]] = None) -> Report:
        """Write a report."""
        told = None if progress is None else f"{progress[0]}/{'?' if progress[1] is None else progress[1]}"
        return Report(json.dumps(encode(update, self._dialect)), told)

    def report(self, report: Report) -> UpdateAnswer:
        """Send a report; answer the server's command.

        Raises:
            replies.ServerError: it was not taken. `replies.Refused`: it never will be.
        """
        v1 = self._dialect is Dialect.V1
        headers = {routes.PROGRESS: report.progress} if report.progress else {}
        said = self._post(routes.UPDATE_JOB_V1 if v1 else routes.UPDATE_JOB, report.text, headers)
        return replies.update_v1(said) if v1 else replies.update_legacy(said)

    def queue_data(self, name: str, source: str = "") -> QueueData:
        """Fetch a queue's description: from the server, or from ``source``, an address or a file.

        Raises:
            replies.ServerError: there is no such queue, or its description cannot be had or read.
        """
        found = self._describe(source or routes.QUEUE_DATA.format(queue=quote(name, safe="")))
        try:
            # Files of several queues are a dictionary by name.
            return QueueData.from_wire(found[name] if isinstance(found.get(name), Mapping) else found)
        except ContractError as wrong:
            raise replies.BadQueueData(f"queue {name}: {wrong}") from wrong

    def storages(self, source: str = "") -> Mapping[str, StorageEndpoint]:
        """Fetch the description of all storages, by name, likewise."""
        found = self._describe(source or routes.STORAGE_DATA)
        try:
            return {name: StorageEndpoint.from_wire(name, entry) for name, entry in found.items()}
        except (ContractError, AttributeError) as wrong:
            raise replies.BadQueueData(f"storages: {wrong}") from wrong

    def _describe(self, source: str) -> Mapping[str, Any]:
        if source.startswith(("http://", "https://", "/cache/")):
            url = self._base + source if source.startswith("/cache/") else source
            return replies.described(self._exchange("GET", url), source)
        try:
            return replies.described((replies.OK, Path(source).read_bytes()), source)
        except (OSError, replies.BadAnswer) as wrong:
            raise replies.BadQueueData(f"{source}: cannot be read: {wrong}") from wrong

    def _post(self, path: str, text: str, headers: Mapping[str, str]) -> replies.Raw:
        body = text.encode()
        if self._dialect is Dialect.LEGACY:
            # PanDA takes JSON for compressed there, whatever a Content-Encoding says.
            import gzip

            body = gzip.compress(body, mtime=0)
        return self._exchange("POST", self._base + path, body, headers)

    def _exchange(
        self, method: str, url: str, body: Optional[bytes] = None, headers: Optional[Mapping[str, str]] = None
    ) -> replies.Raw:
        """Send one request. A connection that was kept too long is closed by the other side: then once more, anew."""
        import requests

        kept = bool(self._idle)
        try:
            return self._once(method, url, body, headers or {})
        except requests.ConnectionError as wrong:
            if not kept:
                raise replies.Unreachable(f"{method} {url}: {replies.cause(wrong)}") from wrong
            self._idle.clear()
        except OSError as wrong:  # every error of requests is one; so is a certificate that is not there
            raise replies.Unreachable(f"{method} {url}: {replies.cause(wrong)}") from wrong
        try:
            return self._once(method, url, body, headers or {})
        except OSError as wrong:
            raise replies.Unreachable(f"{method} {url}: {replies.cause(wrong)}") from wrong

    def _once(self, method: str, url: str, body: Optional[bytes], headers: Mapping[str, str]) -> replies.Raw:
        session = self._session()
        given = time.monotonic() + self._server.read_timeout
        times = (self._server.connect_timeout, self._server.read_timeout)
        with session.request(
            method,
            url,
            data=body,
            headers={**self._identity(url), **headers},
            timeout=times,
            stream=True,
            allow_redirects=False,
        ) as answer:
            content = self._read(answer, given)
        self._idle.append(session)
        return answer.status_code, content

    @staticmethod
    def _read(answer: requests.Response, until: float) -> bytes:
        """Read an answer that may come drop by drop, or never end."""
        import requests

        pieces, size = [], 0
        try:
            # Whatever has come, at once: a read of a certain size would wait for its last byte.
            while piece := answer.raw.read1(_PIECE, decode_content=True):
                pieces.append(piece)
                size += len(piece)
                if time.monotonic() > until:
                    raise requests.ReadTimeout("the answer did not end in time")
                if size > LONGEST_ANSWER:
                    raise requests.exceptions.ContentDecodingError("the answer does not end")
        except requests.exceptions.BaseHTTPError as wrong:  # type: ignore[attr-defined]  # urllib3's own, unwrapped
            raise requests.ConnectionError(wrong) from wrong
        return b"".join(pieces)

    def _identity(self, url: str) -> dict[str, str]:
        """Only the server itself gets the token, not the holder of a file with queue data."""
        try:
            token = self._token() if url.startswith(self._base + "/") else ""
        except ConfigError as wrong:
            raise replies.IdentityRefused(wrong.detail) from wrong
        if not token:
            return {}
        origin = {"Origin": self._server.origin} if self._server.origin else {}
        return {"Authorization": f"Bearer {token}", **origin}

    def _session(self) -> requests.Session:
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()

    def _connect(self) -> requests.Session:
        import requests

        session = requests.Session()
        # Neither a .netrc nor a proxy of the batch system's environment is meant for the server.
        session.trust_env = False
        session.headers.update(
            {
                "User-Agent": f"compass-pilot/{PRODUCT}",
                "Accept": "application/json",
                "Content-Type": "application/json",
                routes.CONTRACT_HEADER: str(CONTRACT),
            }
        )
        if self._server.certificate:
            session.cert = self._server.certificate
        if self._server.authorities:
            session.verify = self._server.authorities
        if self._server.web_proxy:
            session.proxies = {"http": self._server.web_proxy, "https": self._server.web_proxy}
        return session
