"""PanDA's resource types: names for cores and memory together, with the bounds that its server gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pilot.contract.codec import INTEGER, OBJECT, TEXT, ContractError, read, read_json, says_something, shown
from pilot.contract.job import PANDA_MB

KEY = "ResourceTypes"


class ResourceType(NamedTuple):
    """One of them. Memory is bytes per core; 0 means that there is no bound."""

    name: str
    least_cores: int = 0
    most_cores: int = 0
    least_memory: int = 0
    most_memory: int = 0


def read_resource_types(said: Any) -> Mapping[str, ResourceType]:
    """Read the list of resource types, by name.

    Servers give it in several dresses: as a list, as an object that holds the list, and as text of either, which some
    of them write as Python does, with None for nothing.

    Raises:
        ContractError: it is none of these, or an entry has no name or a bound that is no number.
    """
    found = _literal(said) if isinstance(said, str) else said
    if isinstance(found, Mapping) and KEY in found:
        return read_resource_types(found[KEY])
    if not isinstance(found, (list, tuple)):
        raise ContractError(f"{KEY}: {shown(said)} is no list of resource types", field_name=KEY)
    types = [_entry(entry, f"{KEY}[{at}]") for at, entry in enumerate(found)]
    return {one.name: one for one in types}


def _literal(text: str) -> Any:
    try:
        return read_json(text)
    except ValueError:
        pass
    import ast

    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError) as wrong:
        raise ContractError(f"{KEY}: {shown(text)} is no list of resource types", field_name=KEY) from wrong


def _entry(entry: Any, where: str) -> ResourceType:
    found = read(entry, OBJECT, where)

    def bound(key: str) -> int:
        return max(0, int(read(found[key], INTEGER, f"{where}.{key}"))) if says_something(found.get(key)) else 0

    name = read(found.get("resource_name", ""), TEXT, f"{where}.resource_name")
    if not name:
        raise ContractError(f"{where}.resource_name: missing; text is expected", field_name=where)
    return ResourceType(
        name,
        bound("mincore"),
        bound("maxcore"),
        bound("minrampercore") * PANDA_MB,
        bound("maxrampercore") * PANDA_MB,
    )
