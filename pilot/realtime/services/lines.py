"""Records as lines: JSON lines for Logstash, syslog's messages (RFC 5424), and a file."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pilot.realtime.records import as_line
from pilot.realtime.services.base import NotSent
from pilot.realtime.services.sockets import DATAGRAM, Connection

if TYPE_CHECKING:
    from pilot.realtime.address import Address
    from pilot.realtime.records import Record
    from pilot.realtime.services.base import Access

#: Facility user, severity informational.
_PRIORITY = 14
_NAME_LETTERS = {chr(code) for code in range(33, 127)}


class JsonLines:
    """One JSON object on each line, as Logstash's codec ``json_lines`` reads them; over UDP one in each datagram."""

    def __init__(self, address: Address, access: Access) -> None:
        self._connection = Connection(address, access)

    def send(self, records: Sequence[Record], timeout: float) -> None:
        """Send them; that they were taken is not told by this protocol."""
        framed = [self.framed(record) for record in records]
        if self._connection.address.protocol == "udp":
            for datagram in framed:
                self._connection.send(datagram[:DATAGRAM], timeout)
        else:
            self._connection.send(b"".join(framed), timeout)

    def framed(self, record: Record) -> bytes:
        """Write one record as it is sent."""
        return as_line(record) + b"\n"

    def close(self) -> None:
        """Let the connection go."""
        self._connection.close()


class Syslog(JsonLines):
    """One message of RFC 5424 for each record, whose text is the record in JSON; over TCP and TLS with its length."""

    def __init__(self, address: Address, access: Access) -> None:
        super().__init__(address, access)
        self._host, self._name = _named(os.uname().nodename, 255), _named(access.name, 48)

    def framed(self, record: Record) -> bytes:
        """Write one record as it is sent."""
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record["PilotTimeStamp"]))
        job = f"{record['PandaJobID']}.{record['attempt']}"
        head = f"<{_PRIORITY}>1 {at}Z {self._host} {self._name} {job} {_named(record['file'], 32)} - "
        message = head.encode("ascii") + as_line(record)
        return message if self._connection.address.protocol == "udp" else b"%d %s" % (len(message), message)


def _named(text: str, most: int) -> str:
    """Write a name in the letters that a field of syslog's may have."""
    return "".join(letter if letter in _NAME_LETTERS else "_" for letter in text)[:most] or "-"


class JsonFile:
    """A file of the admin's, to which each record is added as a line of JSON."""

    def __init__(self, address: Address) -> None:
        self._path = address.path

    def send(self, records: Sequence[Record], timeout: float) -> None:
        """Add them, in one write, so that several pilots may use one file."""
        content = b"".join(as_line(record) + b"\n" for record in records)
        how = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK  # of a pipe no reader is waited for
        try:
            descriptor = os.open(self._path, how, 0o600)
            try:
                written = os.write(descriptor, content)
            finally:
                os.close(descriptor)
        except OSError as wrong:
            raise NotSent(f"{self._path}: {wrong.strerror}") from wrong
        if written < len(content):
            raise NotSent(f"{self._path}: there is room for {written} of {len(content)} bytes")

    def close(self) -> None:
        """There is nothing to let go."""
