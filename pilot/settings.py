"""What an admin may tune. These classes are the only list of settings there is; nothing else reads the environment."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Optional, get_type_hints

from pilot.errors import ConfigError

SYSTEM_FILE = Path("/etc/compass-pilot.yaml")
LOCAL_FILE = "compass-pilot.yaml"
FILE_VARIABLE = "COMPASS_PILOT_CONFIG"
PREFIX = "COMPASS_PILOT__"
#: Holds a pilot's token itself; never shown, and never a setting.
TOKEN_VARIABLE = "COMPASS_PILOT_TOKEN"  # noqa: S105


#: The longest that any setting in seconds may be, thirty years: the platform cannot wait much longer.
LONGEST = 1e9


def key(default: Any, unit: str = "", *, help: str, low: Optional[float] = None, high: Optional[float] = None) -> Any:
    """Declare one setting: its default, its unit, what it does, the least and the most it may be."""
    return field(default=default, metadata={"unit": unit, "help": help, "low": low, "high": high})


def choice(default: str, *words: str, help: str) -> Any:
    """Declare a setting that is one of some words."""
    return field(default=default, metadata={"unit": "", "help": help, "words": (default, *words)})


@dataclass(frozen=True)
class Server:
    """The server and how to speak with it."""

    url: str = key("", help="Address of the server; without a scheme, https is meant.")
    port: int = key(25443, help="Port of the server, unless the address holds one.", low=1, high=65535)
    dialect: str = choice("v1", "legacy", help="v1: /api/v1; legacy: PanDA's /server/panda.")
    token_file: str = key("", help="File with the pilot's token; read anew for each request.")
    origin: str = key("", help="Organisation that a token belongs to; sent in the Origin header.")
    certificate: str = key("", help="File with the client certificate and its key (PEM), a proxy for instance.")
    authorities: str = key("", help="File or folder of the authorities that server certificates are verified with.")
    web_proxy: str = key("", help="Web proxy that requests go through.")
    connect_timeout: float = key(10.0, "s", low=0.1, help="Longest wait for a connection.")
    read_timeout: float = key(60.0, "s", low=0.1, help="Longest wait for a whole answer.")
    report_wait: float = key(1.0, "s", low=0.01, help="Wait before a final report is offered again; doubles each time.")
    report_wait_most: float = key(300.0, "s", low=0.01, help="Longest wait before a final report is offered again.")
    report_for: float = key(10800.0, "s", low=0.1, help="A final report not taken for this long is left on the disk.")
    lost_after: float = key(10800.0, "s", low=1, help="A job whose reports are not taken this long is given up.")


@dataclass(frozen=True)
class Queue:
    """Which work to ask for."""

    name: str = key("", help="PanDA queue to ask work for.")
    label: str = key("managed", help="Kind of jobs (prodSourceLabel).")
    data_url: str = key("", help="Address or file of the queue's description; the server's own when left out.")
    storage_url: str = key("", help="Address or file of the storages' description; the server's own when left out.")
    refresh: float = key(10800.0, "s", low=0, help="Age at which both descriptions are fetched anew.")
    working_group: str = key("", help="Only jobs of this working group.")
    country_group: str = key("", help="Only jobs of this country group.")
    allow_other_country: bool = key(False, help="Take jobs of other country groups too.")
    job_type: str = key("", help="Only jobs of this type.")
    resource_type: str = key("", help="Only jobs of this resource type, such as SCORE or MCORE.")


@dataclass(frozen=True)
class Job:
    """How many jobs a pilot runs, and for how long."""

    workdir: str = key("", help="Folder in which the pilot works; the one it is started in when left out.")
    at_once: int = key(1, "jobs", low=1, high=1000, help="Jobs at the same time.")
    cores: int = key(0, "cores", low=0, help="Cores that these jobs share; 0: not counted.")
    requests: int = key(2, "requests", low=1, help="Requests without a job after which the pilot ends.")
    failures: int = key(5, "requests", low=1, help="Failed requests in a row after which the pilot ends.")
    ask_wait: float = key(120.0, "s", low=0.01, help="Wait between two requests, give or take a half.")
    time_floor: float = key(-1.0, "s", low=-1, help="Ask for another job until this age; -1: as the queue says.")
    lifetime: float = key(324000.0, "s", low=1, help="Longest life of the pilot.")
    reserve: float = key(180.0, "s", low=0, help="Part of its life kept for ending the jobs and storing their logs.")
    keep_workdir: bool = key(False, help="Leave the directories of jobs behind.")


@dataclass(frozen=True)
class Payload:
    """Running the experiment's program."""

    grace: float = key(10.0, "s", low=0, help="Time between SIGTERM and SIGKILL for a payload that is to end.")
    environment: tuple[str, ...] = key(
        (), help="Variables that a payload gets from the pilot's environment beside the usual ones (PATH, HOME ...)."
    )


