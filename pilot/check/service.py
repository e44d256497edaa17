"""Judges what a server, a queue and its storages are. Pure: what was heard and found comes as arguments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Optional
from urllib.parse import urlsplit

from pilot.check.finding import Finding, bad, doubtful, good
from pilot.contract.codes import ErrorCode
from pilot.contract.queue import ONLINE, QueueData, StorageEndpoint

if TYPE_CHECKING:
    from pilot.job import Problem

#: Seconds by which two clocks may differ without anybody noticing, and without harm to tokens and certificates.
SMALL_SKEW, LARGE_SKEW = 5.0, 300.0
#: What storages are used for, and whether that writes.
USES = (("read_lan", False), ("write_lan", True), ("pl", True))


@dataclass(frozen=True)
class Contact:
    """What came of speaking with a server. ``skew``: by how many seconds its clock is ahead; ``None``: not told."""

    name: str
    seconds: float = 0.0
    dialect: str = ""
    skew: Optional[float] = None
    problem: Optional[Problem] = None
    queue: Optional[QueueData] = None
    queue_problem: Optional[Problem] = None
    storages: Mapping[str, StorageEndpoint] = field(default_factory=dict)
    storages_problem: Optional[Problem] = None


def server(contact: Contact) -> Iterator[Finding]:
    """Judge whether the server is there, and accepts this pilot."""
    if contact.problem is None:
        yield good("server", f"{contact.name} answers in {contact.seconds:.2f} s, dialect {contact.dialect}")
        yield good("identity", "accepted")
    elif contact.problem.code is ErrorCode.IDENTITY_REFUSED:
        yield good("server", f"{contact.name} answers in {contact.seconds:.2f} s")
        yield bad("identity", contact.problem.detail, ErrorCode.IDENTITY_REFUSED)
    else:
        yield bad("server", f"{contact.name}: {contact.problem.detail}", contact.problem.code)


def in_clear(url: str) -> bool:
    """Say whether what is sent there can be read on the way; on the node itself there is none."""
    parts = urlsplit(url)
    return (
        parts.scheme == "http"
        and parts.hostname not in ("localhost", "::1")
        and not (parts.hostname or "").startswith("127.")
    )


def clock(skew: Optional[float]) -> Finding:
    """Judge this node's clock by the server's, which is told to a second."""
    if skew is None:
        return good("clock", "the server tells no time")
    words = f"{abs(skew):.0f} s {'behind' if skew > 0 else 'ahead of'} the server's"
    if abs(skew) > LARGE_SKEW:
        advice = "certificates and tokens are refused; have the node's clock set (NTP)"
        return bad("clock", words, ErrorCode.IDENTITY_REFUSED, advice)
    if abs(skew) > SMALL_SKEW:
        return doubtful("clock", words, "have the node's clock set (NTP)")
    return good("clock", words)


def queue(contact: Contact) -> Iterator[Finding]:
    """Judge whether pilots are wanted on the queue."""
    found, problem = contact.queue, contact.queue_problem
    if found is None:
        if problem is not None:
            yield bad("queue", problem.detail, problem.code)
        return
    if found.state.upper() != "ACTIVE":
        yield bad("queue", f"{found.name} is {found.state}", ErrorCode.QUEUE_NOT_ACTIVE)
    elif found.status not in ONLINE:
        yield bad("queue", f"{found.name} is {found.status}", ErrorCode.QUEUE_NOT_ONLINE)
    else:
        yield good("queue", f"{found.name} is {found.status}")


def copy_tools(found: QueueData, tools: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    """Judge whether there is a copy tool for each use; ``tools`` tells by name which programs each lacks here."""
    for activity, _ in USES:
        named = found.copytools_for(activity)
        lacking = {tool: tools[tool] for tool in named if tools.get(tool)}
        usable = ", ".join(tool for tool in named if tool in tools and tool not in lacking)
        words = "; ".join(f"{tool}: {', '.join(programs)} not found on the PATH" for tool, programs in lacking.items())
        label = f"copy tool {activity}"
        if usable and words:
            yield doubtful(label, words, f"what is left is {usable}")
        elif usable:
            yield good(label, usable)
        elif words:
            yield bad(label, words, ErrorCode.MIDDLEWARE_IMPORT)
        elif named:
            words = f"{', '.join(named)}: not in this pilot, which has {', '.join(sorted(tools))}"
            yield bad(label, words, ErrorCode.UNKNOWN_COPY_TOOL)
        else:
            yield bad(label, "none", ErrorCode.UNKNOWN_COPY_TOOL, f"set acopytools of queue {found.name}")


def folders(contact: Contact) -> Iterator[tuple[str, str, bool, str]]:
    """Answer the storages that are folders of this node: use, endpoint, whether it is written to, and path."""
    if contact.queue is None:
        return
    for activity, writes in USES:
        for name in contact.queue.storages_for(activity):
            endpoint = contact.storages.get(name)
            for protocol in endpoint.protocols_for(activity) if endpoint else ():
                if protocol.scheme == "file":
                    yield activity, name, writes, protocol.path


def storages(contact: Contact, wrong: Mapping[tuple[str, str], str]) -> Iterator[Finding]:
    """Judge the queue's storages. ``wrong`` tells by (use, path) what is wrong with a folder, "" for nothing."""
    if contact.storages_problem is not None:
        yield bad("storages", contact.storages_problem.detail, contact.storages_problem.code)
        return
    if contact.queue is None:
        return
    for activity, _ in USES:
        names = contact.queue.storages_for(activity)
        if not names:
            yield bad(f"storage {activity}", "none", ErrorCode.NO_STORAGE)
        for name in names:
            yield _storage(activity, name, contact, wrong)


def _storage(activity: str, name: str, contact: Contact, wrong: Mapping[tuple[str, str], str]) -> Finding:
    label, endpoint = f"storage {activity}", contact.storages.get(name)
    if endpoint is None:
        return bad(label, f"{name} is not among those that the server knows", ErrorCode.NO_STORAGE)
    protocols = endpoint.protocols_for(activity)
    if not protocols:
        return bad(label, f"{name} has no protocol for it", ErrorCode.NO_STORAGE_PROTOCOL)
    for protocol in protocols:
        if words := wrong.get((activity, protocol.path)) if protocol.scheme == "file" else "":
            return bad(label, f"{name}: {protocol.path} {words}", ErrorCode.STORAGE_PERMISSION)
    schemes = ", ".join(f"{protocol.endpoint}{protocol.path}" for protocol in protocols)
    tried = any(protocol.scheme == "file" for protocol in protocols)
    return good(label, f"{name}: {schemes}", "" if tried else "not tried")
