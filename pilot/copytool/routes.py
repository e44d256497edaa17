"""Ways to a file: which copy tool, on which storage, under which URL. Deciding only; nothing is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pilot.contract.codec import ContractError
from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.contract.named import NamedTuple
from pilot.contract.queue import Protocol, QueueData, StorageEndpoint
from pilot.copytool.base import CopyTool
from pilot.errors import JobFailed
from pilot.site.storage import root_of, url_of

#: PanDA's names of what a transfer is for, by a file's role; the first that a queue or a storage knows is taken.
ACTIVITIES: Mapping[Role, tuple[str, ...]] = {
    Role.INPUT: ("read_lan", "pr", "r"),
    Role.OUTPUT: ("write_lan", "pw", "w"),
    Role.LOG: ("pl", "write_lan", "pw", "w"),
    Role.ZIP: ("es_events", "pw", "write_lan", "w"),
}
#: The same for inputs on storages that are not the queue's own.
FAR = ("read_wan", *ACTIVITIES[Role.INPUT])
#: From where jobs read that merge what event ranges have stored, before any other place.
EVENT_INPUTS = "es_events_read"
#: Labels of users' jobs, for which a queue may name other storages.
ANALYSIS_LABELS = ("user", "panda")


class Route(NamedTuple):
    """One way to a file: ``url`` is below ``root`` on the storage ``endpoint``, which ``tool`` can reach.

    ``activity`` is that whose protocol this is; ``far``: the storage is not the queue's own.
    """

    tool: CopyTool
    url: str
    endpoint: str
    root: str
    activity: str = ""
    far: bool = False

    @property
    def scheme(self) -> str:
        """By which the storage is reached."""
        return self.url.partition(":")[0]


class Source(NamedTuple):
    """A storage that can have an input, and whether it is far away."""

    storage: StorageEndpoint
    far: bool = False


def activities_for(spec: JobSpec, role: Role, *, far: bool = False) -> tuple[str, ...]:
    """Answer the activities to look for, the fittest first."""
    plain = FAR if far else ACTIVITIES[role]
    if role is Role.INPUT and spec.merges_events:
        plain = (EVENT_INPUTS, *plain)
    if spec.label not in ANALYSIS_LABELS:
        return plain
    return (*(f"{name}_analysis" for name in plain if name.endswith(("_lan", "_wan"))), *plain)


def routes_for(
    spec: JobSpec,
    file: FileSpec,
    queue: QueueData,
    storages: Mapping[str, StorageEndpoint],
    tools: Mapping[str, CopyTool],
) -> tuple[Route, ...]:
    """List the ways to a file, best first; at least one.

    An input comes from one of the addresses that are given with it, from the storage that it names, from any that the
    queue reads (when it names none, or has a checksum by which it is known), or from wherever a catalogue has it. An
    output goes to the first storage; what goes when that fails says `alternatives_for`.

    Raises:
        JobFailed: queue and storages leave no way, and which of them to correct.
    """
    if file.role is not Role.INPUT:
        return _stored_at(spec, file, queue, _targets(spec, file, queue, storages)[0], tools)
    near = _tools(file, queue, tools, activities_for(spec, file.role))
    given = [Route(tool, url, file.endpoint, "") for url in file.urls for tool in near if _reaches(tool, url)]
    catalogue = [Route(tool, f"{tool.name}:{file.scope}:{file.lfn}", "", "") for tool in near if tool.catalogue]
    sources = _sources(spec, file, queue, storages, needed=not (given or catalogue))
    found = [*given, *(route for source in sources for route in _ways(spec, file, queue, source, tools)), *catalogue]
    return tuple(found) or _no_protocol(file, queue, activities_for(spec, file.role)[0])


def alternatives_for(
    spec: JobSpec,
    file: FileSpec,
    queue: QueueData,
    storages: Mapping[str, StorageEndpoint],
    tools: Mapping[str, CopyTool],
) -> tuple[Route, ...]:
    """List the ways of an output to another storage, for when its own does not take it; none when that may not be.

    The job's word goes before the queue's (``params.allow_altstageout``); without either, there is no other storage.
    """
    said = spec.alternative_storage
    if not (queue.alternative_storage if said is None else said):
        return ()
    own = _targets(spec, file, queue, storages)[0].name
    names = queue.storages_for(*activities_for(spec, file.role))
    found: list[Route] = []
    for storage in (storages[name] for name in names if name in storages and name != own):
        found += _ways(spec, file, queue, Source(storage), tools)
    return tuple(found)


def _stored_at(
    spec: JobSpec, file: FileSpec, queue: QueueData, storage: StorageEndpoint, tools: Mapping[str, CopyTool]
) -> tuple[Route, ...]:
    found = _ways(spec, file, queue, Source(storage), tools)
    return tuple(found) or _no_protocol(file, queue, activities_for(spec, file.role)[0])


def _ways(
    spec: JobSpec, file: FileSpec, queue: QueueData, source: Source, tools: Mapping[str, CopyTool]
) -> list[Route]:
    """Answer the ways to a file on one storage: by each tool, and there by each protocol that it can work with."""
    activities = activities_for(spec, file.role, far=source.far)
    storage, protocols = source.storage, source.storage.protocols_for(*activities)
    protocols = protocols or queue.protocols_for(*activities)
    activity = next((name for name in activities if name in storage.protocols), activities[0])
    return [
        Route(tool, _url(file, storage, protocol), storage.name, root_of(protocol), activity, source.far)
        for tool in _tools(file, queue, tools, activities)
        for protocol in _fitting(tool, protocols, queue.schemas_for(tool.name, *activities))
    ]


def _fitting(tool: CopyTool, protocols: Sequence[Protocol], schemas: Sequence[str]) -> list[Protocol]:
    """Answer the protocols by which a tool is to work, in the order of the queue's schemes where it names some."""
    known = [protocol for protocol in protocols if tool.reaches(protocol.scheme)]
    if not schemas:
        return known
    wanted = [protocol for protocol in known if protocol.scheme in schemas]
    return sorted(wanted, key=lambda protocol: schemas.index(protocol.scheme))


