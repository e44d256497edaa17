"""The database of the server: SQLite in its home, or a PostgreSQL or MariaDB that an address names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

SETTING = "COMPASS_SERVER_DATABASE"
#: An existing PanDA's database, where its own tables are.
PANDA_SETTING = "COMPASS_SERVER_PANDA_DATABASE"
#: What the name of the setting with the password file has beside that of its database.
_PASSWORD = "_PASSWORD_FILE"  # noqa: S105 (part of the name of a setting)

#: What the words before :// stand for.
KINDS = {"postgresql": "postgresql", "postgres": "postgresql", "mysql": "mariadb", "mariadb": "mariadb"}

#: Libraries by kind; the extra of the distribution that brings one has the name of the kind.
DRIVERS = {"postgresql": "psycopg", "mariadb": "pymysql"}

#: What may stand behind the question mark of an address, beside ``socket``, and the driver's word for it.
QUERY = {
    "postgresql": {
        **{"sslmode": "sslmode", "sslrootcert": "sslrootcert", "sslcert": "sslcert", "sslkey": "sslkey"},
        "schemas": "schemas",  # where tables are looked for, separated by commas
    },
    "mariadb": {"ssl_ca": "ssl_ca", "ssl_cert": "ssl_cert", "ssl_key": "ssl_key"},
}

#: How MariaDB has to compare texts, as the other databases do: A is not a, and a blank at the end counts.
COLLATION = "utf8mb4_nopad_bin"


@dataclass(frozen=True)
class Address:
    """Where a database is. The password is shown by nothing that shows this."""

    kind: str
    name: str
    user: str = ""
    password: str = field(default="", repr=False)
    host: str = ""
    port: int | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        where = self.host if not self.port else f"{self.host}:{self.port}"
        return f"{self.kind} {self.user}@{where}/{self.name}"


def database_settings(url: str, password_file: str, home: Path, patience: int) -> dict[str, Any]:
    """Answer Django's settings of the database.

    Args:
        url: ``COMPASS_SERVER_DATABASE``; empty for SQLite.
        password_file: ``COMPASS_SERVER_DATABASE_PASSWORD_FILE``; empty for what the address says.
        home: The server's folder.
        patience: Seconds that a writer waits for another one.

    Raises:
        ImproperlyConfigured: the address makes no sense, the file cannot be read or the driver is not installed.
    """
    if not url:
        if password_file:
            raise ImproperlyConfigured(f"{SETTING}{_PASSWORD}: SQLite has no password; name a database by {SETTING}")
        return _sqlite(home, patience)
    return _named(SETTING, url, password_file, patience)


def panda_database_settings(url: str, password_file: str, patience: int) -> dict[str, Any]:
    """Answer Django's settings of an existing PanDA's database, by alias; nothing when none is named.

    Args:
        url: ``COMPASS_SERVER_PANDA_DATABASE``; ``sqlite:///file`` is for trials.
        password_file: ``COMPASS_SERVER_PANDA_DATABASE_PASSWORD_FILE``; empty for what the address says.
        patience: Seconds that a writer waits for another one.

    Raises:
        ImproperlyConfigured: the address makes no sense, the file cannot be read or the driver is not installed.
    """
    if not url:
        if password_file:
            raise ImproperlyConfigured(f"{PANDA_SETTING}{_PASSWORD}: name the database by {PANDA_SETTING}")
        return {}
    if url.startswith("sqlite:///"):
        return {"panda": {**_sqlite(Path(), patience), "NAME": url.removeprefix("sqlite://")}}
    return {"panda": _named(PANDA_SETTING, url, password_file, patience)}


def _named(setting: str, url: str, password_file: str, patience: int) -> dict[str, Any]:
    address = read_address(url, setting)
    password = _password(password_file, setting) if password_file else address.password
    _require_driver(address.kind, setting)
    make: Callable[[Address, str, int], dict[str, Any]] = {"postgresql": _postgresql, "mariadb": _mariadb}[address.kind]
    return make(address, password, patience)


def read_address(url: str, setting: str = SETTING) -> Address:
    """Read ``postgresql://user:password@host:port/name?socket=/folder``; ``setting`` is what refusals name.

    Raises:
        ImproperlyConfigured: it is none; the words do not repeat it, since it may hold a password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # Its words repeat what they take for the port, which is a piece of a password with a / in it.
        text = f"{setting}: it is no address: its host or port cannot be read; write / in a password as %2F"
        raise ImproperlyConfigured(text) from None
    kind = KINDS.get(parts.scheme)
    if kind is None:
        known = "postgresql://user@host:port/name or mariadb://user@host:port/name, or left out for SQLite in the home"
        said = f"begins with {parts.scheme}://" if "://" in url else "has no ://"
        raise ImproperlyConfigured(f"{setting}: it {said}; it has to be {known}")
    name = unquote(parts.path.removeprefix("/"))
    if not name or "/" in name:
        raise ImproperlyConfigured(f"{setting}: it names no database; write {parts.scheme}://user@host/name")
    options = _options(kind, parts, setting)
    host = options.pop("socket", "") or unquote(parts.hostname or "")
    return Address(kind, name, unquote(parts.username or ""), unquote(parts.password or ""), host, port, options)


