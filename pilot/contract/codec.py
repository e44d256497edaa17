"""The strict codec: how one field, and one message, is read from the wire and written to it.

A message is a frozen dataclass whose fields are declared with `wire`: a kind, its legacy name and its ``/api/v1`` name.
Reading accepts every spelling that real peers send (numbers as text, ``"NULL"``, ``"True"``) and refuses the rest,
naming the field, the value and what is expected.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import Enum
from typing import Any, Callable, Optional, TypeVar

T = TypeVar("T")

#: Spellings of "nothing" that PanDA's peers use.
NOTHING = (None, "", "NULL", "null", "None")

#: Whole numbers have at most 64 bits, as the columns that they end in.
WIDEST = 2**63

#: A text field longer than this is cut when written, with this mark at its end.
CUT = " [cut]"


class ContractError(ValueError):
    """A message breaks the contract; the text names the field, the value and what is expected."""

    def __init__(self, text: str, *, field_name: str = "") -> None:
        super().__init__(text)
        self.field_name = field_name


class Dialect(Enum):
    """The two ways to say the same thing."""

    LEGACY = "legacy"  # /server/panda/<method>: form, JSON or gzip JSON; extra fields are ignored
    V1 = "v1"  # /api/v1/<module>/<method>: JSON; an unknown field is refused


@dataclass(frozen=True)
class Kind:
    """How values of one kind are read and written. ``read`` raises ValueError or TypeError for what it cannot take."""

    expected: str
    read: Callable[[Any], Any]
    write: Callable[[Any, Dialect], Any]


def _as_is(value: Any, _: Dialect) -> Any:
    return value


def _read_integer(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError
    if isinstance(value, int):
        whole = value
    elif isinstance(value, str) and value.strip().lstrip("+-").isdigit():
        whole = int(value)
    else:
        whole = int(float(value))
        if whole != float(value):
            raise ValueError
    if not -WIDEST <= whole < WIDEST:
        raise OverflowError
    return whole


def _read_number(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError
    number = float(value)
    if number != number or number in (float("inf"), float("-inf")):
        raise ValueError
    return number


def _read_text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise TypeError
    text = str(value)
    text.encode()  # half of a surrogate pair, or a NUL below, is in no database's alphabet
    if "\0" in text:
        raise ValueError
    return text


def _read_truth(value: Any) -> bool:
    words = {"true": True, "1": True, "false": False, "0": False}
    return words[str(value).lower()]


def _read_time(value: Any) -> datetime:
    """Take seconds since 1970, ISO 8601, or PanDA's ``YYYY-MM-DD HH:MM:SS[.ffffff]`` in UTC."""
    if isinstance(value, (int, float)) or str(value).replace(".", "", 1).isdigit():
        return datetime.fromtimestamp(_read_number(value), timezone.utc)
    text = str(value).strip()
    when = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)
    return when if when.tzinfo else when.replace(tzinfo=timezone.utc)


def _write_time(value: datetime, dialect: Dialect) -> Any:
    if dialect is Dialect.LEGACY:
        return value.timestamp()
    return value.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S")


def _read_object(value: Any) -> Mapping[str, Any]:
    found = json.loads(value) if isinstance(value, (str, bytes)) else value
    if not isinstance(found, Mapping):
        raise TypeError
    return found


INTEGER = Kind("a whole number", _read_integer, _as_is)
NUMBER = Kind("a number", _read_number, _as_is)
TEXT = Kind("text", _read_text, _as_is)
TRUTH = Kind("true or false", _read_truth, _as_is)
TIME = Kind("a time", _read_time, _write_time)
OBJECT = Kind("a JSON object", _read_object, lambda value, _: json.dumps(value))


def text(at_most: int) -> Kind:
    """Make a kind for text that is cut to ``at_most`` characters when written, and accepted at any length."""

    def write(value: str, _: Dialect) -> str:
        return value if len(value) <= at_most else value[: at_most - len(CUT)] + CUT

    return Kind("text", _read_text, write)


def wire(kind: Kind, legacy: str, v1: Optional[str] = None, *, default: Any = None, required: bool = False) -> Any:
    """Declare one field of a message.

    Args:
        kind: How its values are read and written.
        legacy: Its name in PanDA's legacy dialect; ``""`` when that dialect has none.
        v1: Its name in ``/api/v1``; the same as ``legacy`` when left out, ``""`` when that dialect has none.
        default: What stands for a field that is absent or says nothing.
        required: A message without it is refused.
    """
    names = {Dialect.LEGACY: legacy, Dialect.V1: legacy if v1 is None else v1}
    metadata = {"kind": kind, "names": names, "required": required}
    return field(metadata=metadata) if required else field(default=default, metadata=metadata)


def decode(cls: type[T], message: Mapping[str, Any], dialect: Dialect) -> T:
    """Read a message of type ``cls``.

    Raises:
        ContractError: a required field is absent, a value is of the wrong kind, or (in v1) a field is unknown.
    """
    values: dict[str, Any] = {}
    known = set()
    for spec in dataclasses.fields(cls):  # type: ignore[arg-type]
        name = spec.metadata["names"][dialect]
        known.add(name)
        raw = message.get(name) if name else None
        if any(raw is empty or raw == empty for empty in NOTHING):
            if spec.metadata["required"]:
                raise ContractError(f"{name}: missing; {spec.metadata['kind'].expected} is expected", field_name=name)
            continue
        values[spec.name] = read(raw, spec.metadata["kind"], name)
    if dialect is Dialect.V1 and (unknown := sorted(set(message) - known)):
        raise ContractError(f"{unknown[0]}: no such field in {cls.__name__}", field_name=unknown[0])
    return cls(**values)


def read(raw: Any, kind: Kind, name: str) -> Any:
    """Read one value, or say which field holds what instead of what."""
    try:
        return kind.read(raw)
    except ContractError:
        raise
    except (ValueError, TypeError, KeyError, OverflowError, AttributeError, RecursionError) as wrong:
        shown = repr(raw)
        shown = shown if len(shown) <= 80 else shown[:77] + "..."
        raise ContractError(f"{name}: {shown} is not {kind.expected}", field_name=name) from wrong


def encode(message: Any, dialect: Dialect) -> dict[str, Any]:
    """Write a message; fields that say nothing, or that the dialect does not have, are left out."""
    written: dict[str, Any] = {}
    for spec in dataclasses.fields(message):
        value, name = getattr(message, spec.name), spec.metadata["names"][dialect]
        if name and value is not None:
            written[name] = spec.metadata["kind"].write(value, dialect)
    return written
