"""Between the web server and Django: a request gets the worker's thread only when all of it has arrived.

A pilot that loses its network in the middle of a report, or a peer that sends drop by drop, would hold the thread for
as long as it likes, and with it the whole worker.
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from server.lib import metrics

if TYPE_CHECKING:
    from granian._granian import RSGIHTTPProtocol as HTTPProtocol
    from granian.rsgi import Scope

Headers = list[tuple[str, str]]
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

#: Bodies of so many times the limit may be on their way to one worker at the same time.
BODIES = 8


class Refused(Exception):
    """A request is not handed on; ``status`` and the words are its answer."""

    def __init__(self, status: int, words: str, reason: str) -> None:
        super().__init__(words)
        self.status, self.reason = status, reason


class Gateway:
    """Calls a WSGI application in one thread, so that a worker has one connection to the database."""

    def __init__(self, application: Application, *, body_limit: int, patience: float = 30.0) -> None:
        """``body_limit`` is the largest body in bytes, ``patience`` the seconds in which it has to arrive."""
        self._application, self._limit, self._patience = application, body_limit, patience
        self._thread = ThreadPoolExecutor(1, "request")
        self._held = 0

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        body = bytearray()
        try:
            await self._read(protocol, body)
            _refuse_cut(scope, len(body))
            loop = asyncio.get_running_loop()
            answer = await loop.run_in_executor(self._thread, self._ask, environment_of(scope, bytes(body)))
        except Refused as refused:
            metrics.refused(refused.reason)
            answer = refused.status, [("content-type", "text/plain; charset=utf-8")], f"{refused}\n".encode()
        finally:
            self._held -= len(body)
        protocol.response_bytes(*answer)

    async def _read(self, protocol: HTTPProtocol, body: bytearray) -> None:
        """Read a body to its end.

        Raises:
            Refused: it is too large or too slow, or too many others are on their way.
        """
        try:
            async with asyncio.timeout(self._patience):
                async for part in protocol:
                    body += part
                    self._held += len(part)
                    if len(body) > self._limit:
                        raise Refused(
                            413, f"the body has more than {self._limit} bytes; no more are taken", "too_large"
                        )
                    if self._held > self._limit * BODIES:
                        raise Refused(
                            503, "too many large requests at the same time; try again later", "too_many_large"
                        )
        except TimeoutError as late:
            words = f"the body did not arrive within {self._patience:g} s; send it again"
            raise Refused(408, words, "too_slow") from late

    def _ask(self, environ: dict[str, Any]) -> tuple[int, Headers, bytes]:
        said: list[tuple[int, Headers]] = []

        def start_response(status: str, headers: Headers, exc_info: object = None) -> None:
            said.append((int(status.partition(" ")[0]), [(name.lower(), value) for name, value in headers]))

        parts = self._application(environ, start_response)
        try:
            content = b"".join(parts)
        finally:
            getattr(parts, "close", lambda: None)()
        return (*said[-1], content)


def _refuse_cut(scope: Scope, found: int) -> None:
    """Refuse a body whose end is missing: a form without its last fields would be taken for a whole one."""
    told = scope.headers.get("content-length") or str(found)
    if told != str(found):
        raise Refused(400, f"the body ended after {found} of {told} bytes; send it again", "cut_short")


def environment_of(scope: Scope, body: bytes) -> dict[str, Any]:
    """Write a request as WSGI has it (PEP 3333).

    Headers with an underscore in their name are left out: in WSGI they could not be told from those with a dash, which
    a web server in front of this one may have set.
    """
    server, _, port = scope.server.rpartition(":")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope.path).decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": server,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope.headers.items():
        if "_" in name:
            continue
        key = f"HTTP_{name.upper().replace('-', '_')}"
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    environ["CONTENT_TYPE"] = environ.pop("HTTP_CONTENT_TYPE", "")
    environ.pop("HTTP_CONTENT_LENGTH", None)
    environ["CONTENT_LENGTH"] = str(len(body))
    return environ
