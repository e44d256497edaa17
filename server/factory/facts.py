"""What a decision of the factory is made from, and what it is made of: facts, limits and steps, all of them values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True)
class End:
    """How a pilot ended, and how many seconds it ran; none when it never did. ``ago`` is seconds since its end."""

    exit_code: int | None
    seconds: float | None
    ago: float = 0.0


@dataclass(frozen=True)
class Free:
    """What a batch system could start at once: so many nodes for so many seconds (none: nobody waits for them)."""

    nodes: int
    seconds: float | None = None


@dataclass(frozen=True)
class Facts:
    """What is known of a queue. ``None`` means that nobody knows; then the answer is the safe one.

    ``waiting`` pilots have no slot, ``running`` ones have; of these ``jobless`` started a moment ago and have not asked
    for work yet. ``retiring`` ones of both were told to end. ``ends`` are those of the last pilots, latest first;
    ``idle`` is seconds since the last submission. Of the activated jobs, ``job_cores`` counts those that want so many
    cores, as pairs (cores, jobs); ``on_the_way_cores`` are those of waiting and jobless pilots, ``nodes`` those of all
    living ones. ``in_system`` and ``in_factory`` count the living pilots of all queues. Ages are in seconds.

    ``free`` is what could start at once, if the batch system tells; ``free_failed`` why it did not answer.
    ``hours_left`` are those node-hours of the allocation that no living pilot may still use; none without one.
    ``refusal`` is why the batch system took no more pilots when it was asked last, ``refused_ago`` seconds ago; none if
    it took them. ``jobless_share`` is the part of the pilots that
    ended since yesterday without a job; none when none ended. ``confirmed`` is the change that somebody has confirmed.
    """

    status: str | None
    activated: int | None
    waiting: int | None
    running: int | None
    jobless: int = 0
    ends: Sequence[End] = ()
    idle: float | None = None
    retiring: int = 0
    job_cores: Sequence[tuple[int, int]] = ()
    on_the_way_cores: int = 0
    nodes: int = 0
    in_system: int = 0
    in_factory: int = 0
    jobs_age: float = 0.0
    batch_age: float = 0.0
    free: Free | None = None
    free_failed: str = ""
    hours_left: float | None = None
    jobless_share: float | None = None
    confirmed: int = 0
    refusal: str = ""
    refused_ago: float | None = None

    @property
    def living(self) -> int:
        """Answer how many pilots have a slot or wait for one."""
        return (self.waiting or 0) + (self.running or 0)

    def as_json(self) -> dict[str, Any]:
        """Answer them as JSON holds them."""
        return asdict(self)

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Facts:
        """Read them back; what an older factory did not know has its default."""
        known = {field.name for field in fields(cls)}
        values = {name: value for name, value in said.items() if name in known}
        values["ends"] = tuple(End(**end) for end in said.get("ends", ()))
        values["job_cores"] = tuple((cores, jobs) for cores, jobs in said.get("job_cores", ()))
        values["free"] = Free(**said["free"]) if said.get("free") else None
        return cls(**values)


@dataclass(frozen=True)
class Limits:
    """What the admin allows a queue, and what each of its pilots is.

    ``by_cores``: a pilot serves several jobs at a time, so that cores are counted and not pilots. ``pilot_seconds`` is
    the wall time that a pilot asks for. Facts older than ``max_age`` seconds are believed no longer. A change of more
    than ``safe_pilots`` and of more than ``safe_percent`` of the running pilots wants a confirmation. ``system_most``
    is how many pilots the batch system may have; none: any.
    """

    slots: int
    max_waiting: int
    max_per_cycle: int
    black_hole_pilots: int
    black_hole_seconds: float
    black_hole_pause: float
    pilot_nodes: int = 1
    pilot_cores: int = 1
    pilot_seconds: float | None = None
    by_cores: bool = False
    max_age: float = 120.0
    safe_pilots: int = 50
    safe_percent: int = 50
    system_most: int | None = None


@dataclass(frozen=True)
class Step:
    """What one rule made of the number before it, and why."""

    rule: str
    number: int
    reason: str


#: Takes the number of the rule before it, the facts and the limits, and its own parameters by name.
Rule = Callable[..., tuple[int, str]]
