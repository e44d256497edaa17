"""A queue's chain of rules: read from what an admin writes, and gone through from its first number to its last."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from pilot.contract.codec import INTEGER, NUMBER, ContractError, Kind, no_such_field, read
from server.factory.facts import Facts, Limits, Rule, Step
from server.factory.rules import caps, demand, elastic, guards, health

_RULES: tuple[Rule, ...] = (
    *(demand.ready, demand.weighted, demand.keep_running, demand.keep_queue_life),
    *(demand.scale, demand.fixed, demand.null),
    *(health.queue_status, health.status_offline, health.status_test, health.black_hole, health.throttle),
    *(caps.min_per_cycle, caps.max_per_cycle, caps.min_waiting, caps.max_waiting, caps.max_running),
    *(caps.max_in_factory, caps.max_nodes, elastic.window, elastic.allocation),
)
#: All rules that a chain may have, by name.
RULES: Mapping[str, Rule] = MappingProxyType({rule.__name__: rule for rule in _RULES})
#: The last ones of every chain.
GUARDS: tuple[Rule, ...] = (guards.patient, guards.max_in_system, guards.fresh, guards.safe)
#: The chain of a queue that names none.
DEFAULT = ("ready", "queue_status", "black_hole", "max_waiting", "max_running", "max_per_cycle")
#: Rules that look at how the last pilots ended, where pilots are wanted.
LOOK_AT_ENDS = frozenset({"black_hole", "throttle"})

_KINDS: Mapping[str, Kind] = {"int": INTEGER, "float": NUMBER}
#: More than any factory has; larger parameters are refused, and no rule hands on a larger number.
MOST = 1_000_000


class BadChain(ValueError):
    """No chain can be made of this; the words name the rule, the parameter and the remedy."""


@dataclass(frozen=True)
class Link:
    """One rule of a chain, with its parameters."""

    rule: Rule
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.rule.__name__


USUAL = tuple(Link(RULES[name]) for name in DEFAULT)


def parameters_of(rule: Rule) -> dict[str, inspect.Parameter]:
    """Answer what may be said of a rule, by name."""
    found = inspect.signature(rule).parameters.values()
    return {one.name: one for one in found if one.kind is inspect.Parameter.KEYWORD_ONLY}


def read_chain(said: Any) -> tuple[Link, ...]:
    """Read a chain: a list of names, or of objects ``{"rule": name, parameter: value}``; an empty one is `DEFAULT`.

    Raises:
        BadChain: there is no such rule or parameter, one is missing, or a value is of the wrong kind.
    """
    if not isinstance(said, list | tuple):
        raise BadChain('give a list of rules, such as ["ready", {"rule": "scale", "factor": 0.5}]')
    return tuple(_read_link(one) for one in said) if said else USUAL


def _read_link(said: Any) -> Link:
    parameters = {"rule": said} if isinstance(said, str) else dict(said) if isinstance(said, Mapping) else {}
    name = parameters.pop("rule", None)
    if not isinstance(name, str):
        raise BadChain(f'{said!r} is no rule: give its name, or an object with its name as "rule"')
    if name not in RULES:
        near = get_close_matches(name, RULES, n=1)
        raise BadChain(f"there is no rule {name}; {f'did you mean {near[0]}' if near else 'there are ' + _names()}?")
    return Link(RULES[name], _read_parameters(name, parameters))


def _names() -> str:
    return ", ".join(sorted(RULES))


def _read_parameters(name: str, said: Mapping[str, Any]) -> dict[str, Any]:
    known = parameters_of(RULES[name])
    try:
        for one in said:
            if one not in known:
                raise no_such_field(one, known, name)
        values = {one: read(value, _KINDS[str(known[one].annotation)], f"{name}.{one}") for one, value in said.items()}
    except ContractError as wrong:
        raise BadChain(str(wrong)) from wrong
    for one, parameter in known.items():
        if parameter.default is inspect.Parameter.empty and one not in values:
            raise BadChain(f'{name}.{one} is missing: give {{"rule": "{name}", "{one}": ...}}')
        if values.get(one, 0) < 0:
            raise BadChain(f"{name}.{one}: {values[one]} is below zero")
        if values.get(one, 0) > MOST:
            raise BadChain(f"{name}.{one}: {values[one]} is too large; give at most {MOST}")
    return values


def decide(facts: Facts, limits: Limits, chain: Sequence[Link] | None = None) -> tuple[Step, ...]:
    """Answer what each rule made of the number; the last one's is what to submit, or, below zero, to cancel."""
    number, steps = 0, []
    links = USUAL if chain is None else chain
    for link in (*links, *(Link(guard) for guard in GUARDS)):
        number, reason = link.rule(number, facts, limits, **link.parameters)
        number = max(-MOST, min(MOST, number))
        steps.append(Step(link.name, number, reason))
    return tuple(steps)