@dataclass(frozen=True)
class Copy:
    """Bringing files and storing them."""

    attempts: int = key(2, "tries", low=1, high=20, help="Tries for one file.")
    base_time: float = key(400.0, "s", low=1, help="Time that any one copy may take.")
    rate: float = key(1e6, "bytes/s", low=1, help="Slowest copy that is waited for, beyond that time.")
    most_time: float = key(10800.0, "s", low=1, help="Longest time for one job's inputs, or for its outputs.")
    log_time: float = key(600.0, "s", low=1, help="Longest time for packing and storing a log.")


@dataclass(frozen=True)
class Monitor:
    """Watching running jobs."""

    heartbeat: float = key(1800.0, "s", low=0.1, help="Time between two reports on a running job.")
    checks: float = key(60.0, "s", low=0.1, help="Time between two looks at a running job.")
    free_disk: int = key(10**9, "bytes", low=0, help="Free space on the node below which a running job is ended.")
    free_disk_at_start: int = key(2 * 10**9, "bytes", low=0, help="Free space on the node that a job needs to begin.")


@dataclass(frozen=True)
class Stop:
    """Ending the pilot."""

    within: float = key(60.0, "s", low=1, help="Time after a first signal for ending jobs, storing logs, reporting.")
    within_again: float = key(5.0, "s", low=0.1, help="The same after a second signal.")


@dataclass(frozen=True)
class Plugins:
    """The experiment's own code."""

    user: str = key("generic", help="Experiment whose plugin decides; generic and compass are built in.")
    also: tuple[str, ...] = key((), help="Further installed plugins (entry points of compass_pilot.plugins).")


@dataclass(frozen=True)
class Log:
    """The pilot's own log."""

    debug: bool = key(False, help="Write more.")
    breakages: int = key(10, "per hour", low=0, help="Breakages of one part of the pilot after which it ends.")


@dataclass(frozen=True)
class Settings:
    """Everything; one attribute per section."""

    server: Server = field(default_factory=Server)
    queue: Queue = field(default_factory=Queue)
    job: Job = field(default_factory=Job)
    payload: Payload = field(default_factory=Payload)
    copy: Copy = field(default_factory=Copy)
    monitor: Monitor = field(default_factory=Monitor)
    stop: Stop = field(default_factory=Stop)
    plugins: Plugins = field(default_factory=Plugins)
    log: Log = field(default_factory=Log)


SECTIONS: Mapping[str, type] = get_type_hints(Settings)

#: (where it comes from, {section: {key: value}}); values of the environment are text and are read as YAML.
Layer = tuple[str, Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True)
class Loaded:
    """Settings, and where each value that is not a default came from: (section, key) -> layer."""

    settings: Settings
    origins: Mapping[tuple[str, str], str]

    def lines(self) -> list[str]:
        """Write each value with its origin, one line each."""
        return [
            f"{section}.{spec.name} = {_shown(getattr(getattr(self.settings, section), spec.name))}"
            f"  # {self.origins.get((section, spec.name), 'default')}"
            for section, kind in SECTIONS.items()
            for spec in fields(kind)
        ]


def _shown(value: Any) -> str:
    """Write a value without the name and password that an address may hold: it goes into logs."""
    return re.sub(r"//[^/@\s]*@", "//***@", repr(value))


def load(layers: Iterable[Layer]) -> Loaded:
    """Lay configuration layers over the defaults, later over earlier.

    Raises:
        ConfigError: a section or key that does not exist, or a value of the wrong type or out of its limits. The
            message names the layer, the key and, where one is close, the key that was meant.
    """
    chosen: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
    origins: dict[tuple[str, str], str] = {}
    for origin, layer in layers:
        for section, values in layer.items():
            known = {spec.name: spec for spec in fields(_pick(section, SECTIONS, origin))}
            if not isinstance(values, Mapping):
                raise ConfigError(f"{origin}: {section} is {values!r}; keys and values are expected below it")
            for name, value in values.items():
                spec = _pick(name, known, origin, within=f"{section}.")
                chosen[section][name] = _checked(value, spec, f"{origin}: {section}.{name}")
                origins[section, name] = origin
    return Loaded(Settings(**{name: kind(**chosen[name]) for name, kind in SECTIONS.items()}), origins)


def _pick(name: Any, known: Mapping[str, Any], origin: str, within: str = "") -> Any:
    if name in known:
        return known[name]
    near = difflib.get_close_matches(str(name), known, n=1)
    hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"
    raise ConfigError(f"{origin}: {within}{name} is not a setting{hint}")


_EXPECTED = {bool: "true or false", int: "a whole number", float: "a number", str: "text", tuple: "a list of texts"}