def _options(kind: str, parts: SplitResult, setting: str) -> dict[str, str]:
    found = {}
    for key, value in parse_qsl(parts.query, keep_blank_values=True):
        if key != "socket" and key not in QUERY[kind]:
            near = get_close_matches(key, ["socket", *QUERY[kind]], n=1)
            meant = f"did you mean {near[0]}?" if near else f"known are socket, {', '.join(QUERY[kind])}"
            raise ImproperlyConfigured(f"{setting}: {key} is no option of {kind}; {meant}")
        if not value:
            raise ImproperlyConfigured(f"{setting}: the option {key} is empty")
        found[key] = value
    if "socket" in found and not found["socket"].startswith("/"):
        raise ImproperlyConfigured(f"{setting}: socket={found['socket']} is not an absolute path")
    return found


def _password(file: str, setting: str) -> str:
    path = Path(file).expanduser()
    try:
        text = path.read_text()
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as wrong:
        words = wrong.strerror if isinstance(wrong, OSError) else "it is no text"
        raise ImproperlyConfigured(f"{setting}{_PASSWORD}: {path} cannot be read: {words}") from wrong
    if mode & 0o077:
        raise ImproperlyConfigured(f"{setting}{_PASSWORD}: others may read {path}; run: chmod 600 {path}")
    return text.rstrip("\n")


def _require_driver(kind: str, setting: str) -> None:
    if find_spec(DRIVERS[kind]) is None:
        text = (
            f"{setting}: {kind} needs {DRIVERS[kind]}, which is not installed; run: pip install 'compass-pilot[{kind}]'"
        )
        raise ImproperlyConfigured(text)


def _sqlite(home: Path, patience: int) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": home / "db.sqlite3",
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            # A transaction that reads first and writes later fails under load unless it begins as a writer.
            "transaction_mode": "IMMEDIATE",
            "timeout": patience,
            # FULL: what was answered is on the disk, even when the power fails the next moment.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-65536;",
        },
    }


def _server(engine: str, address: Address, password: str, options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "ENGINE": engine,
        "NAME": address.name,
        "USER": address.user,
        "PASSWORD": password,
        "HOST": address.host,
        "PORT": str(address.port or ""),
        # One thread of each worker asks, so one connection each is kept, and looked at again before it is used.
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": dict(options),
    }


def _postgresql(address: Address, password: str, patience: int) -> dict[str, Any]:
    given = dict(address.options)
    schemas = given.pop("schemas", "")
    options = {
        **given,
        "server_side_binding": True,
        # A statement is prepared when it is seen for the second time in a connection.
        "prepare_threshold": 1,
        "connect_timeout": patience,
        "application_name": "compass-server",
        "options": " ".join(
            [
                f"-c lock_timeout={patience * 1000} -c idle_in_transaction_session_timeout={patience * 10000}",
                # A plan is made once for a connection, when a queue may be empty, and used when a million jobs wait.
                "-c enable_seqscan=off -c enable_bitmapscan=off -c jit=off",
                *([f"-c search_path={schemas}"] if schemas else []),
            ]
        ),
    }
    return _server("server.lib.postgresql", address, password, options)


def _mariadb(address: Address, password: str, patience: int) -> dict[str, Any]:
    import pymysql

    # Django looks for MySQLdb, which has to be compiled on Linux; PyMySQL answers to its name.
    pymysql.install_as_MySQLdb()
    ssl = {name.removeprefix("ssl_"): value for name, value in address.options.items()}
    options = {
        "charset": "utf8mb4",
        # Without it two workers that take jobs at the same time lock each other's gaps between rows.
        "isolation_level": "read committed",
        "connect_timeout": patience,
        "init_command": (
            "SET sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', default_storage_engine = InnoDB,"
            f" time_zone = '+00:00', innodb_lock_wait_timeout = {patience},"
            # Once more: PyMySQL 1.1 connects again by itself after a loss, and says nothing of Django's then.
            " SESSION tx_isolation = 'READ-COMMITTED'"
        ),
        **({"ssl": ssl} if ssl else {}),
    }
    found = _server("django.db.backends.mysql", address, password, options)
    found["TEST"] = {"CHARSET": "utf8mb4", "COLLATION": COLLATION}
    return found
