"""What schedconfig says of a queue, and of the storages it uses, as sent to pilots. Frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Any, Optional

from pilot.contract.codec import (
    INTEGER,
    NUMBER,
    OBJECT,
    TEXT,
    TRUTH,
    ContractError,
    Kind,
    read,
    says_something,
    shown,
)
from pilot.contract.frozen import Frozen
from pilot.contract.job import PANDA_MB

#: Queue states in which pilots are given work.
ONLINE = ("online", "test", "brokeroff", "standby")
#: Seconds between two archives of what event ranges have made, where the queue says none; sooner where its cores are
#: only borrowed (``pledgedcpu`` is -1), and may be gone at any time.
EVENT_GAP, BORROWED_EVENT_GAP, BORROWED = 7200, 600, -1


class Protocol(Frozen):
    """One way to reach a storage.

    ``endpoint`` is scheme and host (``file://``, ``root://host:1094``), ``path`` begins with a slash. ``public_key``
    and ``private_key`` are the names by which the server knows an object storage's keys; "" where it has none.
    """

    endpoint: str
    path: str
    public_key: str = ""
    private_key: str = ""

    @property
    def scheme(self) -> str:
        """The URL scheme, such as ``file`` or ``root``."""
        return self.endpoint.partition("://")[0]


class StorageEndpoint(Frozen):
    """A storage (an RSE, a DDM endpoint) and how to reach it for each activity (``read_lan``, ``write_lan``, ...).

    ``deterministic``: files lie where Rucio's hash puts them; otherwise in a folder named after their dataset.
    """

    name: str
    deterministic: bool
    protocols: Mapping[str, tuple[Protocol, ...]]
    state: str = "ACTIVE"
    id: int = 0  # its number, by which event ranges name it

    def protocols_for(self, *activities: str) -> tuple[Protocol, ...]:
        """Answer the protocols of the first activity that has any."""
        for activity in activities:
            if found := self.protocols.get(activity):
                return found
        return ()

    @classmethod
    def from_wire(cls, name: str, data: Mapping[str, Any]) -> StorageEndpoint:
        """Read one entry of ``ddmendpoints.json``.

        A protocol of an activity (``arprotocols``) may be named by its ``id`` alone, and is then one of ``rprotocols``.

        Raises:
            ContractError: a protocol entry lacks its endpoint or path.
        """
        data = read(data, OBJECT, name)

        def get(key: str, kind: Kind, default: Any) -> Any:
            return read(data[key], kind, f"{name}.{key}") if says_something(data.get(key)) else default

        known = get("rprotocols", OBJECT, {})
        protocols = _protocols(get("arprotocols", OBJECT, {}), f"{name}.arprotocols", known)
        state, number = get("state", TEXT, "ACTIVE"), get("id", INTEGER, 0)
        return cls(name, get("is_deterministic", TRUTH, True), protocols, state, number)


def _protocols(
    data: Mapping[str, Any], name: str, known: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, tuple[Protocol, ...]]:
    """Read protocols by activity; ``known`` are those that may be named by their number alone."""
    protocols = {}
    for activity, entries in data.items():
        where = f"{name}.{activity}"
        protocols[activity] = tuple(_protocol(entry, where, known) for entry in _sequence(entries, where))
    return protocols


def _protocol(entry: Any, where: str, known: Mapping[str, Any]) -> Protocol:
    if isinstance(entry, (list, tuple)) and len(entry) > 1:  # as queues have them: address, storage, path
        entry = {"endpoint": entry[0], "path": entry[-1]}
    found = read(entry, OBJECT, where)
    if "endpoint" not in found and (other := known.get(str(found.get("id")))):
        found = {**read(other, OBJECT, where), **found}
    endpoint, path = found.get("endpoint"), found.get("path")
    if not isinstance(endpoint, str) or "://" not in endpoint:
        raise ContractError(f"{where}: endpoint: {shown(endpoint)} is not an address like file://", field_name=where)
    if not isinstance(path, str) or not path.startswith("/"):
        raise ContractError(f"{where}: path: {shown(path)} does not begin with a slash", field_name=where)
    keys = read(found.get("settings") or {}, OBJECT, f"{where}.settings")
    public, private = keys.get("access_key") or "", keys.get("secret_key") or ""
    return Protocol(endpoint, path, *(read(name, TEXT, f"{where}.settings") for name in (public, private)))


def _sequence(value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise ContractError(f"{where}: {shown(value)} is not a list", field_name=where)
    return tuple(value)


class QueueData(Frozen):
    """One PanDA queue. Sizes are bytes, times seconds; 0 means no limit, or that nobody said.

    PanDA's own keys are in ``from_wire``.
    """

    name: str
    site: str = ""
    state: str = "ACTIVE"
    status: str = "online"
    type: str = "unified"
    catchall: str = ""
    cores: int = 1
    memory: int = 0
    max_time: int = 0
    max_workdir: int = 0
    max_input_size: int = 0
    time_floor: int = 0
    appdir: str = ""
    environ: str = ""
    container_type: str = ""
    container_options: str = ""
    copytools: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    acopytools: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    astorages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    acopytools_schemas: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    aprotocols: Mapping[str, tuple[Protocol, ...]] = field(default_factory=dict)
    allow_lan: bool = True
    allow_wan: bool = False
    direct_access_lan: bool = False
    direct_access_wan: bool = False
    params: Mapping[str, Any] = field(default_factory=dict)
    event_gap: int = EVENT_GAP

    @property
    def gathers(self) -> bool:
        """Whether it is a supercomputer's, as PanDA marks them: its jobs are run many at a time."""
        return "HPC_HPC" in self.catchall.replace(",", " ").split()

    def copytools_for(self, *activities: str) -> tuple[str, ...]:
        """Answer the copy tools of the first activity that has any, then those of ``default``, then all there are."""
        for activity in (*activities, "default"):
            if found := self.acopytools.get(activity):
                return found
        return tuple(self.copytools)

    def storages_for(self, *activities: str) -> tuple[str, ...]:
        """Answer the names of the storages of the first activity that has any."""
        for activity in (*activities, "default"):
            if found := self.astorages.get(activity):
                return found
        return ()

    @property
    def far_storages(self) -> tuple[str, ...]:
        """The names of the storages that are read over the wide network; none where the queue does not allow that."""
        return self.astorages.get("read_wan", ()) if self.allow_wan else ()

    def schemas_for(self, tool: str, *activities: str) -> tuple[str, ...]:
        """Answer the URL schemes that a copy tool is to use, best first; none when the queue leaves it to the tool."""
        for activity in (*activities, "default"):
            if found := self.acopytools_schemas.get(activity):
                return found.get(tool) or found.get("default") or ()
        return ()

    def protocols_for(self, *activities: str) -> tuple[Protocol, ...]:
        """Answer the queue's own protocols, for storages that have none for these activities."""
        for activity in activities:
            if found := self.aprotocols.get(activity):
                return found
        return ()

    @property
    def alternative_storage(self) -> Optional[bool]:
        """Whether outputs may go to another storage when theirs does not take them; ``None``: the queue has no say."""
        said = self.params.get("allow_altstageout")
        return None if not says_something(said) else read(said, TRUTH, "params.allow_altstageout")

    def grace(self, name: str) -> Optional[float]:
        """Answer how many times a limit may be taken, by one of the parameters that PanDA writes in percent.

        ``pilot_rss_grace: 50`` makes it 1.5 times. ``None`` when the queue does not say so, or says no number.
        """
        try:
            said = float(self.params[name])
        except (KeyError, TypeError, ValueError):
            return None
        return 1.0 + max(0.0, said) / 100 if abs(said) < float("inf") else None

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> QueueData:
        """Read one queue's JSON as the PanDA cache and CRIC give it; keys that pilots do not use are passed over.

        Raises:
            ContractError: the name is missing or a value is of the wrong kind.
        """
        data = read(data, OBJECT, "queue")

        def get(key: str, kind: Kind, default: Any) -> Any:
            return read(data[key], kind, key) if says_something(data.get(key)) else default

        name = get("nickname", TEXT, "") or get("panda_resource", TEXT, "")
        if not name:
            raise ContractError("nickname: missing; the queue's name is expected", field_name="nickname")
        return cls(
            name=name,
            site=get("atlas_site", TEXT, "") or get("gstat", TEXT, ""),
            state=get("state", TEXT, "ACTIVE"),
            status=get("status", TEXT, "online"),
            type=get("type", TEXT, "unified"),
            catchall=get("catchall", TEXT, ""),
            cores=max(1, get("corecount", INTEGER, 1)),
            memory=max(0, get("maxrss", INTEGER, 0)) * PANDA_MB,
            max_time=max(0, get("maxtime", INTEGER, 0)),
            max_workdir=max(0, get("maxwdir", INTEGER, 0)) * PANDA_MB,
            max_input_size=max(0, get("maxinputsize", INTEGER, 0)) * PANDA_MB,
            time_floor=max(0, round(get("timefloor", NUMBER, 0) * 60)),
            appdir=get("appdir", TEXT, ""),
            environ=get("environ", TEXT, ""),
            container_type=get("container_type", TEXT, ""),
            container_options=get("container_options", TEXT, ""),
            copytools={
                tool: read(options or {}, OBJECT, f"copytools.{tool}")
                for tool, options in get("copytools", OBJECT, {}).items()
            },
            acopytools=_lists(get("acopytools", OBJECT, {}), "acopytools"),
            astorages=_lists(get("astorages", OBJECT, {}), "astorages"),
            acopytools_schemas=_schemas(get("acopytools_schemas", OBJECT, {})),
            aprotocols=_protocols(get("aprotocols", OBJECT, {}), "aprotocols"),
            allow_lan=get("allow_lan", TRUTH, True),
            allow_wan=get("allow_wan", TRUTH, False),
            direct_access_lan=get("direct_access_lan", TRUTH, False),
            direct_access_wan=get("direct_access_wan", TRUTH, False),
            params=get("params", OBJECT, {}),
            event_gap=max(0, get("zip_time_gap", INTEGER, 0)) or _event_gap(get("pledgedcpu", NUMBER, 0)),
        )


def _event_gap(pledged: float) -> int:
    return BORROWED_EVENT_GAP if pledged == BORROWED else EVENT_GAP


def _lists(data: Mapping[str, Any], name: str) -> dict[str, tuple[str, ...]]:
    return {
        key: tuple(read(item, TEXT, f"{name}.{key}") for item in _sequence(value, f"{name}.{key}"))
        for key, value in data.items()
    }


def _schemas(data: Mapping[str, Any]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Read schemes by activity: a list for every copy tool, or lists by the tools' names."""
    found = {}
    for activity, said in data.items():
        by_tool = said if isinstance(said, Mapping) else {"default": said}
        found[activity] = _lists(by_tool, f"acopytools_schemas.{activity}")
    return found


def local_storage(name: str, folder: str, activities: Optional[tuple[str, ...]] = None) -> dict[str, Any]:
    """Write the ``ddmendpoints.json`` entry of a storage that is a folder of this machine.

    Args:
        name: The endpoint's name.
        folder: An absolute path.
        activities: What it is used for; reading, writing and logs when left out.
    """
    names = activities or ("read_lan", "write_lan", "pr", "pw", "pl", "r", "w")
    protocol = {"endpoint": "file://", "path": folder, "flavour": "FILE", "id": 1}
    return {
        "id": 1,
        "name": name,
        "type": "DATADISK",
        "state": "ACTIVE",
        "is_deterministic": False,
        "arprotocols": {activity: [protocol] for activity in names},
    }
