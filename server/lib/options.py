"""Options that an admin writes as a JSON object, read into a dataclass whose fields all have defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from pilot.contract.codec import INTEGER, NUMBER, OBJECT, TEXT, TRUTH, Kind, no_such_field, read

Options = TypeVar("Options")

#: By the words of a field's annotation.
_KINDS: Mapping[str, Kind] = {"float": NUMBER, "int": INTEGER, "str": TEXT, "bool": TRUTH, "dict[str, str]": OBJECT}


def read_options(said: Mapping[str, Any], shape: type[Options], where: str) -> Options:
    """Read options.

    Args:
        said: Name -> value.
        shape: A dataclass of floats, ints, texts, truths and ``dict[str, str]``.
        where: What the options belong to, for the words of an error.

    Raises:
        ContractError: there is no such option, or a value is of the wrong kind.
    """
    known = {each.name: str(each.type) for each in fields(shape)}  # type: ignore[arg-type]
    for name in said:
        if name not in known:
            raise no_such_field(name, known, where)
    values = {name: read(value, _KINDS[known[name]], f"{where}.{name}") for name, value in said.items()}
    return shape(**values)
