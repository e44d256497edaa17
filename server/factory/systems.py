"""The batch systems that the factory knows: described by an admin, opened once, shared by the queues that name them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from server.batch.base import BatchSystem
from server.batch.local import LocalBatch
from server.batch.place import Place, read_job_options
from server.batch.registry import registry

#: The system that is there without a row.
LOCAL = LocalBatch.name
#: Between the name of a system and that of the one queue that it serves; no name of a system has blanks.
_OF = " of "

#: Answers the open system of a name, for a queue's pilots; raises `UnknownSystem` or `BatchMisconfigured`.
SystemOf = Callable[[str, str], BatchSystem]


class UnknownSystem(LookupError):
    """Nobody has described a batch system of that name, or not any longer."""


@dataclass(frozen=True)
class Described:
    """A batch system as an admin describes it."""

    name: str
    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)


def kinds() -> list[tuple[str, str]]:
    """Answer all kinds of systems as choices of a form."""
    return [(name, name) for name in registry().kinds]


def check_system(described: Described) -> None:
    """Refuse a description that cannot be opened.

    Raises:
        BatchMisconfigured: there is no such kind, or one of its options cannot be so.
    """
    registry().kind(described.kind).open(Place(described.name, Path(), described.options))


def check_job_options(described: Described, said: Mapping[str, Any]) -> None:
    """Refuse what the system of a queue cannot be asked for.

    Raises:
        BatchMisconfigured: it has no such option, or a value is of the wrong kind.
    """
    kind = registry().kind(described.kind).behind(described.options)
    read_job_options(described.name, kind, said)


def open_systems(described: Mapping[str, Described], slots: Mapping[str, int], home: Path) -> SystemOf:
    """Answer what opens systems, each once for all queues; where a kind is one for each queue, once for each.

    What was open of a system, or for a queue, that is not there any longer is let go.

    Args:
        described: The descriptions, by name.
        slots: Slots of each queue, for systems of this machine.
        home: The folder below which all of them keep their files.
    """

    def is_wanted(place: str) -> bool:
        name, _, queue = place.partition(_OF)
        return (name == LOCAL or name in described) and (not queue or queue in slots)

    def system_of(name: str, queue: str) -> BatchSystem:
        if name == LOCAL:
            place = Place(f"{LOCAL}{_OF}{queue}", home / "pilots" / queue, {"slots": slots.get(queue, 0)})
            return registry().open(LOCAL, place)
        if name not in described:
            raise UnknownSystem(f"there is no batch system {name}")
        one = described[name]
        folder, options = home / "systems" / name, dict(one.options)
        if not registry().kind(one.kind).per_queue:
            return registry().open(one.kind, Place(name, folder, options))
        if one.kind == LOCAL:
            options = {"slots": slots.get(queue, 0), **options}
        return registry().open(one.kind, Place(f"{name}{_OF}{queue}", folder / queue, options))

    registry().let_go(is_wanted)
    return system_of