def _reaches(tool: CopyTool, url: str) -> bool:
    return tool.reaches(url.partition(":")[0])


def _no_protocol(file: FileSpec, queue: QueueData, activity: str) -> tuple[Route, ...]:
    words = f"{file.lfn}: no protocol of its storage for {activity} fits the copy tools of queue {queue.name}"
    raise JobFailed(ErrorCode.NO_STORAGE_PROTOCOL, words, lfn=file.lfn)


def _sources(
    spec: JobSpec, file: FileSpec, queue: QueueData, storages: Mapping[str, StorageEndpoint], *, needed: bool
) -> list[Source]:
    """List the storages that can have an input, best first: the one that it names, then those that the queue reads."""
    near = queue.storages_for(*activities_for(spec, file.role)) if queue.allow_lan else ()
    named = (file.endpoint,) if file.endpoint else ()
    # Without a checksum, another storage might have something else under the name.
    others = (*near, *queue.far_storages) if file.checksum or not named else ()
    order = tuple(dict.fromkeys((*named, *others)))
    found = [Source(storages[name], name not in near) for name in order if name in storages]
    if not found and needed:
        _no_storage(file, queue, order, activities_for(spec, file.role)[0])
    return found


def _targets(
    spec: JobSpec, file: FileSpec, queue: QueueData, storages: Mapping[str, StorageEndpoint]
) -> list[StorageEndpoint]:
    activities = activities_for(spec, file.role)
    names = (file.endpoint,) if file.endpoint else queue.storages_for(*activities)
    known = [storages[name] for name in names if name in storages]
    if not known:
        _no_storage(file, queue, names, activities[0])
    return known


def _no_storage(file: FileSpec, queue: QueueData, names: Sequence[str], activity: str) -> None:
    if file.role is Role.INPUT and not names and not queue.allow_lan:
        words = f"{file.lfn}: queue {queue.name} may not read from its own storages; set its allow_lan"
    elif not names:
        words = f"{file.lfn}: queue {queue.name} names no storage for {activity}; set its astorages"
    else:
        words = f"{file.lfn}: storage {names[0]} is not among those that the server knows"
    raise JobFailed(ErrorCode.NO_STORAGE, words, lfn=file.lfn)


def _tools(
    file: FileSpec, queue: QueueData, tools: Mapping[str, CopyTool], activities: tuple[str, ...]
) -> list[CopyTool]:
    names = queue.copytools_for(*activities)
    known = [tools[name] for name in names if name in tools]
    if not known:
        asked = ", ".join(names) or "no copy tool"
        words = f"queue {queue.name} names {asked} for {activities[0]}; here are {', '.join(sorted(tools))}"
        raise JobFailed(ErrorCode.UNKNOWN_COPY_TOOL, words, lfn=file.lfn)
    if file.role is Role.INPUT:
        return [tools.get(tool.reads_with, tool) for tool in known]
    return known


def _url(file: FileSpec, storage: StorageEndpoint, protocol: Protocol) -> str:
    try:
        return url_of(file, storage, protocol)
    except ContractError as wrong:
        raise JobFailed(ErrorCode.BAD_JOB_DEFINITION, f"{file.lfn}: {wrong}", lfn=file.lfn) from wrong
