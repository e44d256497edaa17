"""The rows of productions as tests read them: of tasks and all that belongs to them, and of requests to storages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.whole.audit import Rows


class Task(NamedTuple):
    id: int
    name: str
    type: str
    state: str
    parent: int | None


class Chunk(NamedTuple):
    id: int
    task: int
    run: int
    number: int
    state: str
    ordered: int | None
    done: int | None


class Group(NamedTuple):
    id: int
    task: int
    run: int
    kind: str
    number: int
    state: str
    expected: int | None
    found: int | None


class Output(NamedTuple):
    id: int
    task: int
    run: int
    kind: str
    lfn: str
    dataset: str
    size: int
    checksum: str
    events: int | None
    tape: str
    removed: Any
    chunk: int | None
    group: int | None


class Check(NamedTuple):
    task: int
    run: int
    kind: str
    verdict: str
    expected: int | None
    found: int | None


class Event(NamedTuple):
    """A move of a task, or of a chunk, a group or a run's check of it."""

    task: int
    chunk: int | None
    group: int | None
    before: str
    after: str
    run: int | None = None


class Move(NamedTuple):
    """A move of one file of a request to a storage."""

    transfer: int
    before: str
    after: str


class Transfer(NamedTuple):
    id: int
    kind: str
    state: str
    lfn: str


class Request(NamedTuple):
    """What a storage was asked for."""

    id: int
    kind: str
    state: str


@dataclass(frozen=True)
class Production:
    """All rows, each kind in the order in which they were written."""

    tasks: Sequence[Task] = ()
    chunks: Sequence[Chunk] = ()
    groups: Sequence[Group] = ()
    outputs: Sequence[Output] = ()
    checks: Sequence[Check] = ()
    events: Sequence[Event] = ()
    transfers: Sequence[Transfer] = ()
    moves: Sequence[Move] = ()
    requests: Sequence[Request] = ()

    def name(self, task: int) -> str:
        return next((one.name for one in self.tasks if one.id == task), f"task {task}")


_ROWS = {
    "tasks": (Task, "SELECT id, name, type, state, parent_task_id FROM production_task ORDER BY id"),
    "chunks": (
        Chunk,
        (
            "SELECT c.id, c.task_id, r.number, c.number, c.state, c.events_ordered, c.events_done"
            " FROM production_chunk c JOIN production_run r ON r.id = c.run_id ORDER BY c.id"
        ),
    ),
    "groups": (
        Group,
        (
            "SELECT g.id, g.task_id, r.number, g.kind, g.number, g.state, g.events_expected, g.events_found"
            " FROM production_mergegroup g JOIN production_run r ON r.id = g.run_id ORDER BY g.id"
        ),
    ),
    "outputs": (
        Output,
        (
            "SELECT o.id, o.task_id, r.number, o.kind, o.lfn, o.dataset, o.size, o.checksum, o.events, o.tape,"
            " o.removed, o.chunk_id, o.group_id"
            " FROM production_output o JOIN production_run r ON r.id = o.run_id ORDER BY o.id"
        ),
    ),
    "checks": (
        Check,
        (
            "SELECT c.task_id, r.number, c.kind, c.verdict, c.expected, c.found FROM production_crosscheck c"
            " JOIN production_run r ON r.id = c.run_id ORDER BY c.id"
        ),
    ),
    "events": (
        Event,
        "SELECT task_id, chunk_id, group_id, before, after, run_id FROM production_taskevent ORDER BY id",
    ),
    "transfers": (
        Transfer,
        (
            "SELECT t.id, t.kind, t.state, f.lfn FROM dataservice_transfer t"
            " JOIN dataservice_datasetfile f ON f.id = t.file_id ORDER BY t.id"
        ),
    ),
    "moves": (Move, "SELECT transfer_id, before, after FROM dataservice_transferevent ORDER BY id"),
    "requests": (Request, "SELECT id, kind, state FROM dataservice_transferrequest ORDER BY id"),
}


def read(rows: Rows) -> Production:
    """Read everything once."""
    found: dict[str, Any] = {}
    for name, (kind, query) in _ROWS.items():
        found[name] = [kind(*row) for row in rows.read(query)]
    return Production(**found)
