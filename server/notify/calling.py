"""Calls a webhook: one POST to an address that was looked at before, without redirects, proxies or long answers."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from http import HTTPStatus

from server.notify.addresses import BadAddress, Target, usable

#: Seconds for one step of a call, and for all of it: an answer that drips is cut off.
STEP, WHOLE = 10.0, 20.0


class NotTaken(Exception):
    """What was sent was not taken; the words say why, and hold nothing of what was sent.

    ``for_good``: it was said that this will not change, and nobody need try again.
    """

    def __init__(self, words: str, *, for_good: bool = False) -> None:
        super().__init__(words)
        self.for_good = for_good


def call(target: Target, body: bytes, headers: Mapping[str, str], *, context: ssl.SSLContext | None = None) -> int:
    """POST a body, and answer the status, which is 200 to 299.

    The name is looked up once, and what was found is what is called: it cannot become a private address in between.

    Raises:
        NotTaken: it cannot be reached, takes too long, or answers anything else, such as a redirect.
    """
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        address = usable(target, [str(entry[4][0]) for entry in found])[0]
        connection = _Connection(target, address, context or ssl.create_default_context())
    except (OSError, BadAddress, UnicodeError) as wrong:
        raise NotTaken(f"{target.host}: {wrong}") from wrong
    deadline = threading.Timer(WHOLE, connection.cut)
    deadline.daemon = True
    deadline.start()
    try:
        connection.request("POST", target.path, body, {"Content-Type": "application/json", **headers})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as wrong:
        raise NotTaken(f"{target.host}: {type(wrong).__name__}: {wrong}"[:200]) from wrong
    finally:
        deadline.cancel()
        connection.close()
    if connection.was_cut:
        raise NotTaken(f"{target.host} took longer than {WHOLE:g} s to answer")
    if not 200 <= status < 300:
        why = "; redirects are not followed, enter the address that it leads to" if 300 <= status < 400 else ""
        raise NotTaken(f"{target.host} answered {status}{why}", for_good=status == HTTPStatus.GONE)
    return status


class _Connection(http.client.HTTPConnection):
    """A connection to one address, that proves by its certificate to be the host."""

    def __init__(self, target: Target, address: str, context: ssl.SSLContext) -> None:
        super().__init__(target.host, target.port, timeout=STEP)
        self.default_port = 443 if target.scheme == "https" else 80
        self._target, self._address, self._context = target, address, context
        self.was_cut = False

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self._target.port), STEP)
        self.sock = plain
        if self._target.scheme == "https":
            self.sock = self._context.wrap_socket(plain, server_hostname=self._target.host)

    def cut(self) -> None:
        """End it from another thread: whoever waits for it is told."""
        self.was_cut = True
        if self.sock is not None:
            try:
                self.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # it has ended by itself
