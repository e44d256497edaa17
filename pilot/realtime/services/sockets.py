"""A connection over TCP, TLS or UDP, made anew when the other side has gone."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Any, Optional

from pilot.realtime.services.base import NotSent
from pilot.site.tls import encrypted

if TYPE_CHECKING:
    from pilot.realtime.address import Address
    from pilot.realtime.services.base import Access

#: What one datagram may hold, in bytes.
DATAGRAM = 65000


class Connection:
    """One service's socket."""

    def __init__(self, address: Address, access: Access) -> None:
        self.address, self._access = address, access
        self._socket: Optional[socket.socket] = None
        self.fresh = False  # made for what is being sent now

    def send(self, content: bytes, timeout: float) -> Any:
        """Send bytes over a connection that is there; answer it.

        Raises:
            NotSent: nobody is there, or takes it.
        """
        try:
            connected = self.open(timeout)
            connected.settimeout(timeout)
            connected.sendall(content)
        except (OSError, ValueError) as wrong:  # ValueError: a name that no host can have
            self.close()
            raise NotSent(f"{type(wrong).__name__}: {wrong}") from wrong
        return connected

    def open(self, timeout: float) -> socket.socket:
        """Answer a connection that is open; a stream whose other side has gone is made anew."""
        self.fresh = self._socket is None or not self._is_alive(self._socket)
        if self._socket is None or self.fresh:
            self.close()
            self._socket = self._connect(timeout)
        return self._socket

    def _connect(self, timeout: float) -> socket.socket:
        place = (self.address.host, self.address.port)
        if self.address.protocol == "udp":
            family, kind, number, _, found = socket.getaddrinfo(*place, type=socket.SOCK_DGRAM)[0]
            datagrams = socket.socket(family, kind, number)
            datagrams.connect(found)
            return datagrams
        plain = socket.create_connection(place, timeout)
        if not self.address.encrypted:
            return plain
        try:
            return encrypted(plain, self.address.host, self._access.certificate, self._access.authorities)
        except OSError:
            plain.close()
            raise

    def _is_alive(self, connected: socket.socket) -> bool:
        """Say whether a service that never speaks has not gone; what is sent to one that has would vanish."""
        if self.address.protocol == "udp":
            return True
        try:
            connected.settimeout(0)
            return bool(connected.recv(1))
        except BlockingIOError:
            return True
        except OSError as wrong:
            return type(wrong).__name__ == "SSLWantReadError"

    def close(self) -> None:
        """Let it go."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None