def _checked(value: Any, spec: Any, where: str) -> Any:
    kind = type(spec.default)
    if kind is float and type(value) is int:
        value = float(value)
    if kind is tuple and isinstance(value, list) and all(isinstance(part, str) for part in value):
        value = tuple(value)
    if type(value) is not kind or value != value:
        raise ConfigError(f"{where} is {value!r}; {_EXPECTED[kind]} is expected")
    words = spec.metadata.get("words")
    if words and value not in words:
        raise ConfigError(f"{where} is {value!r}; one of {', '.join(words)} is expected")
    low, high, unit = spec.metadata.get("low"), spec.metadata.get("high"), spec.metadata["unit"]
    if high is None and unit == "s":
        high = LONGEST
    if low is not None and value < low:
        raise ConfigError(f"{where} is {value}; the least allowed is {low} {unit}".rstrip())
    if high is not None and value > high:
        raise ConfigError(f"{where} is {value}; the most allowed is {high} {unit}".rstrip())
    return value


def read_file(path: Path, *, needed: bool = True) -> list[Layer]:
    """Read one YAML file as a layer; ``[]`` for one that need not be there and is not.

    Raises:
        ConfigError: it cannot be read, or is not YAML with sections; the message names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as wrong:
        if not needed:
            return []
        raise ConfigError(f"{path}: there is no such file") from wrong
    except (OSError, UnicodeDecodeError) as wrong:
        raise ConfigError(f"{path}: cannot be read: {wrong}") from wrong
    found = _parse(text, str(path))
    if found is None:
        return []
    if not isinstance(found, Mapping):
        raise ConfigError(f"{path}: sections such as 'monitor:' are expected, not {type(found).__name__}")
    return [(str(path), {name: {} if values is None else values for name, values in found.items()})]


def _parse(text: str, where: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as wrong:
        mark = getattr(wrong, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{where}{line}: not YAML: {getattr(wrong, 'problem', None) or wrong}") from wrong


def from_environment(environment: Mapping[str, str]) -> list[Layer]:
    """Read ``COMPASS_PILOT__SECTION__KEY`` variables, one layer each, so that a slip names its variable."""
    layers: list[Layer] = []
    for variable in sorted(name for name in environment if name.startswith(PREFIX)):
        section, _, name = variable[len(PREFIX) :].lower().partition("__")
        known = {spec.name: spec for spec in fields(SECTIONS[section])} if section in SECTIONS else {}
        text = environment[variable]
        is_text = name in known and isinstance(known[name].default, str)
        layers.append((f"${variable}", {section: {name: text if is_text else _parse(text, f"${variable}")}}))
    return layers


def layers(
    config: Optional[str], options: Sequence[Layer], *, environment: Optional[Mapping[str, str]] = None
) -> list[Layer]:
    """Collect every layer but the defaults, in their order.

    Raises:
        ConfigError: a file cannot be read or is no YAML.
    """
    env = os.environ if environment is None else environment
    named = env.get(FILE_VARIABLE)
    return [
        *read_file(SYSTEM_FILE, needed=False),
        *read_file(Path(LOCAL_FILE), needed=False),
        *(read_file(Path(named)) if named else []),
        *from_environment(env),
        *(read_file(Path(config)) if config else []),
        *options,
    ]


class Token:
    """The pilot's token, read anew each time, because it is renewed on the disk while the pilot lives."""

    def __init__(self, server: Server) -> None:
        self._file = server.token_file
        self._seen: set[str] = set()

    def read(self) -> str:
        """Answer the token: from its file, else from the environment; ``""`` when there is none.

        Raises:
            ConfigError: the file cannot be read, or holds what is no token. The message never holds the token.
        """
        try:
            found = Path(self._file).read_text(encoding="ascii") if self._file else os.environ.get(TOKEN_VARIABLE, "")
        except UnicodeDecodeError as wrong:
            raise ConfigError(f"server.token_file: {self._file} holds no token: it is not plain text") from wrong
        except OSError as wrong:
            raise ConfigError(f"server.token_file: {self._file} cannot be read: {wrong.strerror}") from wrong
        if token := found.strip():
            if not (token.isascii() and token.isprintable()) or " " in token:
                where = f"server.token_file: {self._file}" if self._file else f"${TOKEN_VARIABLE}"
                raise ConfigError(f"{where} holds no token: it has blanks, line ends or letters that no token has")
            self._seen.add(token)
        return token

    def seen(self) -> tuple[str, ...]:
        """Answer every token so far; no log may hold one."""
        return tuple(self._seen)


def environment() -> dict[str, str]:
    """Answer the pilot's own environment; a payload gets an allow-list of it."""
    return dict(os.environ)
