"""A world of brokerage in a file: a snapshot, the numbers of the policy and the jobs to be placed, as JSON.

Whatever cannot be meant is refused with its place in the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from typing import Any, TypeVar

from server.brokerage.policy import BadPolicy, Policy, policy_from
from server.brokerage.snapshot import FailureRate, Input, JobNeeds, Load, Part, QueueFacts, Snapshot, UserFacts

FORMAT = 1
V = TypeVar("V")

#: The parts of a snapshot whose facts are values of our own; those of the others are numbers and lists of names.
_KINDS: Mapping[str, type[Any]] = {
    "queues": QueueFacts,
    "loads": Load,
    "failures": FailureRate,
    "users": UserFacts,
}
_PARTS = ("queues", "loads", "failures", "replicas", "backlogs", "users")


class BadWorld(ValueError):
    """A file holds no world, or something in it cannot be meant."""


@dataclass(frozen=True)
class World:
    """A snapshot, a policy, and jobs by kind: how many of each."""

    snapshot: Snapshot
    policy: Policy
    jobs: tuple[tuple[JobNeeds, int], ...] = ()


def write(world: World) -> str:
    """Write a world."""
    parts = {}
    for name in _PARTS:
        part: Part[Any] = getattr(world.snapshot, name)
        facts = {key: asdict(value) if name in _KINDS else value for key, value in part.facts.items()}
        parts[name] = {"taken": part.taken, "facts": facts}
    jobs = [{"needs": asdict(needs), "count": count} for needs, count in world.jobs]
    whole = {"format": FORMAT, "now": world.snapshot.now, **parts, "policy": asdict(world.policy), "jobs": jobs}
    return json.dumps(whole, indent=1)


def read(text: str) -> World:
    """Read a world.

    Raises:
        BadWorld: the text is no world; the message names the place.
    """
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as wrong:
        raise BadWorld(f"it is no JSON: {wrong}") from wrong
    if not isinstance(whole, dict) or whole.get("format") != FORMAT:
        raise BadWorld(f"format: it is no world of format {FORMAT}; save one anew")
    parts = {name: _part(name, whole.get(name)) for name in _PARTS}
    try:
        policy = policy_from(_mapping(whole.get("policy", {}), "policy"))
    except BadPolicy as wrong:
        raise BadWorld(f"policy: {wrong}") from wrong
    jobs = whole.get("jobs", [])
    if not isinstance(jobs, list):
        raise BadWorld("jobs: a list is expected")
    found = tuple(_job(entry, f"jobs[{at}]") for at, entry in enumerate(jobs))
    return World(Snapshot(_number(whole.get("now"), "now"), **parts), policy, found)


def _part(name: str, said: Any) -> Part[Any]:
    part = _mapping(said, name)
    known = {}
    for key, value in _mapping(part.get("facts"), f"{name}.facts").items():
        where = f"{name}.facts.{key}"
        if name in _KINDS:
            known[key] = build(_KINDS[name], _mapping(value, where), where)
        else:
            known[key] = _names(value, where) if name == "replicas" else int(_number(value, where))
    return Part(known, _number(part.get("taken"), f"{name}.taken"))


def _job(said: Any, where: str) -> tuple[JobNeeds, int]:
    entry = _mapping(said, where)
    needs = dict(_mapping(entry.get("needs"), f"{where}.needs"))
    inputs = needs.pop("inputs", [])
    if not isinstance(inputs, list):
        raise BadWorld(f"{where}.needs.inputs: a list is expected")
    files = tuple(build(Input, _mapping(one, where), f"{where}.inputs[{at}]") for at, one in enumerate(inputs))
    count = int(_number(entry.get("count", 1), f"{where}.count"))
    return build(JobNeeds, {**needs, "inputs": files}, f"{where}.needs"), count


def build(kind: type[V], said: Mapping[str, Any], where: str) -> V:
    """Make a value from its fields.

    Raises:
        BadWorld: a field is unknown, missing or of another kind.
    """
    known = {field.name: str(field.type) for field in fields(kind)}  # type: ignore[arg-type]
    values = {}
    for name, value in said.items():
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise BadWorld(f"{where}: {name} is no field; {hint}")
        values[name] = _value(value, known[name], f"{where}.{name}")
    try:
        return kind(**values)
    except TypeError as missing:
        raise BadWorld(f"{where}: {missing}") from missing


def _value(value: Any, kind: str, where: str) -> Any:
    if kind.startswith("tuple[str"):
        return _names(value, where)
    kinds: dict[str, type | tuple[type, ...]] = {
        "str": str,
        "bool": bool,
        "int": int,
        "int | None": (int, type(None)),
        "float": (int, float),
    }
    wanted = kinds.get(kind)
    if wanted and (not isinstance(value, wanted) or (isinstance(value, bool) and kind != "bool")):
        raise BadWorld(f"{where}: {value!r} is of another kind than {kind}")
    return value


def _mapping(said: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(said, dict):
        raise BadWorld(f"{where}: an object is expected")
    return said


def _names(said: Any, where: str) -> tuple[str, ...]:
    if not isinstance(said, (list, tuple)) or not all(isinstance(name, str) for name in said):
        raise BadWorld(f"{where}: a list of names is expected")
    return tuple(said)


def _number(said: Any, where: str) -> float:
    if isinstance(said, bool) or not isinstance(said, (int, float)):
        raise BadWorld(f"{where}: a number is expected")
    return said
