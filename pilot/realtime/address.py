"""Where a log service is, as PanDA's queues and options write it. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple, Optional

from pilot.errors import ConfigError

#: What each type speaks, the protocol that is meant when none is said first, and the port of each.
TYPES: dict[str, dict[str, int]] = {
    "logstash": {"tls": 5000, "tcp": 5000, "udp": 5000, "https": 443, "http": 80},
    "fluent": {"tls": 24224, "tcp": 24224},
    "loki": {"https": 443, "http": 80},
    "google-cloud-logging": {"https": 443, "http": 80},
    "syslog": {"tls": 6514, "tcp": 514, "udp": 514},
    "file": {"file": 0},
}
ENCRYPTED = ("tls", "https")
#: Names that pilot3, or people, use too.
ALSO = {"ssl": "tls", "google": "google-cloud-logging", "google_cloud_logging": "google-cloud-logging"}
GOOGLE = "logging.googleapis.com"

_EXPECTED = "type;protocol://host:port is expected, such as logstash;tls://logs.example.org:5000"
#: What may hold a password does not belong there, and is not shown; what kind of service it is may be.
_LOGIN = re.compile(r"^\s*([\w-]*).*(?=@)", re.DOTALL)
_SAID = re.compile(r"(?P<kind>[\w-]+);(?P<protocol>\w+)://(?P<rest>.*)")
_PLACE = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::(?P<port>\d{1,5}))?(?P<path>/[^\s?#]*)?")


class Address(NamedTuple):
    """A log service. ``path`` is that of its URL, or the file's."""

    kind: str
    protocol: str
    host: str = ""
    port: int = 0
    path: str = ""

    @property
    def encrypted(self) -> bool:
        """Whether nobody on the way can read what is sent."""
        return self.protocol in ENCRYPTED

    @property
    def url(self) -> str:
        """The address for HTTP."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.protocol}://{host}:{self.port}{self.path}"

    def __str__(self) -> str:
        return f"{self.kind};{self.url}" if self.host else f"{self.kind};file://{self.path}"


def read_address(text: str, where: str) -> Address:
    """Read ``type;protocol://host:port/path`` or pilot3's ``type:host:port``; what is left out is as usual.

    Without a protocol the connection is encrypted.

    Raises:
        ConfigError: it is no such address; ``where`` is what the message begins with.
    """
    said = _SAID.fullmatch(text.strip())
    kind, protocol, rest = said.groups() if said else _short(text.strip())
    text = _LOGIN.sub(r"\1...", text)  # from here on it is only shown
    kind, protocol = ALSO.get(kind, kind), ALSO.get(protocol, protocol)
    if kind not in TYPES:
        raise ConfigError(f"{where}: {text!r} is no log service that is known here; there are {', '.join(TYPES)}")
    protocol = protocol or next(iter(TYPES[kind]))
    if protocol not in TYPES[kind]:
        raise ConfigError(f"{where}: {text!r}: {kind} speaks {', '.join(TYPES[kind])}, not {protocol}")
    if kind == "file":
        return _file(text, rest, where)
    return _place(Address(kind, protocol), rest or (GOOGLE if kind == "google-cloud-logging" else ""), text, where)


def _short(text: str) -> tuple[str, str, str]:
    kind, _, rest = text.partition(":")
    return kind, "", rest


def _file(text: str, rest: str, where: str) -> Address:
    if not rest.startswith("/"):
        raise ConfigError(f"{where}: {text!r}: the whole path is expected, such as file;file:///var/log/payloads.jsonl")
    return Address("file", "file", path=rest)


def _place(address: Address, rest: str, text: str, where: str) -> Address:
    found = _PLACE.fullmatch(rest)
    port = int((found and found["port"]) or TYPES[address.kind][address.protocol])
    if found is None or not 1 <= port <= 65535:
        raise ConfigError(f"{where}: {text!r} is no address of a log service; {_EXPECTED}")
    path = found["path"] or ("/loki/api/v1/push" if address.kind == "loki" else "")
    return address._replace(host=found["host"].strip("[]"), port=port, path=path)


def of_queue(catchall: str) -> tuple[Optional[str], tuple[str, ...]]:
    """Answer what a queue's ``catchall`` says: the log service (``logging=``), and files (``loggingfile=a|b``)."""
    words = dict(word.strip().partition("=")[::2] for word in catchall.split(","))
    files = tuple(name for name in words.get("loggingfile", "").split("|") if name)
    return words.get("logging") or None, files
