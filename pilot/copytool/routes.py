"""Ways to a file: which copy tool, on which storage, under which URL. Deciding only; nothing is touched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pilot.contract.codec import ContractError
from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, JobSpec, Role
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
#: From where jobs read that merge what event ranges have stored, before any other place.
EVENT_INPUTS = "es_events_read"
#: Labels of users' jobs, for which a queue may name other storages.
ANALYSIS_LABELS = ("user", "panda")


class Route(NamedTuple):
    """One way to a file: ``url`` is below ``root`` on the storage ``endpoint``, which ``tool`` can reach."""

    tool: CopyTool
    url: str
    endpoint: str
    root: str


def activities_for(spec: JobSpec, role: Role) -> tuple[str, ...]:
    """Answer the activities to look for, the fittest first."""
    plain = ACTIVITIES[role]
    if role is Role.INPUT and spec.merges_events:
        plain = (EVENT_INPUTS, *plain)
    if spec.label not in ANALYSIS_LABELS:
        return plain
    return (*(f"{name}_analysis" for name in plain if name.endswith("_lan")), *plain)


def routes_for(
    spec: JobSpec,
    file: FileSpec,
    queue: QueueData,
    storages: Mapping[str, StorageEndpoint],
    tools: Mapping[str, CopyTool],
) -> tuple[Route, ...]:
    """List the ways to a file, best first; at least one.

    An input may come from any storage that the queue reads; an output goes to the first.

    Raises:
        JobFailed: queue and storages leave no way, and which of them to correct.
    """
    activities = activities_for(spec, file.role)
    found = tuple(
        Route(tool, _url(file, storage, protocol), storage.name, root_of(protocol))
        for storage in _storages(file, queue, storages, activities)
        for tool in _tools(file, queue, tools, activities)
        for protocol in storage.protocols_for(*activities)
        if protocol.scheme in tool.schemes
    )
    if not found:
        words = f"{file.lfn}: no protocol of its storage for {activities[0]} fits the copy tools of queue {queue.name}"
        raise JobFailed(ErrorCode.NO_STORAGE_PROTOCOL, words, lfn=file.lfn)
    return found


def _storages(
    file: FileSpec, queue: QueueData, storages: Mapping[str, StorageEndpoint], activities: tuple[str, ...]
) -> list[StorageEndpoint]:
    names = (file.endpoint,) if file.endpoint else queue.storages_for(*activities)
    if not names:
        words = f"{file.lfn}: queue {queue.name} names no storage for {activities[0]}; set its astorages"
        raise JobFailed(ErrorCode.NO_STORAGE, words, lfn=file.lfn)
    known = [storages[name] for name in names if name in storages]
    if not known:
        words = f"{file.lfn}: storage {names[0]} is not among those that the server knows"
        raise JobFailed(ErrorCode.NO_STORAGE, words, lfn=file.lfn)
    return known if file.role is Role.INPUT else known[:1]


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
