"""What an admin says of a login node, and the words in which ``ssh`` is told: all pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from server.batch.base import BatchSystem
from server.batch.place import Place

#: The longest time that an option may say, in seconds.
LONGEST = 86400.0
#: What the login node's shell is told: all else comes by standard input, where nobody else sees it.
_BEGIN = 'import sys,json;r=json.loads(sys.stdin.readline());n={};exec(r["program"],n);n["main"](r)'
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,60}", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9_:][\w.:%-]{0,250}", re.ASCII)
_USER = re.compile(r"[A-Za-z0-9_][\w.@+\\-]{0,100}", re.ASCII)
#: Without what ssh would read otherwise in the name of a file: blanks, quotes, signs of variables.
_FILE = re.compile(r"/[\w.@+:,=/-]*", re.ASCII)
_VALUE = re.compile(r"[A-Za-z0-9_.,:/@+=*-]+", re.ASCII)

#: Options of ssh that an admin may add: each says how the connection is made, none whom it trusts or what it runs.
ALLOWED = frozenset(
    [
        *("AddressFamily", "BindAddress", "BindInterface", "CASignatureAlgorithms", "CertificateFile", "Ciphers"),
        *("Compression", "ConnectionAttempts", "GSSAPIAuthentication", "GSSAPIDelegateCredentials", "HostKeyAlias"),
        *("HostKeyAlgorithms", "IPQoS", "KexAlgorithms", "MACs", "PubkeyAcceptedAlgorithms", "RekeyLimit"),
        "RequiredRSASize",
        "TCPKeepAlive",
    ]
)
#: What no file of settings may change: nobody is asked, no host is trusted that is not known, nothing is passed on.
_ALWAYS: Mapping[str, str] = {
    "BatchMode": "yes",
    "StrictHostKeyChecking": "yes",
    "UpdateHostKeys": "no",
    "VerifyHostKeyDNS": "no",
    "PasswordAuthentication": "no",
    "KbdInteractiveAuthentication": "no",
    "ControlMaster": "no",
    "ControlPath": "none",
    "ClearAllForwardings": "yes",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "PermitLocalCommand": "no",
    "RemoteCommand": "none",
    "RequestTTY": "no",
    "LogLevel": "ERROR",
}


@dataclass(frozen=True)
class SshOptions:
    """Where a login node is, and which batch system is asked there.

    ``host``, ``user``, ``port``: as for ssh; the server's own account and 22 when left out.
    ``identity_file``, ``known_hosts``: files of this machine; the account's own when left out.
    ``config``: a file of ssh's settings, such as for a way by another host; none when left out.
    ``ssh_options``: further options of ssh, see `ALLOWED`.
    ``folder``: a folder of the login node, for this server alone; from the account's home unless it begins with ``/``.
    ``python``: a Python of the login node, 3.9 or newer.
    ``kind``, ``options``: the kind of batch system there, and its own options, whose paths are the login node's.
    Times are in seconds: ``connect`` until there is a connection, ``silence`` after which one that has no sign of life
    is given up, ``patience`` for an answer, ``idle`` after which a connection that nobody uses ends.
    """

    host: str = ""
    user: str = ""
    port: int = 22
    identity_file: str = ""
    known_hosts: str = ""
    config: str = ""
    ssh_options: dict[str, str] = field(default_factory=dict)
    folder: str = ".compass-pilots"
    python: str = "python3"
    kind: str = ""
    options: dict[str, str] = field(default_factory=dict)  # values as the kind's own options have them
    connect: float = 30.0
    silence: float = 60.0
    patience: float = 120.0
    idle: float = 300.0


def read_system(place: Place) -> SshOptions:
    """Read the options of a system.

    Raises:
        BatchMisconfigured: one of them cannot be so.
    """
    said = place.read_options(SshOptions)
    if not _NAME.fullmatch(place.name):
        raise place.wrong("name", f"{place.name!r}: give letters, digits, . _ and - only")
    _check_address(place, said)
    for name in ("identity_file", "known_hosts", "config"):
        value = getattr(said, name)
        if value and not _FILE.fullmatch(value):
            raise place.wrong(f"options.{name}", f"{value!r}: give an absolute path of letters, digits and . _ @ + - /")
    _check_there(place, said)
    _check_added(place, said.ssh_options)
    for name in ("connect", "silence", "patience", "idle"):
        value = getattr(said, name)
        if not 1 <= value <= LONGEST:
            raise place.wrong(f"options.{name}", f"{value}: give seconds from 1 to {LONGEST:.0f}")
    return said


def _check_address(place: Place, said: SshOptions) -> None:
    if not _HOST.fullmatch(said.host):
        raise place.wrong("options.host", f"{said.host!r}: give the name or the address of a login node")
    if said.user and not _USER.fullmatch(said.user):
        raise place.wrong("options.user", f"{said.user!r}: give the name of an account there")
    if not 1 <= said.port <= 65535:
        raise place.wrong("options.port", f"{said.port}: give a number from 1 to 65535")


def _check_there(place: Place, said: SshOptions) -> None:
    for name in ("folder", "python"):
        value = getattr(said, name)
        if not value or not value.isprintable() or value.startswith("-"):
            raise place.wrong(f"options.{name}", f"{value!r}: give a path of the login node")
    if ".." in PurePosixPath(said.folder).parts:
        raise place.wrong("options.folder", f"{said.folder!r}: give a path without '..'")


def _check_added(place: Place, added: Mapping[str, object]) -> None:
    for name, value in added.items():
        if name not in ALLOWED:
            known = ", ".join(sorted(ALLOWED))
            raise place.wrong(f"options.ssh_options.{name}", f"no option that may be added; there are {known}")
        if not isinstance(value, str) or not _VALUE.fullmatch(value):
            raise place.wrong(f"options.ssh_options.{name}", f"{value!r}: give one word, as text")


def check_inner(place: Place, said: SshOptions, inner: type[BatchSystem]) -> None:
    """Refuse a batch system that cannot be there, or whose options cannot be so.

    Raises:
        BatchMisconfigured: naming what.
    """
    if not inner.__module__.startswith("server.batch.") or inner.name == "ssh":
        raise place.wrong(
            "options.kind", f"{said.kind!r} is no kind for a login node; give local, slurm, htcondor or psij"
        )
    opened = Place(place.name, place.folder / "there", said.options, here=False)
    inner.open(opened)
    if inner.name == "local" and not opened.options.get("slots"):
        raise place.wrong("options.options.slots", "say how many pilots may run at a time on the login node itself")


def command(said: SshOptions) -> list[str]:
    """Write the words that run Python on the login node, which then reads what it is to do from its standard input."""
    ways = {
        **_ALWAYS,
        "ConnectTimeout": f"{said.connect:.0f}",
        "ServerAliveInterval": f"{max(1.0, said.silence / 3):.0f}",
        "ServerAliveCountMax": "3",
        **({"UserKnownHostsFile": said.known_hosts, "GlobalKnownHostsFile": "none"} if said.known_hosts else {}),
        **({"IdentityFile": said.identity_file, "IdentitiesOnly": "yes"} if said.identity_file else {}),
        **said.ssh_options,
    }
    options = [word for name, value in ways.items() for word in ("-o", f"{name}={value}")]
    who = ["-l", said.user] if said.user else []
    there = shlex.join([said.python, "-I", "-c", _BEGIN])
    return ["ssh", "-T", "-F", said.config or "none", *options, *who, "-p", str(said.port), "--", said.host, there]
