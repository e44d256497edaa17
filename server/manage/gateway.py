"""Between the web server and Django: a request gets the worker's thread only when all of it has arrived.

A pilot that loses its network in the middle of a report, or a peer that sends drop by drop, would hold the thread for
as long as it likes, and with it the whole worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import logging
import random
import sys
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from server.accounts.certificates import SOCKET
from server.lib import metrics
from server.manage.spooling import WrongLength, spool

if TYPE_CHECKING:
    from granian._granian import RSGIHTTPProtocol as HTTPProtocol
    from granian.rsgi import Scope

log = logging.getLogger(__name__)

Headers = list[tuple[str, str]]
#: Status, headers, and what is sent: a file for what is long.
Answer = tuple[int, Headers, bytes | IO[bytes]]
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

#: Says how many bytes the body of a request may have that is larger than others may be; 0: it may not be.
Largest = Callable[[dict[str, Any]], int]

#: Larger bodies that may be on their way to one worker at the same time.
LARGE = 4

#: Bodies of so many times the limit may be on their way to one worker at the same time.
BODIES = 8

#: Bytes of an answer that stay in memory; what is longer waits in a file for a peer who may be slow.
IN_MEMORY = 2**20

#: Seconds after which the web server has surely opened such a file, and it is closed here.
OPENED = 30.0

#: Bytes of a body that may stay in memory until Python looks for garbage by itself.
MUCH = 2**16


class Refused(Exception):
    """A request is not handed on; ``status`` and the words are its answer."""

    def __init__(self, status: int, words: str, reason: str) -> None:
        super().__init__(words)
        self.status, self.reason = status, reason


class Gateway:
    """Calls a WSGI application in one thread, so that a worker has one connection to the database."""

    def __init__(
        self, application: Application, *, body_limit: int, patience: float = 30.0, by_socket: bool = False
    ) -> None:
        """``body_limit`` is the largest body in bytes, ``patience`` the seconds in which it has to arrive.

        ``by_socket``: requests come by a Unix socket that a web server in front alone may open.
        """
        self._more = {SOCKET: "1", "SERVER_NAME": "localhost", "SERVER_PORT": "80"} if by_socket else {}
        self._application, self._limit, self._patience = application, body_limit, patience
        self._thread = ThreadPoolExecutor(1, "request")
        self._held = self._spooled = 0
        self._largest: Largest = lambda environ: 0
        self._folder = ""
        self._beside = list[tuple[Callable[[], object], float]]()
        self._tasks = list[asyncio.Task[None]]()

    def take_large(self, largest: Largest, folder: Path) -> None:
        """Take bodies above the limit where ``largest``, which is asked in the thread, says so: by files there."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._largest, self._folder = largest, str(folder)

    def do_beside(self, work: Callable[[], object], *, every: float) -> None:
        """Do some work again and again beside the requests, in another thread, about every so many seconds."""
        self._beside.append((work, every))

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin that work; the web server calls this before the first request."""
        self._tasks = [loop.create_task(_repeat(work, every)) for work, every in self._beside]

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        body = bytearray()
        try:
            if _told(scope) > self._limit:
                answer = await self._answer_large(scope, protocol)
            else:
                await self._read(protocol, body)
                _refuse_cut(scope, len(body))
                answer = await self._in_thread(self._ask, {**environment_of(scope, bytes(body)), **self._more})
        except Refused as refused:
            metrics.refused(refused.reason)
            answer = refused.status, [("content-type", "text/plain; charset=utf-8")], f"{refused}\n".encode()
        finally:
            self._held -= len(body)
        status, headers, content = answer
        if isinstance(content, bytes):
            protocol.response_bytes(status, headers, content)
        else:
            # The web server opens it once more and sends it as fast as the peer reads: its own stream would take all of
            # it into memory for a peer that is slow.
            protocol.response_file(status, headers, f"/proc/self/fd/{content.fileno()}")
            asyncio.get_running_loop().call_later(OPENED, content.close)

    async def _in_thread(self, call: Callable[[dict[str, Any]], Any], environ: dict[str, Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, environ)

    async def _answer_large(self, scope: Scope, protocol: HTTPProtocol) -> Any:
        """Answer a request with a body that does not fit into memory, if it may have one; who calls is asked before."""
        told, environ = _told(scope), {**environment_of(scope, b""), **self._more}
        most = max(await self._in_thread(self._largest, environ), self._limit)
        if told > most:
            raise Refused(413, f"the body has {told} bytes; at most {most} are taken", "too_large")
        if self._spooled >= LARGE:
            raise Refused(503, "too many large requests at the same time; try again later", "too_many_large")
        self._spooled += 1
        try:
            with tempfile.TemporaryFile(dir=self._folder) as file:
                await spool(protocol, file, told, patience=self._patience)
                return await self._in_thread(self._ask, {**environ, "wsgi.input": file, "CONTENT_LENGTH": str(told)})
        except TimeoutError as late:
            raise Refused(408, "the body comes too slowly; send it again", "too_slow") from late
        except WrongLength as wrong:
            words = f"the body ended after {wrong.found} of {told} bytes; send it again"
            raise Refused(400, words, "cut_short") from wrong
        except OSError as wrong:
            raise Refused(503, f"the body cannot be written: {wrong.strerror}; try again later", "no_room") from wrong
        finally:
            self._spooled -= 1

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

    def _ask(self, environ: dict[str, Any]) -> Answer:
        answer = self._called(environ)
        if int(environ["CONTENT_LENGTH"]) >= MUCH:
            gc.collect(1)  # a request of a page holds itself
        return answer

    def _called(self, environ: dict[str, Any]) -> Answer:
        said: list[tuple[int, Headers]] = []

        def start_response(status: str, headers: Headers, exc_info: object = None) -> None:
            said.append((int(status.partition(" ")[0]), [(name.lower(), value) for name, value in headers]))

        parts = self._application(environ, start_response)
        try:
            content = self._gathered(parts)
        finally:
            getattr(parts, "close", lambda: None)()
        status, headers = said[-1]
        if isinstance(content, bytes):
            return status, headers, content
        length = content.seek(0, io.SEEK_END)
        content.seek(0)
        return (
            status,
            [*(one for one in headers if one[0] != "content-length"), ("content-length", str(length))],
            content,
        )

    def _gathered(self, parts: Iterable[bytes]) -> bytes | IO[bytes]:
        """Put an answer together: the thread is free for others when all of it is made, not when it is sent."""
        content, rest = bytearray(), iter(parts)
        for part in rest:
            content += part
            if len(content) > IN_MEMORY:
                break
        else:
            return bytes(content)
        with contextlib.ExitStack() as opened:
            file = opened.enter_context(tempfile.TemporaryFile(dir=self._folder or None))
            file.write(content)
            file.writelines(rest)
            opened.pop_all()  # who sends it closes it
        return file


async def _repeat(work: Callable[[], object], every: float) -> None:
    while True:
        # Workers begin together; they need not ask the database together.
        await asyncio.sleep(every * random.uniform(0.8, 1.2))  # noqa: S311 (not a secret)
        (done,) = await asyncio.gather(asyncio.to_thread(work), return_exceptions=True)
        if isinstance(done, Exception):  # the next time may be better
            log.warning("%s failed: %s: %s", getattr(work, "__name__", work), type(done).__name__, done)


def _told(scope: Scope) -> int:
    """Answer the bytes that a body is said to have; 0 where nobody says so, or nothing that is a number."""
    said = scope.headers.get("content-length") or ""
    return int(said) if said.isascii() and said.isdigit() and len(said) < 19 else 0


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
