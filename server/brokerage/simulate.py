"""Brokerage without a server: where jobs of a saved or made-up world would go, and where if a queue were another."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace

from server.brokerage.choose import Placement
from server.brokerage.policy import GB, Policy
from server.brokerage.saved import BadWorld, World, build
from server.brokerage.snapshot import FailureRate, Input, JobNeeds, Load, Part, QueueFacts, Snapshot, UserFacts

#: Hours of a job in a made-up world.
_HOURS = 3600


@dataclass(frozen=True)
class Outcome:
    """Where jobs went: how many to each queue, and how many to none, by what was said of the first of them."""

    placed: Mapping[str, int]
    refused: Mapping[str, int]

    @property
    def jobs(self) -> int:
        return sum(self.placed.values()) + sum(self.refused.values())


@dataclass(frozen=True)
class Line:
    """One queue in a comparison: the jobs that it is sent, and those if the world were changed."""

    queue: str
    slots: int
    queued: int
    before: int
    after: int


def run(world: World) -> Outcome:
    """Place all jobs of a world, kind by kind in turn, as if they came mixed."""
    placement = Placement(world.snapshot, world.policy)
    refused: Counter[str] = Counter()
    for needs in in_turn(world.jobs):
        choice = placement.place(needs)
        if not choice.queue:
            refused[choice.words] += 1
    return Outcome(placement.placed, dict(refused))


def in_turn(jobs: Sequence[tuple[JobNeeds, int]]) -> Iterator[JobNeeds]:
    """Answer one job of each kind, then the next of each, until there are none."""
    left = [(needs, count) for needs, count in jobs if count > 0]
    while left:
        yield from (needs for needs, _ in left)
        left = [(needs, count - 1) for needs, count in left if count > 1]


def changed(world: World, changes: Sequence[str]) -> World:
    """Answer a world with other queues: ``QUEUE=off``, ``QUEUE.field=value`` with a field of `QueueFacts`.

    Raises:
        BadWorld: there is no such queue or field, or the value is none for it.
    """
    queues = dict(world.snapshot.queues.facts)
    for change in changes:
        what, equals, value = change.partition("=")
        name, _, field = what.rpartition(".") if value != "off" else (what, "", "status")
        if not equals or name not in queues:
            raise BadWorld(f"{change!r}: give QUEUE=off or QUEUE.field=value; queues are {', '.join(sorted(queues))}")
        queues[name] = _with(queues[name], field, "offline" if value == "off" else value, change)
    parts = replace(world.snapshot.queues, facts=queues)
    return replace(world, snapshot=replace(world.snapshot, queues=parts))


def _with(queue: QueueFacts, field: str, text: str, change: str) -> QueueFacts:
    kinds = {one.name: str(one.type) for one in fields(QueueFacts)}
    kind = kinds.get(field, "")
    value: object = text
    if kind == "int" and re.fullmatch(r"-?[0-9]{1,18}", text):
        value = int(text)
    elif kind == "bool" and text in ("true", "false"):
        value = text == "true"
    elif kind.startswith("tuple"):
        value = [name for name in text.split(",") if name]
    return build(QueueFacts, {**vars(queue), field: value}, change)


def compare(world: World, before: Outcome, after: Outcome) -> list[Line]:
    """Put two outcomes side by side, the queue that is sent most first."""
    loads = world.snapshot.loads.facts
    lines = [
        Line(name, loads.get(name, Load()).slots, loads.get(name, Load()).queued,
             before.placed.get(name, 0), after.placed.get(name, 0))
        for name in world.snapshot.queues.facts
    ]  # fmt: skip
    return sorted(lines, key=lambda line: (-max(line.before, line.after), line.queue))


def made_up(queues: int, jobs: int, *, seed: int = 1) -> World:
    """Make a world up: queues of different sizes, and jobs of some twenty kinds; the same seed makes the same world."""
    dice = random.Random(seed)  # noqa: S311 (nothing secret)
    facts = {f"QUEUE{at:03}": _queue(f"QUEUE{at:03}", dice) for at in range(1, queues + 1)}
    loads = {name: _load(dice) for name in facts}
    rates = {name: FailureRate(200, min(200, int(dice.expovariate(0.05)))) for name in facts}
    kinds = [_job(at, dice) for at in range(20)]
    datasets = {
        file.key: (facts[dice.choice(sorted(facts))].storages if facts else ())
        for kind in kinds
        for file in kind.inputs
    }
    users = {name: UserFacts(name, country=country) for name, country in (("ada", "cz"), ("bob", "it"))}
    parts: list[Part[object]] = [Part(facts), Part(loads), Part(rates), Part(datasets), Part({}), Part(users)]
    counts = [jobs // len(kinds) + (at < jobs % len(kinds)) for at in range(len(kinds))]
    return World(Snapshot(0.0, *parts), Policy(), tuple(zip(kinds, counts, strict=True)))  # type: ignore[arg-type]


def _queue(name: str, dice: random.Random) -> QueueFacts:
    cores = dice.choice([1, 4, 8, 8, 16])
    return QueueFacts(
        name,
        status=dice.choice(["online"] * 9 + ["offline"]),
        cores=cores,
        memory=cores * dice.choice([2, 3, 4]) * GB,
        disk=cores * 20 * GB,
        max_walltime=dice.choice([12, 24, 48, 96]) * _HOURS,
        containers=dice.random() < 0.5,
        countries=dice.choice([(), (), ("cz",), ("it",)]),
        pledged=dice.choice([0, 0, -1]),
        storages=(f"{name}_DISK",),
    )


def _load(dice: random.Random) -> Load:
    slots = dice.choice([20, 100, 500, 2000])
    running = dice.randint(0, slots)
    return Load(queued=dice.randint(0, slots), running=running, running_cores=running, slots=slots)


def _job(at: int, dice: random.Random) -> JobNeeds:
    cores = dice.choice([1, 1, 4, 8])
    size = dice.choice([0, 0, 2, 20]) * GB
    return JobNeeds(
        cores=cores,
        memory=cores * 2 * GB,
        disk=5 * GB,
        walltime=dice.choice([2, 10, 30]) * _HOURS,
        container=dice.choice(["", "", "image"]),
        user=dice.choice(["ada", "bob", "eve"]),
        priority=dice.choice([0, 0, 900]),
        inputs=(Input(f"dataset{at}", "part.raw", size),) if size else (),
    )
