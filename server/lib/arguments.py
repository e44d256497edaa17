"""What a method of ``/api/v1`` takes: each argument declared once, read from there, and described from there.

Reading is strict as the whole wire is: an argument that is not declared, that is missing or of another kind is refused
by its name.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from django.http import HttpResponse

from pilot.contract.codec import INTEGER, ContractError, Dialect, Kind, read, says_something

View = Callable[..., HttpResponse]

#: The default of an argument that has none.
REQUIRED: Any = object()


@dataclass(frozen=True)
class Argument:
    """One argument: its name, the kind of its values, one sentence, and what stands for it where nothing is said.

    ``most`` makes it a list of up to so many values of that kind; a key that is repeated in a query or a form is one.
    """

    name: str
    kind: Kind
    help: str
    default: Any = REQUIRED
    most: int = 0

    @property
    def required(self) -> bool:
        return self.default is REQUIRED


@dataclass(frozen=True)
class Description:
    """What is known of a method beside its code: how it is called, by whom, and what it takes and answers."""

    verbs: tuple[str, ...]
    arguments: tuple[Argument, ...]
    text: str
    takes_file: bool = False


def describe(view: Any, description: Description) -> View:
    """Write on a view how it is called."""
    view.description = description
    described_view: View = view
    return described_view


def described(*verbs: str, takes: Sequence[Argument] = ()) -> Callable[[View], View]:
    """Say of a view, the outermost decorator of it, how it is called."""

    def decorate(view: View) -> View:
        return describe(view, Description(verbs, tuple(takes), inspect.getdoc(view) or ""))

    return decorate


#: PanDA's clients say how long its database may take; nothing here waits that long.
TIMEOUT = Argument("timeout", INTEGER, "Seconds that PanDA's database may take; nothing depends on it here.", None)


def _read_objects(raw: Any) -> list[Mapping[str, Any]]:
    if isinstance(raw, str):
        raw = orjson.loads(raw)  # its error is a ValueError
    if not isinstance(raw, list) or not all(isinstance(entry, dict) for entry in raw):
        raise TypeError
    return raw


def _read_list(raw: Any) -> list[Any]:
    if isinstance(raw, str):
        raw = orjson.loads(raw)  # its error is a ValueError
    if not isinstance(raw, list):
        raise TypeError
    return raw


#: A list of anything, or its JSON.
LIST = Kind("a list, or its JSON", _read_list, lambda value, _: value)

#: A list as it is, or written as JSON text, as PanDA's clients do.
OBJECTS = Kind("a list of objects, or its JSON", _read_objects, lambda value, _: value)


def bind(arguments: Sequence[Argument], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Answer the value of each argument.

    Raises:
        ContractError: one is unknown, missing, or a list that is too long.
        WrongKind: a value is of another kind.
    """
    known = {argument.name for argument in arguments}
    for name in fields:
        if name not in known:
            there = ", ".join(sorted(known)) or "none"
            raise ContractError(f"got an unexpected argument {name!r}; there are {there}", field_name=name)
    return {argument.name: _value(argument, fields.get(argument.name)) for argument in arguments}


def _value(argument: Argument, raw: Any) -> Any:
    name, expected = argument.name, argument.kind.expected
    if not says_something(raw):
        if argument.required:
            wanted = f"a list of {expected.partition(' ')[2]}s" if argument.most else expected
            raise ContractError(f"{name}: missing; {wanted} is expected", field_name=name)
        return argument.default
    if not argument.most:
        return read(raw, argument.kind, name)
    listed = raw if isinstance(raw, list) else [raw]
    if len(listed) > argument.most:
        raise ContractError(f"{name}: {len(listed)} values; at most {argument.most} in a call", field_name=name)
    return [read(value, argument.kind, name) for value in listed]


def arguments_of(message: type[Any], words: Mapping[str, str], *more: Argument) -> tuple[Argument, ...]:
    """Answer the fields of a message of ``/api/v1`` as arguments.

    Args:
        message: A dataclass of fields that are declared with `pilot.contract.codec.wire`.
        words: A sentence for each name.
        more: Arguments that the method has beside them.
    """
    found = []
    for field in dataclasses.fields(message):
        name = field.metadata["names"][Dialect.V1]
        if name:
            default = REQUIRED if field.metadata["required"] else field.default
            found.append(Argument(name, field.metadata["kind"], words[name], default))
    return (*found, *more)
