"""Asks addresses over HTTPS and is held up by none: what they answer is bounded in bytes, and in time to the last one.

The libraries' time limits begin anew with each byte. Here a timer hangs up, wherever the other side lingers: in the
handshake, in the lines before the answer, or in the answer.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import HTTPError

#: Bytes that are read at once.
_PIECE = 2**14


class NoAnswer(Exception):
    """Nothing was answered, in time and to its end; the words hold nothing of question and answer."""


@dataclass(frozen=True)
class Answer:
    """``body`` is one byte longer than the most that was wanted when there is more."""

    status: int
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Bounds:
    """``most`` bytes are wanted; ``patience`` seconds are waited for one, or to connect, and ``longest`` for all."""

    most: int
    patience: float
    longest: float


def get(address: str, bounds: Bounds, *, authorities: str = "") -> Answer:
    """Ask for what is at an address. Nothing is followed elsewhere.

    Raises:
        NoAnswer: there is none.
    """
    return _ask("GET", address, bounds, authorities, {})


def post(
    address: str,
    bounds: Bounds,
    *,
    fields: Mapping[str, str],
    client: tuple[str, str] | None = None,
    authorities: str = "",
) -> Answer:
    """Send a form, signed by a client's name and secret if it has any; JSON is wanted. Nothing is followed elsewhere.

    Raises:
        NoAnswer: there is none.
    """
    more = {"data": dict(fields), "headers": {"Accept": "application/json"}, "auth": client}
    return _ask("POST", address, bounds, authorities, more)


def _ask(method: str, address: str, bounds: Bounds, authorities: str, more: Mapping[str, Any]) -> Answer:
    ends = time.monotonic() + bounds.longest
    said: dict[str, Any] = {**more, "auth": more.get("auth") or _unsigned}
    try:
        with _Session() as session, _Lines(ends) as lines:
            session.mount("https://", _Adapter(lines))
            with session.request(
                method,
                address,
                timeout=bounds.patience,
                verify=authorities or True,
                stream=True,
                **said,
            ) as answer:
                body = b"".join(_pieces(answer, bounds.most))
        if time.monotonic() > ends:  # what has no length seems to be whole when it was cut off
            raise TimeoutError
    except (requests.RequestException, HTTPError, OSError, ValueError) as wrong:
        kind = TimeoutError if time.monotonic() > ends else type(wrong)
        # Not its words: they may hold the address with what was asked.
        raise NoAnswer(kind.__name__) from None
    return Answer(answer.status_code, body)


def _pieces(answer: requests.Response, most: int) -> Iterator[bytes]:
    """Read an answer as it comes, and one byte more of it than is taken."""
    left = most + 1
    while left > 0 and (piece := answer.raw.read1(_PIECE, decode_content=True)):
        yield piece[:left]
        left -= len(piece)


def _unsigned(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Sign by nothing; without this the library would look into the user's .netrc."""
    return request


class _Session(requests.Session):
    """Goes nowhere else: what is believed comes from the address that was named."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Answer none; with one the library would read the whole answer, however long."""
        return


class _Lines:
    """The connections of one question, all of which a timer ends."""

    def __init__(self, ends: float) -> None:
        self._held: list[socket.socket] = []
        self._over = False
        self._lock = threading.Lock()
        self._timer = threading.Timer(max(0.0, ends - time.monotonic()), self._hang_up)
        self._timer.daemon = True

    def __enter__(self) -> _Lines:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            for line in self._held:
                line.close()
            self._held.clear()

    def hold(self, line: socket.socket) -> None:
        """Keep hold of a connection by a descriptor of its own: the other goes on into what encrypts."""
        with self._lock:
            self._held.append(line.dup())
        if self._over:
            self._hang_up()

    def _hang_up(self) -> None:
        with self._lock:
            self._over = True
            for line in self._held:
                with contextlib.suppress(OSError):  # the other side was faster
                    line.shutdown(socket.SHUT_RDWR)


class _Adapter(HTTPAdapter):
    """Has connections made that somebody else holds, too."""

    def __init__(self, lines: _Lines) -> None:
        self._lines = lines
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **named: Any) -> None:
        super().init_poolmanager(*args, **named)
        self.poolmanager.pool_classes_by_scheme = {"https": self._pool()}

    def proxy_manager_for(self, *args: Any, **named: Any) -> Any:
        made = super().proxy_manager_for(*args, **named)
        made.pool_classes_by_scheme = {**made.pool_classes_by_scheme, "https": self._pool()}
        return made

    def _pool(self) -> type[HTTPSConnectionPool]:
        lines = self._lines

        class Connection(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                made = super()._new_conn()
                lines.hold(made)
                return made

        class Pool(HTTPSConnectionPool):
            ConnectionCls = Connection

        return Pool
