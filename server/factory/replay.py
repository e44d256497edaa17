"""A stored decision made again, with the settings of now or with others; nothing is changed by it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, replace
from typing import Any

from pilot.contract.codec import INTEGER, NUMBER, TRUTH, ContractError, Kind, no_such_field, read
from server.factory.chain import RULES, BadChain, Link, decide, read_chain
from server.factory.facts import Facts, Limits
from server.factory.models import FactoryCycle, FactoryQueue, FactorySystem
from server.factory.needs import needs_or_words
from server.factory.readings import limits_of
from server.pandaconfig.queries import limits_of_queues

_KINDS: Mapping[str, Kind] = {"int": INTEGER, "float": NUMBER, "bool": TRUTH}


def present_limits(row: FactoryQueue) -> Limits:
    """Answer the limits of a queue as they are now."""
    system = FactorySystem.objects.filter(pk=row.batch_system).first()
    needs, _ = needs_or_words(row, limits_of_queues().get(row.queue))
    return limits_of(row, needs, system)


def replay(cycle: FactoryCycle, row: FactoryQueue, settings: Iterable[str]) -> dict[str, Any]:
    """Answer what the rules say of a cycle's facts by a queue's present settings, but for those given.

    Args:
        cycle: Whose facts are taken.
        row: Whose settings.
        settings: Words ``name=value``: a limit (``max_waiting=50``), a parameter of a rule of the chain
            (``scale.factor=2``), or the whole chain as JSON (``rules=["ready"]``).

    Raises:
        ContractError: a setting is not there, or its value is of the wrong kind.
    """
    limits, rules = present_limits(row), row.rules
    said = [_parted(word) for word in settings]
    for name, value in said:
        rules = _chain_of(value) if name == "rules" else rules
    links = _checked(rules)
    for name, value in said:
        if "." in name:
            links = _with_parameter(links, name, value)
        elif name != "rules":
            limits = _with_limit(limits, name, value)
    facts = Facts.from_json(cycle.facts)
    steps = decide(facts, limits, links)
    return {
        "queue": row.queue,
        "cycle": cycle.pk,
        "at": cycle.latest.isoformat(),
        "was": {"number": cycle.number, "trace": cycle.trace},
        "settings": dict(said),
        "number": steps[-1].number,
        "trace": [asdict(step) for step in steps],
    }


def _parted(word: str) -> tuple[str, str]:
    name, sign, value = word.partition("=")
    if not sign or not name.strip():
        raise ContractError(f"settings: {word!r} is not name=value, such as max_waiting=50", field_name="settings")
    return name.strip(), value.strip()


def _chain_of(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as wrong:
        words = getattr(wrong, "msg", "this is no list of rules")
        raise ContractError(f'settings: rules: {words}; give JSON: ["ready"]', field_name="rules") from wrong


def _checked(rules: Any) -> tuple[Link, ...]:
    try:
        return read_chain(rules)
    except BadChain as wrong:
        raise ContractError(f"settings: rules: {wrong}", field_name="rules") from wrong


def _with_limit(limits: Limits, name: str, value: str) -> Limits:
    kinds = {field.name: str(field.type).removesuffix(" | None") for field in fields(limits)}
    if name not in kinds:
        raise no_such_field(name, [*kinds, "rules"], "settings")
    read_one, least = read(value, _KINDS[kinds[name]], f"settings: {name}"), 1 if name.startswith("pilot_") else 0
    if read_one < least:
        raise ContractError(f"settings: {name}: {value} is too small; give at least {least}", field_name=name)
    return replace(limits, **{name: read_one})


def _with_parameter(links: tuple[Link, ...], name: str, value: str) -> tuple[Link, ...]:
    rule, _, parameter = name.partition(".")
    if rule not in {link.name for link in links}:
        known = rule in RULES
        words = f"the queue's chain has no rule {rule}" if known else f"there is no rule {rule}"
        raise ContractError(f"settings: {name}: {words}; give the chain by rules=[...]", field_name="settings")
    said = [{"rule": link.name, **link.parameters} for link in links]
    return _checked([{**one, parameter: value} if one["rule"] == rule else one for one in said])
