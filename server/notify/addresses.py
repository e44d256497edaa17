"""Which addresses a webhook may have: public ones by https, and the hosts that a setting names. No sockets here."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

LONGEST_URL = 500
#: What is translated to IPv4 somewhere on the way: the address at the end may be any.
_TRANSLATED = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))


class BadAddress(ValueError):
    """A webhook cannot be sent there; the words say why and what to do."""


@dataclass(frozen=True)
class Target:
    """A webhook's address, taken apart; ``is_named`` when the setting names its host."""

    scheme: str
    host: str
    port: int
    path: str
    is_named: bool


def target_of(url: str, hosts: Collection[str]) -> Target:
    """Read a webhook's address.

    Args:
        url: As somebody has entered it.
        hosts: Host names that may be private and need no TLS; ``.example.org`` stands for all below it.

    Raises:
        BadAddress: it is not to be used.
    """
    if len(url) > LONGEST_URL or any(ord(letter) <= 32 or ord(letter) > 126 for letter in url):
        raise BadAddress(f"a webhook's address has at most {LONGEST_URL} characters, of ASCII and without blanks")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError as wrong:
        raise BadAddress(f"this is no address: {wrong}") from None
    named = any(host == one or (one.startswith(".") and host.endswith(one)) for one in hosts)
    if parts.scheme not in ("https", "http") or not host:
        raise BadAddress("write https://host/path")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise BadAddress("leave out user, password and what follows a #; the signature proves who calls")
    if parts.scheme == "http" and not named:
        raise BadAddress(f"http is not safe; write https, or an administrator adds {host} to webhook_hosts")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port or (443 if parts.scheme == "https" else 80), path, named)


def usable(target: Target, addresses: Collection[str]) -> list[str]:
    """Answer those of a host's addresses that may be called.

    Raises:
        BadAddress: it has none; one that is private counts only where the setting names the host.
    """
    good = [one for one in addresses if target.is_named or _is_public(one)]
    if not good:
        raise BadAddress(f"{target.host} has no public address; an administrator may add it to webhook_hosts")
    return good


def _is_public(address: str) -> bool:
    found = ip_address(address.partition("%")[0])
    if found.version == 6:
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if (inner is not None and not inner.is_global) or any(found in net for net in _TRANSLATED):
            return False
        if found.ipv4_mapped is not None:
            found = found.ipv4_mapped
    return found.is_global and not found.is_multicast
