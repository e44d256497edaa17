"""From where a request comes: the address that a front passes it on for, when it is one that proves itself."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address, ip_network

from server.accounts.certificates import is_proven

#: Of an IPv6 address so many bits count: what one customer has.
CUSTOMER = 64


def address_of(meta: Mapping[str, str], secret: str) -> str:
    """Answer the address of a caller, as limits count it; "" when it is not known.

    Args:
        meta: A request's headers and the like, as WSGI has them.
        secret: What the front proves itself with; "" when there is none.
    """
    said = meta.get("REMOTE_ADDR", "")
    if is_proven(meta, secret):  # each that passes it on writes at the end; what stands before came from outside
        said = meta.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2].strip()
    try:
        address = ip_address(said)
    except ValueError:
        return ""
    if isinstance(address, IPv6Address) and not address.is_loopback:
        mapped = address.ipv4_mapped
        return str(mapped or ip_network((int(address), CUSTOMER), strict=False).network_address)
    return str(address)


def is_known(address: str) -> bool:
    """Say whether an address tells callers apart: this machine's own is also that of a front that proves nothing."""
    return bool(address) and not ip_address(address).is_loopback
