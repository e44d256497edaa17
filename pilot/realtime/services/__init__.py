"""The log services: one small class for each protocol. `make_service` says which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pilot.realtime.services.base import Access, Service

if TYPE_CHECKING:
    from pilot.realtime.address import Address


def make_service(address: Address, access: Access) -> Service:
    """Make what sends to an address; nothing is sent, and no connection made, before there are records.

    Raises:
        ConfigError: what it needs is not installed, or a secret would be sent to it unencrypted.
    """
    access.check(address)
    if address.kind == "file":
        from pilot.realtime.services.lines import JsonFile

        return JsonFile(address)
    if address.kind == "fluent":
        from pilot.realtime.services.fluent import Fluent

        return Fluent(address, access)
    if address.kind == "google-cloud-logging":
        from pilot.realtime.services.google import Google

        return Google(address, access)
    if address.protocol in ("http", "https"):
        from pilot.realtime.services.http import Logstash, Loki

        return (Loki if address.kind == "loki" else Logstash)(address, access)
    from pilot.realtime.services.lines import JsonLines, Syslog

    return (Syslog if address.kind == "syslog" else JsonLines)(address, access)
