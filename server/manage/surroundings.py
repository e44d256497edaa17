"""What ``compass-server check`` says of what the server stands on: home, database, clock, broker, own certificate."""

from __future__ import annotations

import ctypes
import shutil
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as Caution
from django.db import DatabaseError, connection

from server.credentials import checks as credentials
from server.lib.database import unfit
from server.manage import schema

#: Bytes that the home's disk should have free: SQLite's log alone may take this much in a busy hour.
LEAST_FREE = 10**9
#: Seconds by which the database's clock may differ: heartbeats and leases are compared with what it stores.
LARGEST_SKEW = 2.0
#: A certificate that ends sooner than this is told.
SOON = timedelta(days=14)
#: Seconds that a broker or a server may take to answer.
PATIENCE = 5
#: Where SQLite's locks and shared memory cannot be relied on.
REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "lustre", "gpfs", "afs", "ceph", "fuse.sshfs", "beegfs", "9p"})
#: What adjtimex(2) answers when nothing keeps the clock right.
_UNSYNCHRONISED = 5


def look(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Look at everything; what cannot be looked at is a finding, too."""
    return [
        *_home(settings.HOME),
        *_database(),
        *_clock(),
        *_broker(settings.ENVIRONMENT.broker),
        *_address(),
        *credentials.look(),
    ]


def _home(folder: Path) -> Iterator[CheckMessage]:
    if not folder.is_dir():
        words = f"COMPASS_SERVER_HOME: there is no folder {folder}"
        yield Error(words, hint="Run `compass-server init`.", id="compass.E010")
        return
    if folder.stat().st_mode & 0o077:
        words = f"COMPASS_SERVER_HOME: others than its owner may enter {folder}, which holds secrets"
        yield Caution(words, hint=f"chmod 0700 {folder}", id="compass.W010")
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.stat().st_mode & 0o077:
            words = f"others than its owner may read or write {path}"
            yield Caution(words, hint=f"chmod 0600 {path}", id="compass.W011")
    if (free := shutil.disk_usage(folder).free) < LEAST_FREE:
        words = f"the disk of {folder} has {free / 1e9:.1f} GB free; at least {LEAST_FREE / 1e9:.0f} GB are wanted"
        yield Caution(words, id="compass.W012")
    if connection.vendor == "sqlite" and (kind := kind_of_disk(folder)) in REMOTE:
        words = f"COMPASS_SERVER_HOME: {folder} is on {kind}, where SQLite loses data when several processes write"
        yield Error(words, hint="Name a folder on a disk of this machine, or a database.", id="compass.E011")


def kind_of_disk(folder: Path) -> str:
    """Answer the kind of the file system that a folder is on, as mount(8) names it; nothing when unknown."""
    real = folder.resolve()
    mounted = {Path(each.mountpoint): each.fstype for each in psutil.disk_partitions(all=True)}
    return next((mounted[each] for each in (real, *real.parents) if each in mounted), "")


def _database() -> Iterator[CheckMessage]:
    file = Path(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite" and file.is_absolute() and not file.exists():
        yield Error(f"there is no database {file}", hint="Run `compass-server init`.", id="compass.E012")
        return
    try:
        if words := unfit():
            yield Error(words, id="compass.E012")
            return
        if due := schema.missing(connection):
            words = f"the database is older than the program: {len(due)} changes are due, the first is {due[0]}"
            yield Error(words, hint="Stop the server, then run `compass-server init`.", id="compass.E013")
        if schema.unknown(connection):
            yield Error(schema.unfit(connection), id="compass.E018")
        yield from _durability()
        yield from _skew()
    except DatabaseError as wrong:
        yield Error(f"the database does not answer as it should: {' '.join(str(wrong).split())}", id="compass.E014")


def _ask(statement: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]


#: What has to be so for a report that was answered to outlive a loss of power: (question, good answers, name).
_DURABLE = {
    "postgresql": (
        ("SHOW fsync", {"on"}, "fsync"),
        ("SHOW synchronous_commit", {"on", "local", "remote_write", "remote_apply"}, "synchronous_commit"),
        ("SHOW full_page_writes", {"on"}, "full_page_writes"),
    ),
    "mysql": (("SELECT @@innodb_flush_log_at_trx_commit", {"1"}, "innodb_flush_log_at_trx_commit"),),
}


def _durability() -> Iterator[CheckMessage]:
    for question, good, name in _DURABLE.get(connection.vendor, ()):
        if (told := str(_ask(question))) not in good:
            words = f"the database's {name} is {told}: what it has confirmed is lost when the machine fails"
            yield Caution(words, hint=f"Set {name} to {min(good)}.", id="compass.W013")


_NOW = {"postgresql": "SELECT clock_timestamp()", "mysql": "SELECT UTC_TIMESTAMP(6)"}


def _skew() -> Iterator[CheckMessage]:
    if connection.vendor not in _NOW:
        return
    before = datetime.now(UTC)
    told = _ask(_NOW[connection.vendor])
    there = told if told.tzinfo else told.replace(tzinfo=UTC)
    here = before + (datetime.now(UTC) - before) / 2
    if (seconds := abs((there - here).total_seconds())) > LARGEST_SKEW:
        words = f"the database's clock differs from this machine's by {seconds:.1f} s"
        yield Caution(words, hint="Have both kept by NTP (chrony, systemd-timesyncd).", id="compass.W014")


def clock_is_kept() -> bool:
    """Say whether something keeps this machine's clock right, as its kernel knows; True where that is not known."""
    try:
        asked = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return True
    room = ctypes.create_string_buffer(512)  # struct timex, whose field `modes` is 0: only a question
    return int(asked(room)) != _UNSYNCHRONISED


def _clock(is_kept: Callable[[], bool] = clock_is_kept) -> Iterator[CheckMessage]:
    if not is_kept():
        words = "nothing keeps this machine's clock right: times of jobs, leases and tokens drift"
        yield Caution(words, hint="Start chrony or systemd-timesyncd.", id="compass.W015")


def _broker(url: str) -> Iterator[CheckMessage]:
    if not url:
        return
    from kombu import Connection
    from kombu.exceptions import OperationalError

    try:
        with Connection(url, connect_timeout=PATIENCE) as broker:
            broker.ensure_connection(max_retries=0, timeout=PATIENCE)
    except (OperationalError, OSError, KeyError, ValueError, ImportError) as wrong:
        where = urlsplit(url).hostname or "the broker"  # the address may hold a password
        words = f"COMPASS_SERVER_BROKER: {where} does not let the server in: {type(wrong).__name__}"
        yield Error(words, hint="Until it does, no periodic service runs.", id="compass.E015")


def _address() -> Iterator[CheckMessage]:
    url = urlsplit(settings.ENVIRONMENT.url)
    if url.scheme != "https" or not url.hostname:
        return
    try:
        yield from _certificate(url.hostname, url.port or 443)
    except ssl.SSLCertVerificationError as wrong:
        words = f"COMPASS_SERVER_URL: the certificate of {url.netloc} is not believed: {wrong.verify_message}"
        yield Caution(words, hint="Pilots need its authority in X509_CERT_DIR or SSL_CERT_FILE.", id="compass.W016")
    except OSError as wrong:
        words = f"COMPASS_SERVER_URL: {url.netloc} does not answer: {wrong.strerror or wrong}"
        yield Caution(words, hint="The factory hands this address to pilots.", id="compass.W017")


def _certificate(host: str, port: int) -> Iterator[CheckMessage]:
    context = ssl.create_default_context()
    with (
        socket.create_connection((host, port), timeout=PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname=host) as wire,
    ):
        held = wire.getpeercert() or {}
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(held["notAfter"])), UTC)
    if (left := ends - datetime.now(UTC)) < SOON:
        words = f"COMPASS_SERVER_URL: the certificate of {host} ends in {left.days} days"
        yield Caution(words, hint="Renew it; afterwards no pilot is let in.", id="compass.W018")
