"""The environment variables of the server, read once and checked: an unknown one is refused with the nearest name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

PREFIX = "COMPASS_SERVER_"

_TRUTH = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


def key(default: Any, *, help: str, low: int | None = None, shown: bool = True, one_of: tuple[str, ...] = ()) -> Any:
    """Declare one variable: its default, its lower limit and one sentence; one that may hold a secret is not shown.

    ``one_of`` are the only words that it may be.
    """
    return field(default=default, repr=shown, metadata={"help": help, "low": low, "one_of": one_of})


@dataclass(frozen=True)
class Environment:
    """Every ``COMPASS_SERVER_...`` variable, in lower case and without the prefix."""

    home: str = key("~/.local/share/compass-server", help="Folder of the database, the secrets and the tokens.")
    database: str = key(
        "",
        help="Address of the database, postgresql://user@host:port/name or mariadb://...; SQLite in the home without.",
        shown=False,
    )
    database_password_file: str = key("", help="File, mode 0600, with the password for that database.")
    panda_database: str = key(
        "",
        help="Address of an existing PanDA's database: schedconfig, schedconfig_json, cloudconfig, siteaccess and users"
        " are its own then; postgresql://user@host:port/name?schemas=doma_pandameta,doma_panda or mariadb://...",
        shown=False,
    )
    panda_database_password_file: str = key("", help="File, mode 0600, with the password for that database.")
    copytools: str = key(
        "", help="Copy tools that plugins of the pilot bring, separated by commas: queues may name them."
    )
    import_addresses: str = key(
        "",
        help="What addresses begin with from which administrators may import queues and storages, such as"
        " https://atlas-cric.example.org/api/, with blanks between; none without.",
    )
    hosts: str = key("", help="Host names that the server answers to besides the loopback ones, separated by commas.")
    debug: bool = key(False, help="Django's debug pages; never where others can reach the server.")
    sent_timeout: int = key(1800, low=10, help="Seconds after which a job whose pilot never answered is lost.")
    heartbeat_timeout: int = key(7200, low=10, help="Seconds without a heartbeat after which a job is lost.")
    holding_timeout: int = key(172800, low=10, help="Seconds without a word of its pilot for a job that is held.")
    holding_impatient_timeout: int = key(
        10800, low=10, help="The same, in seconds, for users' jobs and those of a priority above 800."
    )
    starting_timeout: int = key(172800, low=10, help="Seconds that a job may be starting, though its pilot is heard.")
    running_timeout: int = key(1814400, low=10, help="Seconds that a job may run, though its pilot is heard.")
    transferring_timeout: int = key(518400, low=10, help="Seconds that a pilot may be storing outputs.")
    pending_timeout: int = key(3600, low=10, help="Seconds that a job may be pending.")
    defined_timeout: int = key(604800, low=10, help="Seconds that a job may wait, defined, for whoever submitted it.")
    waiting_timeout: int = key(604800, low=10, help="Seconds that a job may wait for an input that nobody knows.")
    assigned_timeout: int = key(2592000, low=10, help="Seconds that a job may wait for inputs on their way.")
    activated_timeout: int = key(604800, low=10, help="Seconds that a job may stand in its queue.")
    merging_timeout: int = key(604800, low=10, help="Seconds that a job's outputs may be merging.")
    archive_after: int = key(
        2592000, low=0, help="Seconds after its end at which a job moves into the archive; 0: never."
    )
    purge_after: int = key(0, low=0, help="Seconds after its end at which an archived job is forgotten; 0: never.")
    usage_half_life: int = key(
        604800, low=0, help="Seconds after which past use counts half in fair shares; 0: the past does not count."
    )
    usage_months: int = key(
        13, low=0, help="Full months for which usage is kept by day; what is older is kept by month. 0: days for ever."
    )
    offline_timeout: int = key(172800, low=10, help="Seconds that a job may stand in a queue that is offline.")
    obstacle_grace: int = key(
        600, low=0, help="Seconds that jobs wait for their queue to be mended when its change has made them impossible."
    )
    body_limit: int = key(32 * 2**20, low=2**16, help="Largest request body in bytes, as sent and as unpacked.")
    upload_limit: int = key(
        32 * 2**20, low=2**20, help="Largest file of sources that a user sends, in bytes; it may be above body_limit."
    )
    upload_quota: int = key(2 * 2**30, low=2**20, help="Bytes that the files of one user may have together.")
    upload_total: int = key(50 * 2**30, low=2**20, help="Bytes that the files of all users may have together.")
    upload_days: int = key(7, low=1, help="Days for which files that users send are kept.")
    database_timeout: int = key(30, low=1, help="Seconds that a writer waits for another one before it gives up.")
    url: str = key("", help="Address at which pilots reach this server; the factory hands it to them.")
    bundle: str = key("", help="File with the pilot that the factory starts, as `make bundle` writes it.")
    wrapper: str = key("", help="Script that starts the bundle; the project's own when left out.")
    signing_key: str = key("", help="File with the private key that jobs are signed with; without one they are not.")
    broker: str = key(
        "",
        help="RabbitMQ or Redis for the periodic services: amqp(s)://user@host:port/vhost or redis(s)://host:port/0;"
        " without one, files in the home.",
        shown=False,
    )
    broker_password_file: str = key("", help="File, mode 0600, with the password for that broker.")
    broker_ca_file: str = key("", help="File with the authorities by which an encrypted broker is known.")
    broker_certificate: str = key(
        "", help="File with our certificate for it; where the address names no user RabbitMQ takes it for the login."
    )
    broker_key: str = key("", help="File with that certificate's key, when it is in a file of its own.")
    smtp_host: str = key("", help="Mail server that notifications are sent by; without one no mail is sent.")
    smtp_port: int = key(587, low=1, help="Its port: 587 with starttls, 465 with tls, 25 with none.")
    smtp_security: str = key("starttls", help="How the connection to it is kept secret: starttls, tls or none.")
    smtp_user: str = key("", help="Whom the server logs in as there; without one it does not.")
    smtp_password_file: str = key("", help="File, mode 0600, with that user's password.")
    mail_from: str = key("compass@localhost", help="Address that notifications come from.")
    webhook_hosts: str = key(
        "",
        help="Hosts, separated by commas, whose webhooks may be at private addresses and without TLS; .example.org is"
        " all below it. Others are called by https at public addresses alone.",
    )
    pass_hours: int = key(24, low=1, help="Hours for which a pilot's pass is good; it is renewed long before.")
    open_pages: bool = key(False, help="Pages that only read need no login for callers on this machine itself.")
    socket: str = key(
        "",
        help="Unix socket that `serve` listens at, in place of host and port: what comes by it a web server in front"
        " has passed on, and its word on callers is believed.",
    )
    front_secret_file: str = key(
        "", help="File with what the web server in front proves itself by, before its word on certificates is believed."
    )
    voms_roles: str = key(
        "", help="Roles of verified VOMS attributes: FQAN=role, with blanks between; the first that fits counts."
    )
    issuers_file: str = key(
        "", help="YAML file with the issuers whose web tokens (WLCG, OpenID Connect) are believed, and what they mean."
    )
    user_rate: int = key(
        50, low=0, help="Calls per second to each worker that a user, reader or site administrator may make; 0: any."
    )
    user_priority: int = key(1000, low=0, help="Highest priority that users may give to their jobs.")
    service_rate: int = key(
        0, low=0, help="Calls per second to each worker by one token of pilots, productions or administrators; 0: any."
    )
    credential_programs: str = key(
        "", help="Programs, by absolute paths with blanks between, that may be run to obtain proxies and tokens."
    )
    hand_out_days: int = key(90, low=1, help="Days for which it is kept who was handed out which credential.")
    worker_days: int = key(
        30, low=1, help="Days for which it is kept what Harvesters, their workers and nodes have said last."
    )
    pilot_days: int = key(
        60, low=1, help="Days after its end for which a pilot is kept; what it cost stays in the sums by day."
    )
    stranger_rate: int = key(
        100,
        low=0,
        help="Calls per second to each worker from one address whose caller is not known, or need not be; 0: any.",
    )
    login_failures: int = key(
        10, low=0, help="Wrong passwords in ten minutes from one address, after which none is looked at; 0: any."
    )
    public_url: str = key(
        "",
        help="Address at which browsers reach the pages, https://host:port; cookies are for it alone, and forms from it"
        " are believed.",
    )
    hsts_days: int = key(
        0, low=0, help="Days for which browsers, once they were here, come by https only; 0: nothing is said of it."
    )
    session_idle_minutes: int = key(
        720,
        low=1,
        help="Minutes after which a browser that asks for nothing is logged out; pages that follow by"
        " themselves do not count.",
    )
    session_hours: int = key(168, low=1, help="Hours after a login at which a browser is logged out in any case.")
    login_subjects: str = key(
        "", help="Regular expression of whole subjects whose certificates may log in by a browser; all when left out."
    )
    login_subjects_file: str = key(
        "", help="File with such subjects, one a line, in either spelling; with both settings, either lets in."
    )
    administrators: str = key(
        "", help="Whom people ask who may not do something: names and addresses, in words; told on pages."
    )
    incident_level: str = key(
        "ERROR",
        one_of=("WARNING", "ERROR", "CRITICAL"),
        help="Least severe messages of the server that are incidents; warnings that bring an exception always are.",
    )
    incident_days: int = key(
        90, low=1, help="Days for which an incident is kept that does not come again, and counts of all of them."
    )
    trail_days: int = key(400, low=1, help="Days for which it is kept what persons have changed, ordered and exported.")
    trail_view_days: int = key(60, low=1, help="Days for which it is kept which pages persons have looked at.")
    log_json: bool = key(False, help="The log is one JSON object per line, for programs.")
    log_level: str = key("INFO", help="Least severe messages to be logged: DEBUG, INFO, WARNING or ERROR.")

    @property
    def folder(self) -> Path:
        return Path(self.home).expanduser().absolute()

    @property
    def allowed_hosts(self) -> list[str]:
        named = [host.strip() for host in self.hosts.split(",") if host.strip()]
        return ["localhost", "127.0.0.1", "[::1]", *named]


def read_environment(variables: Mapping[str, str] = os.environ) -> Environment:
    """Read the variables.

    Raises:
        ImproperlyConfigured: a variable is unknown, of the wrong kind or too small.
    """
    specs = {PREFIX + spec.name.upper(): spec for spec in fields(Environment)}
    values: dict[str, Any] = {}
    for name, text in variables.items():
        if not name.startswith(PREFIX):
            continue
        if name not in specs:
            near = get_close_matches(name.removeprefix(PREFIX), [spec.name.upper() for spec in specs.values()], n=1)
            meant = f"; did you mean {PREFIX}{near[0]}?" if near else f"; known are {', '.join(specs)}"
            raise ImproperlyConfigured(f"{name} is not a setting{meant}")
        spec = specs[name]
        values[spec.name] = _value(name, text, type(spec.default), spec.metadata["low"])
        if (words := spec.metadata["one_of"]) and values[spec.name] not in words:
            raise ImproperlyConfigured(f"{name}: {text!r} is none of {', '.join(words)}")
    return Environment(**values)


def _value(name: str, text: str, kind: type, low: int | None) -> Any:
    if kind is bool:
        if text.lower() not in _TRUTH:
            raise ImproperlyConfigured(f"{name}: {text!r} is not yes or no")
        return _TRUTH[text.lower()]
    if kind is not int:
        return text
    if not text.strip().isdigit():
        raise ImproperlyConfigured(f"{name}: {text!r} is not a whole number")
    if low is not None and int(text) < low:
        raise ImproperlyConfigured(f"{name}: {text} is less than {low}")
    return int(text)
