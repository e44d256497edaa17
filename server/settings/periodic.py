"""Celery's settings: how the periodic services get their messages, and where their results and schedules lie."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from django.core.exceptions import ImproperlyConfigured


@dataclass(frozen=True)
class Broker:
    """Where messages go, and how a broker and we prove to each other who we are; paths of PEM files."""

    address: str = ""
    password_file: str = ""
    ca_file: str = ""
    certificate: str = ""
    key: str = ""


def celery_settings(broker: Broker, home: Path) -> dict[str, Any]:
    """Answer Celery's settings under Django's names; without a broker messages are files in the server's home.

    Raises:
        ImproperlyConfigured: the broker's address or its files cannot be meant.
    """
    spool = home / "messages"
    embedded: dict[str, Any] = {
        "data_folder_in": str(spool),
        "data_folder_out": str(spool),
        "control_folder": str(spool),
        # Seconds between two looks into the folder: what a wish to run costs in time when nothing else goes on.
        "polling_interval": 0.1,
    }
    return {
        **(broker_settings(broker) if broker.address else {"CELERY_BROKER_URL": "filesystem://localhost"}),
        "CELERY_BROKER_TRANSPORT_OPTIONS": {} if broker.address else embedded,
        "CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP": True,
        "CELERY_TASK_DEFAULT_QUEUE": "compass",
        "CELERY_TASK_SERIALIZER": "json",
        "CELERY_ACCEPT_CONTENT": ["json"],
        "CELERY_WORKER_PREFETCH_MULTIPLIER": 1,
        "CELERY_WORKER_HIJACK_ROOT_LOGGER": False,
        "CELERY_WORKER_REDIRECT_STDOUTS": False,
        "CELERY_WORKER_ENABLE_REMOTE_CONTROL": bool(broker.address),
        "CELERY_BEAT_ENABLE_REMOTE_CONTROL": False,
        "CELERY_BEAT_SCHEDULER": "server.services.beat:Scheduler",
        # Periods of a second are kept, and a change in the admin is seen within one.
        "CELERY_BEAT_MAX_LOOP_INTERVAL": 1,
        "CELERY_TIMEZONE": "UTC",
        "CELERY_RESULT_BACKEND": "django-db",
        "CELERY_RESULT_EXTENDED": True,
        # A busy service of one second leaves tens of thousands a day; the history of the runs is kept longer.
        "CELERY_RESULT_EXPIRES": 86400,
        "DJANGO_CELERY_BEAT_TZ_AWARE": True,
    }


#: Scheme -> whether it is encrypted.
_SCHEMES = {"amqp": False, "amqps": True, "redis": False, "rediss": True}


def broker_settings(broker: Broker) -> dict[str, Any]:
    """Answer what Celery has to know of a RabbitMQ or a Redis.

    Raises:
        ImproperlyConfigured: as above.
    """
    parts = urlsplit(broker.address)
    if parts.scheme not in _SCHEMES or not parts.hostname:
        known = ", ".join(f"{name}://" for name in _SCHEMES)
        raise ImproperlyConfigured(f"COMPASS_SERVER_BROKER: write {known} and the host's name, not {parts.scheme}://")
    encrypted = _SCHEMES[parts.scheme]
    if not encrypted and (broker.ca_file or broker.certificate):
        raise ImproperlyConfigured(
            f"COMPASS_SERVER_BROKER: {parts.scheme}:// uses no certificates; write {parts.scheme}s://"
        )
    found: dict[str, Any] = {"CELERY_BROKER_URL": _with_password(broker)}
    if encrypted:
        files = {
            "ca_certs": broker.ca_file,
            "certfile": broker.certificate,
            "keyfile": broker.key or broker.certificate,
        }
        words: dict[str, Any] = {name: _readable(name, path) for name, path in files.items() if path}
        words["cert_reqs"] = ssl.CERT_REQUIRED
        if parts.scheme == "amqps":
            words["server_hostname"] = parts.hostname
        else:
            words = {f"ssl_{name}": value for name, value in words.items()} | {"ssl_check_hostname": True}
        found["CELERY_BROKER_USE_SSL"] = words
    if parts.scheme == "amqps" and broker.certificate and parts.username is None:
        # Who has a certificate and names no user is whom the certificate names.
        found["CELERY_BROKER_LOGIN_METHOD"] = "EXTERNAL"
    return found


def _with_password(broker: Broker) -> str:
    if not broker.password_file:
        return broker.address
    parts = urlsplit(broker.address)
    path = Path(broker.password_file).expanduser()
    name = "COMPASS_SERVER_BROKER_PASSWORD_FILE"
    if parts.password is not None:
        raise ImproperlyConfigured(f"{name}: COMPASS_SERVER_BROKER holds a password, too; leave one of them out")
    try:
        if path.stat().st_mode & 0o077:
            raise ImproperlyConfigured(f"{name}: others may read {path}; chmod 600 {path}")
        password = quote(path.read_text().strip(), safe="")
    except OSError as wrong:
        raise ImproperlyConfigured(f"{name}: {path}: {wrong.strerror}") from wrong
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{parts.username or ''}:{password}@{host}").geturl()


def _readable(name: str, path: str) -> str:
    file = Path(path).expanduser()
    if not file.is_file():
        raise ImproperlyConfigured(f"the broker's {name}: {file} is not there")
    return str(file)
