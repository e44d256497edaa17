"""Fluentd and Fluent Bit, by Fluent's forward protocol, version 1: each message is acknowledged, or sent again."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pilot.errors import ConfigError
from pilot.realtime.services.base import NotSent
from pilot.realtime.services.sockets import Connection

if TYPE_CHECKING:
    import socket

    from pilot.realtime.address import Address
    from pilot.realtime.records import Record
    from pilot.realtime.services.base import Access

#: No answer is longer, in bytes.
_LONGEST = 65536


class Fluent:
    """Messages of the mode "forward". With a password, which is the shared key, both sides prove that they know it."""

    def __init__(self, address: Address, access: Access) -> None:
        try:
            import msgpack
        except ImportError as wrong:
            raise ConfigError("fluent needs msgpack: install compass-pilot[fluent]") from wrong
        self._msgpack = msgpack
        self._connection, self._access = Connection(address, access), access

    def send(self, records: Sequence[Record], timeout: float) -> None:
        """Send them, and wait until they are taken."""
        import base64

        chunk = base64.b64encode(os.urandom(16)).decode("ascii")
        entries = [[int(record["PilotTimeStamp"]), dict(record)] for record in records]
        message = [self._access.name, entries, {"chunk": chunk, "size": len(entries)}]
        try:
            opened = self._connection.open(timeout)
            opened.settimeout(timeout)
            if self._connection.fresh and self._access.password:
                self._greet(opened)
            opened.sendall(self._msgpack.packb(message))
            answer = self._receive(opened)
            if not isinstance(answer, dict) or answer.get("ack") != chunk:
                raise NotSent("something else than the acknowledgement came")
        except (OSError, ValueError) as wrong:
            self._connection.close()
            raise NotSent(f"{type(wrong).__name__}: {wrong}") from wrong
        except NotSent:
            self._connection.close()
            raise

    def _greet(self, opened: socket.socket) -> None:
        """Prove that the key is known here, and see that it is there."""
        hello = self._receive(opened)
        if not (isinstance(hello, list) and len(hello) == 2 and hello[0] == "HELO" and isinstance(hello[1], dict)):
            raise NotSent("no greeting came; is there a shared key in the service's configuration?")
        nonce, auth = _bytes(hello[1].get("nonce")), _bytes(hello[1].get("auth"))
        key, salt, host = self._access.password.encode(), os.urandom(16), os.uname().nodename
        user = ["", ""]
        if auth:  # it wants a user too, of the same password
            user = [self._access.login, _digest(auth, self._access.login.encode(), key)]
        ping = ["PING", host, salt, _digest(salt, host.encode(), nonce, key), *user]
        opened.sendall(self._msgpack.packb(ping))
        pong = self._receive(opened)
        if not (isinstance(pong, list) and len(pong) == 5 and pong[0] == "PONG"):
            raise NotSent("no answer to the greeting came")
        if pong[1] is not True:
            raise NotSent("the service does not take the shared key")
        if not hmac.compare_digest(_bytes(pong[4]), _digest(salt, _bytes(pong[3]), nonce, key).encode()):
            raise NotSent("the service does not know the shared key")

    def _receive(self, opened: socket.socket) -> Any:
        unpacker = self._msgpack.Unpacker(max_buffer_size=_LONGEST)
        while content := opened.recv(4096):
            try:
                unpacker.feed(content)
                return unpacker.unpack()
            except self._msgpack.OutOfData:
                continue
            except (ValueError, self._msgpack.UnpackException) as wrong:
                raise NotSent(f"what came is no message of this protocol: {type(wrong).__name__}") from wrong
        raise NotSent("the service has closed the connection")

    def close(self) -> None:
        """Let the connection go."""
        self._connection.close()


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else value if isinstance(value, bytes) else b""


def _digest(*parts: bytes) -> str:
    return hashlib.sha512(b"".join(parts)).hexdigest()
