"""Speaks with the server: asks for work, reports, fetches descriptions of queues and storages. In either dialect.

What comes back is an answer, or an error whose type says whether asking again may help: see `pilot.api.replies`.
Which dialect the server speaks is learnt from its first answer, when the settings do not say it: /api/v1 is tried
first, and a server that knows no such address is spoken to as PanDA's older ones are.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional
from urllib.parse import quote, urlencode, urlsplit

from pilot.api import replies
from pilot.api.event_ranges import EventCalls
from pilot.api.keys import KeyCalls
from pilot.api.report import Report, written
from pilot.contract import routes
from pilot.contract.addresses import cleaned
from pilot.contract.codec import ContractError, Dialect, encode
from pilot.contract.messages import JobUpdate, UpdateAnswer, WorkRequest
from pilot.contract.queue import QueueData, StorageEndpoint
from pilot.contract.version import CONTRACT, PRODUCT
from pilot.errors import ConfigError
from pilot.runtime import web

if TYPE_CHECKING:
    import requests

    from pilot.settings import Server

log = logging.getLogger(__name__)

__all__ = ["AUTO", "LONGEST_ANSWER", "Communicator", "Report", "base_url"]

#: An answer longer than this is garbage, in bytes. A full description of all storages of a large experiment has 5 MB.
LONGEST_ANSWER = 64 * 2**20
_PIECE = 2**16
#: The setting that leaves it to the server.
AUTO = "auto"
_WORK = {Dialect.V1: routes.ACQUIRE_JOBS, Dialect.LEGACY: routes.GET_JOB}
_REPORT = {Dialect.V1: routes.UPDATE_JOB_V1, Dialect.LEGACY: routes.UPDATE_JOB}


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


class Communicator(EventCalls, KeyCalls):
    """Thread-safe. Connections are kept and shared: each is used by one thread at a time.

    ``token`` is called before each request, so that a token that was renewed on the disk is used at once.
    """

    def __init__(self, server: Server, token: Callable[[], str] = str) -> None:
        self._server, self._token = server, token
        self._base = base_url(server.url, server.port)
        self._dialect = None if server.dialect == AUTO else Dialect(server.dialect)
        self._ip_version = server.ip_version
        self._announced = False
        self._idle: list[requests.Session] = []
        self._dated: tuple[str, float] = ("", 0.0)
        self._trace = os.urandom(16).hex()

    @property
    def name(self) -> str:
        """Which server this is; journals name it. In which dialect it is spoken to makes it no other one."""
        return self._base

    @property
    def dialect(self) -> Optional[Dialect]:
        """In which dialect this server is spoken to; ``None`` while nobody knows."""
        return self._dialect

    @property
    def announced(self) -> bool:
        """Whether the server has said that it knows what we add to PanDA's messages."""
        return self._announced

    @property
    def clock_skew(self) -> Optional[float]:
        """By how many seconds the server's clock is ahead of this one; ``None`` when it has told no time yet."""
        from email.utils import parsedate_to_datetime

        said, at = self._dated
        try:
            return parsedate_to_datetime(said).timestamp() - at if said else None
        except (TypeError, ValueError):
            return None

    def greet(self) -> None:
        """Say what changes nothing, a report on no job, to learn whether the server is there and knows this pilot.

        Raises:
            replies.ServerError: it is not there, or does not accept the pilot's identity.
        """

        def send(dialect: Dialect) -> replies.Raw:
            return self._post(dialect, _REPORT[dialect], "{}", {})

        dialect, said = self._speak(send)
        try:
            (replies.update_v1 if dialect is Dialect.V1 else replies.update_legacy)(said)
        except replies.Refused:
            return  # it was understood, and found to be no report
        except (replies.ServerBroke, replies.BadAnswer):
            # PanDA's older servers say so in plain text, or by an error of their own.
            if dialect is Dialect.V1 or said[0] not in (replies.OK, replies.BROKEN):
                raise

    def acquire(self, request: WorkRequest, request_id: str) -> replies.Jobs:
        """Ask for work; no job is an answer too.

        ``request_id`` names this request: asked again under it, a server of our kind gives the same answer again.
        PanDA's know nothing of it, so there a request that broke off is not repeated: it might have taken a job.

        Raises:
            replies.ServerError: there was no answer, or one that is none.
        """
        headers = {routes.REQUEST_ID: request_id}
        if request.cores is not None:
            headers[routes.CORES] = str(request.cores)

        def send(dialect: Dialect) -> replies.Raw:
            text = json.dumps(encode(request, dialect))
            again = dialect is Dialect.V1 and self._announced
            return self._post(dialect, _WORK[dialect], text, headers, again=again)

        dialect, said = self._speak(send)
        return replies.jobs_v1(said) if dialect is Dialect.V1 else replies.jobs_legacy(said)

    def compose(self, update: JobUpdate, progress: Optional[tuple[int, Optional[int]]] = None) -> Report:
        """Write a report."""
        told = None if progress is None else f"{progress[0]}/{'?' if progress[1] is None else progress[1]}"
        return Report(written(encode(update, self._dialect or Dialect.V1)), told)

    def report(self, report: Report) -> UpdateAnswer:
        """Send a report; answer the server's command.

        Raises:
            replies.ServerError: it was not taken. `replies.Refused`: it never will be.
        """

        def send(dialect: Dialect) -> replies.Raw:
            try:
                text = report.said_in(dialect)
            except (ValueError, TypeError) as wrong:
                raise replies.Refused(f"this is no report: {wrong}") from wrong
            return self._post(dialect, _REPORT[dialect], text, report.headers)

        dialect, said = self._speak(send)
        return replies.update_v1(said) if dialect is Dialect.V1 else replies.update_legacy(said)

    def _speak(self, send: Callable[[Dialect], replies.Raw]) -> tuple[Dialect, replies.Raw]:
        """Say something in the server's dialect; while that is not known, in /api/v1, and then in the other."""
        if self._dialect is not None:
            return self._dialect, send(self._dialect)
        tried = []
        for dialect in (Dialect.V1, Dialect.LEGACY):
            # A server of our kind speaks both: when it has no such address now, a web server in front is in trouble.
            if dialect is Dialect.LEGACY and self._announced:
                break
            tried.append(dialect.value)
            said = send(dialect)
            if replies.is_answer(said, dialect):
                self._dialect = dialect
                log.info("%s speaks %s", self._base, dialect.value)
            if not replies.knows_no_such_address(said):
                return dialect, said
        raise replies.BadAnswer(f"{self._base} has no address of the dialects {', '.join(tried)}")

    def new_proxy(self, role: str) -> str:
        """Ask for a new grid proxy with its key, for a role such as ``compass:/compass/Role=production``; PEM text.

        Raises:
            replies.ServerError: none is given. Its words hold nothing of what was asked with or answered.
        """

        def send(dialect: Dialect) -> replies.Raw:
            if dialect is Dialect.LEGACY:
                return self._post(dialect, routes.NEW_PROXY, json.dumps({"role": role}), {})
            return self._exchange("GET", f"{self._base}{routes.NEW_PROXY_V1}?{urlencode({'role': role})}")

        dialect, said = self._speak(send)
        return replies.secret(said, dialect)

    def new_token(self, client: str, key: str) -> str:
        """Ask for a new token in a client's name, by its key.

        Raises:
            replies.ServerError: none is given, likewise.
        """
        paths = {Dialect.V1: routes.NEW_TOKEN_V1, Dialect.LEGACY: routes.NEW_TOKEN}
        asked = urlencode({"client_name": client, "token_key": key})

        def send(dialect: Dialect) -> replies.Raw:
            try:
                return self._exchange("GET", f"{self._base}{paths[dialect]}?{asked}")
            except replies.Unreachable:
                # Its words hold the address, and with it the key.
                raise replies.Unreachable(f"{self._base}{paths[dialect]} cannot be reached") from None

        dialect, said = self._speak(send)
        return replies.secret(said, dialect)

    def new_pass(self) -> str:
        """Ask for the pass that follows the one that this is asked with; a server of our kind alone gives any.

        Raises:
            replies.ServerError: none is given, likewise.
        """
        return replies.secret(self._post(Dialect.V1, routes.NEW_PASS, "{}", {}), Dialect.V1)

    def queue_data(self, name: str, source: str = "") -> QueueData:
        """Fetch a queue's description: from the server, or from ``source``, an address or a file.

        Raises:
            replies.ServerError: there is no such queue, or its description cannot be had or read.
        """
        found = self.description(source or routes.QUEUE_DATA.format(queue=quote(name, safe="")))
        try:
            queue = QueueData.from_wire(replies.queue_named(name, found))
        except ContractError as wrong:
            raise replies.BadQueueData(f"queue {name}: {wrong}") from wrong
        if self._server.ip_version == AUTO and queue.params.get("internet_protocol_version") == "IPv4":
            self._ip_version = "4"
        return queue

    def storages(self, source: str = "") -> Mapping[str, StorageEndpoint]:
        """Fetch the description of all storages, by name, likewise."""
        found = self.description(source or routes.STORAGE_DATA)
        try:
            return {name: StorageEndpoint.from_wire(name, entry) for name, entry in found.items()}
        except (ContractError, AttributeError) as wrong:
            raise replies.BadQueueData(f"storages: {wrong}") from wrong

    def description(self, source: str) -> Mapping[str, Any]:
        """Read the JSON of a queue or of storages: at an address, or in a file; raises likewise."""
        if source.startswith(("http://", "https://", "/cache/")):
            url = self._base + source if source.startswith("/cache/") else source
            return replies.described(self._exchange("GET", url), cleaned(source))
        try:
            return replies.described((replies.OK, Path(source).read_bytes()), source)
        except (OSError, ValueError, replies.BadAnswer) as wrong:  # a name may be none that a file can have
            why = getattr(wrong, "strerror", None) or wrong
            raise replies.BadQueueData(f"{source:.200}: cannot be read: {why}") from wrong

    def _post(
        self, dialect: Dialect, path: str, text: str, headers: Mapping[str, str], *, again: bool = True
    ) -> replies.Raw:
        body = text.encode()
        if dialect is Dialect.LEGACY:
            # PanDA takes JSON for compressed there, whatever a Content-Encoding says.
            import gzip

            body = gzip.compress(body, mtime=0)
        return self._exchange("POST", self._base + path, body, headers, again=again)

    def _exchange(
        self,
        method: str,
        url: str,
        body: Optional[bytes] = None,
        headers: Optional[Mapping[str, str]] = None,
        *,
        again: bool = True,
    ) -> replies.Raw:
        """Send one request. A connection that was kept too long is closed by the other side: then once more, anew.

        What may not be sent ``again`` goes over a connection of its own, so that it is never in doubt whether an old
        one has carried it.
        """
        import requests

        session = self._session() if again else None
        try:
            return self._once(session or self._connect(), method, url, body, headers or {})
        except requests.ConnectionError as wrong:
            if session is None:
                raise _unreachable(method, url, wrong) from wrong
            self._idle.clear()
        except OSError as wrong:  # every error of requests is one; so is a certificate that is not there
            raise _unreachable(method, url, wrong) from wrong
        try:
            return self._once(self._connect(), method, url, body, headers or {})
        except OSError as wrong:
            raise _unreachable(method, url, wrong) from wrong

    def _once(
        self, session: requests.Session, method: str, url: str, body: Optional[bytes], headers: Mapping[str, str]
    ) -> replies.Raw:
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
            if answer.is_redirect:
                there = cleaned(answer.headers["location"])
                content = f"it leads on to {there}, and is not followed; server.url has to name that".encode()
            self._dated = answer.headers.get("Date", ""), time.time()
            if url.startswith(self._base + "/") and routes.CONTRACT_HEADER in answer.headers:
                self._announced = True
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
        """Only the server itself gets the token, not the holder of a file with queue data; and learns the trace."""
        if not url.startswith(self._base + "/"):
            return {}
        try:
            token = self._token()
        except ConfigError as wrong:
            raise replies.IdentityRefused(wrong.detail) from wrong
        trace = {routes.TRACE: f"00-{self._trace}-{os.urandom(8).hex()}-01"}
        if not token:
            return trace
        origin = {"Origin": self._server.origin} if self._server.origin else {}
        return {"Authorization": f"Bearer {token}", **origin, **trace}

    def _session(self) -> Optional[requests.Session]:
        """Take a connection that was kept, if there is one."""
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _connect(self) -> requests.Session:
        log.debug("%s knows the calls of this pilot by the trace %s", self._base, self._trace)
        session = web.session(self._server, self._ip_version)
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
        return session


def _unreachable(method: str, url: str, wrong: OSError) -> replies.Unreachable:
    return replies.Unreachable(cleaned(f"{method} {url}: {replies.cause(wrong)}"))
