"""What a log service is to the pilot, what it is reached with, and how it fails."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pilot.errors import ConfigError

if TYPE_CHECKING:
    from pilot.realtime.address import Address
    from pilot.realtime.records import Record


class NotSent(Exception):
    """The service did not take records; it may take them later."""


class Unwanted(NotSent):
    """The service will never take these records."""


class Access(NamedTuple):
    """With what services are reached. ``name`` is what the records are filed under there.

    ``certificate`` is a file with the client's certificate and key; ``authorities`` a file or folder, empty: the
    system's. ``file`` holds what Google gave for an account.
    """

    name: str
    login: str = ""
    password: str = ""
    certificate: str = ""
    authorities: str = ""
    file: str = ""

    def check(self, address: Address) -> None:
        """Refuse to send a password where others may read it."""
        if self.password and address.host and not address.encrypted and not _is_here(address.host):
            raise ConfigError(f"{address}: a password is not sent unencrypted; use tls or https")


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Service(Protocol):
    """One log service."""

    def send(self, records: Sequence[Record], timeout: float) -> None:
        """Send records, in order; ``timeout`` is seconds for each wait.

        Raises:
            NotSent: some may not have arrived; all of them may be sent again.
            Unwanted: they will never be taken.
        """

    def close(self) -> None:
        """Let the connection go."""
