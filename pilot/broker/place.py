"""Where the broker is, as the settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from pilot.errors import ConfigError
from pilot.site.login import Login, read_login

if TYPE_CHECKING:
    from pilot.settings.broker import Broker

PORTS = {"stomps": 61614, "stomp": 61613}
#: What others write.
ALSO = {"stomp+ssl": "stomps", "ssl": "stomps", "tls": "stomps", "tcp": "stomp"}


class Place(NamedTuple):
    """A broker, and how it is reached. ``timeout`` and ``beat`` are seconds."""

    host: str
    port: int
    encrypted: bool
    destination: str
    virtual_host: str
    login: Login
    certificate: str
    authorities: str
    timeout: float
    beat: float

    def __str__(self) -> str:
        return f"{'stomps' if self.encrypted else 'stomp'}://{self.host}:{self.port}{self.destination}"


def place_of(settings: Broker) -> Place:
    """Read the settings.

    Raises:
        ConfigError: no address, or a wrong one; a login that cannot be read, or that others might read on the way.
    """
    try:
        parts = urlsplit(settings.url)
        scheme, host, port = ALSO.get(parts.scheme, parts.scheme), parts.hostname or "", parts.port
        plain = "@" not in settings.url and parts.path in ("", "/")
    except ValueError:
        scheme, host, port, plain = "", "", None, False
    if scheme not in PORTS or not host or not plain:
        shown = settings.url.rpartition("@")[2]  # no password is shown
        expected = "stomps://host:port is expected, and the login in broker.credentials_file"
        raise ConfigError(f"broker.url: {shown!r} is no address of a message broker; {expected}")
    if not settings.destination.startswith("/"):
        words = "a topic or queue is expected, such as /topic/panda.pilot"
        raise ConfigError(f"broker.destination: {settings.destination!r}; {words}")
    login = read_login(settings.credentials_file, "broker.credentials_file")
    if login.password and scheme == "stomp" and host not in ("localhost", "127.0.0.1", "::1"):
        raise ConfigError("broker.url: a password is not sent unencrypted; use stomps://")
    return Place(
        host,
        port or PORTS[scheme],
        scheme == "stomps",
        settings.destination,
        settings.host or host,
        login,
        settings.certificate,
        settings.authorities,
        settings.timeout,
        settings.beat,
    )
