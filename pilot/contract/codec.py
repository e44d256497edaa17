"""The strict codec: how one field, and one message, is read from the wire and written to it.

A message is a frozen dataclass whose fields are declared with `wire`: a kind, its legacy name and its ``/api/v1`` name.
Reading accepts every spelling that real peers send (numbers as text, ``"NULL"``, ``"True"``) and refuses the rest,
naming the field, the value and what is expected.
"""

from __future__ import annotations

import dataclasses
import json
import re
import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import datetime, timedelta, timezone
from enum import Enum
from functools import cache
from typing import Any, Callable, NoReturn, Optional, TypeVar

from pilot.contract.named import NamedTuple

T = TypeVar("T")

#: Spellings of "nothing" that PanDA's peers use.
NOTHING = (None, "", "NULL", "null", "None")

#: A text field longer than this is cut when written, with this mark where something is missing.
CUT = " [cut]"

#: No whole number on the wire is beyond this: databases keep 64 bits.
BIGGEST = 2**63 - 1


class ContractError(ValueError):
    """A message breaks the contract; the text names the field, the value and what is expected."""

    def __init__(self, text: str, *, field_name: str = "") -> None:
        super().__init__(text)
        self.field_name = field_name


class WrongKind(ContractError):
    """A field is there, and its value is not of the kind that is expected; PanDA tells that apart from other slips."""


class Dialect(Enum):
    """The two ways to say the same thing."""

    LEGACY = "legacy"  # /server/panda/<method>: form, JSON or gzip JSON; extra fields are ignored
    V1 = "v1"  # /api/v1/<module>/<method>: JSON; an unknown field is refused


class Answer:
    """Base of what a server says: a newer server may say more, so unknown fields are passed over in both dialects."""


class Kind(NamedTuple):
    """How values of one kind are read and written. ``read`` raises ValueError or TypeError for what it cannot take."""

    expected: str
    read: Callable[[Any], Any]
    write: Callable[[Any, Dialect], Any]


def says_something(raw: Any) -> bool:
    """Say whether a value is more than one of the spellings of nothing."""
    return raw is not None and not (isinstance(raw, str) and raw in NOTHING)


def _as_is(value: Any, _: Dialect) -> Any:
    return value


def _read_integer(value: Any) -> int:
    if isinstance(value, str):
        text = value.strip()
        whole = re.fullmatch(r"([+-]?[0-9]{1,19})(?:\.0*)?", text)
        value = int(whole[1]) if whole else _read_number(text)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError
    number = int(value)
    if number != value or not -BIGGEST <= number <= BIGGEST:
        raise ValueError
    return number


def _read_number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise TypeError
    number = float(value)
    if number - number != 0 or (isinstance(value, str) and "_" in value):  # infinite, not a number, or Python's 1_000
        raise ValueError
    return number


def _read_countable(value: Any) -> float:
    """Take a number that can be written as a whole one, too."""
    number = _read_number(value)
    if not -BIGGEST <= number <= BIGGEST:
        raise ValueError
    return number


def _read_measure(value: Any) -> int:
    """Round what was measured: peers send averages and rates with and without a fraction."""
    try:
        return _read_integer(value)
    except ValueError:
        return _read_integer(round(_read_number(value)))


def _read_text(value: Any) -> str:
    """Take text and numbers; what no database can keep (NUL, half of a surrogate pair) becomes U+FFFD."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise TypeError
    text = str(value).replace("\0", "\ufffd")
    return text if text.isascii() else re.sub("[\ud800-\udfff]", "\ufffd", text)


_TRUTHS = {
    **dict.fromkeys(("true", "1", "1.0", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "0.0", "no", "off"), False),
}


def _read_truth(value: Any) -> bool:
    return _TRUTHS[str(value).strip().lower()]


_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?"
    r"\s*(?:(Z)|([+-])(\d\d):?(\d\d))?",
    re.ASCII | re.IGNORECASE,
)


def _read_time(value: Any) -> datetime:
    """Take seconds since 1970, a date, or ISO 8601 with ``T`` or a blank; a time that names no zone is UTC."""
    found = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        seconds = _read_number(value)
        if seconds < 0:
            raise ValueError
        return datetime.fromtimestamp(seconds, timezone.utc)
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    fraction, _, sign, zone_hours, zone_minutes = found.groups()[6:]
    microsecond = int((fraction or "")[:6].ljust(6, "0"))
    offset = timedelta(hours=int(zone_hours or 0), minutes=int(zone_minutes or 0))
    zone = timezone(-offset if sign == "-" else offset)
    when = datetime(year, month, day, hour, minute, second, microsecond, tzinfo=zone)
    return when.astimezone(timezone.utc)


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ContractError(f"{value.isoformat()} names no time zone; an aware time is expected")
    return value.astimezone(timezone.utc)


def _write_time(value: datetime, dialect: Dialect) -> Any:
    when = _aware(value)
    return when.timestamp() if dialect is Dialect.LEGACY else when.strftime("%Y-%m-%d %H:%M:%S")


def _write_stamp(value: datetime, _: Dialect) -> str:
    return _aware(value).isoformat(timespec="seconds")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def read_json(text: Any) -> Any:
    """Read JSON from text or bytes in UTF-8.

    Raises:
        ValueError: it is not JSON; ``NaN`` and ``Infinity`` are not, and neither is what is nested too deeply to read.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _read_object(value: Any) -> Mapping[str, Any]:
    found = read_json(value) if isinstance(value, (str, bytes)) else value
    if not isinstance(found, Mapping):
        raise TypeError
    return found


def _read_json_text(value: Any) -> str:
    """Take text as it is, and write an object or a list that came unpacked as JSON again."""
    return json.dumps(value) if isinstance(value, (Mapping, list)) else _read_text(value)


INTEGER = Kind("a whole number", _read_integer, _as_is)
MEASURE = Kind("a number", _read_measure, _as_is)
NUMBER = Kind("a number", _read_number, _as_is)
#: PanDA's ``/api/v1`` checks types, and takes whole numbers only where the legacy dialect has fractions.
WHOLE_IN_V1 = Kind("a number", _read_countable, lambda value, at: round(value) if at is Dialect.V1 else value)
TEXT = Kind("text", _read_text, _as_is)
JSON_TEXT = Kind("text", _read_json_text, _as_is)
TRUTH = Kind("true or false", _read_truth, _as_is)
TIME = Kind("a time", _read_time, _write_time)
STAMP = Kind("a time", _read_time, _write_stamp)
OBJECT = Kind("a JSON object", _read_object, lambda value, _: json.dumps(value))


def text(at_most: int) -> Kind:
    """Make a kind for text that is cut to ``at_most`` characters when written, and accepted at any length."""

    def write(value: str, _: Dialect) -> str:
        return value if len(value) <= at_most else value[: at_most - len(CUT)] + CUT

    return Kind("text", _read_text, write)


def tail(at_most: int) -> Kind:
    """Make a kind for text of which the last ``at_most`` characters are written, because its end says most."""

    def write(value: str, _: Dialect) -> str:
        return value if len(value) <= at_most else CUT.strip() + " " + value[len(value) - at_most + len(CUT) :]

    return Kind("text", _read_text, write)


def pairs(at_most: int) -> Kind:
    """Make a kind for ``name=value`` pairs between blanks; pairs beyond ``at_most`` characters are left out."""

    def write(value: str, _: Dialect) -> str:
        return value if len(value) <= at_most else value[: at_most + 1].rpartition(" ")[0]

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
    if not isinstance(message, Mapping):
        raise ContractError(f"{cls.__name__}: {shown(message)} is not a JSON object")
    values: dict[str, Any] = {}
    shape = _shape(cls, dialect)  # type: ignore[arg-type]  # mypy takes a class for unhashable
    if dialect is Dialect.V1 and not shape.names.issuperset(message) and not issubclass(cls, Answer):
        _refuse_unknown(cls, message)
    for attribute, name, kind, required in shape.fields:
        raw = message.get(name)
        if says_something(raw):
            values[attribute] = read(raw, kind, name)
        elif required:
            raise ContractError(f"{name}: missing; {kind.expected} is expected", field_name=name)
    return cls(**values)


class _Shape(NamedTuple):
    """What a message has in one dialect: attribute, name, kind and whether it must be there; and the names alone."""

    fields: tuple[tuple[str, str, Kind, bool], ...]
    names: frozenset[str]


@cache  # of each class and dialect there is one
def _shape(cls: type, dialect: Dialect) -> _Shape:
    described = [(spec.name, spec.metadata) for spec in dataclasses.fields(cls)]
    named = [(name, said["names"][dialect], said["kind"], said["required"]) for name, said in described]
    there = tuple(each for each in named if each[1])
    return _Shape(there, frozenset(name for _, name, _, _ in there))


def _refuse_unknown(cls: type, message: Mapping[str, Any]) -> None:
    names = [spec.metadata["names"] for spec in dataclasses.fields(cls)]
    known = _shape(cls, Dialect.V1).names
    for name in message:
        if name not in known:
            here = {each[Dialect.LEGACY]: each[Dialect.V1] for each in names if each[Dialect.LEGACY]}.get(name)
            raise no_such_field(name, [here] if here else known, cls.__name__)


def no_such_field(name: str, known: Iterable[str], of: str) -> ContractError:
    """Answer the error that refuses an unknown field, naming the nearest known one if any is near."""
    import difflib  # only when somebody mistyped

    names = sorted(known)
    near = names if len(names) == 1 else difflib.get_close_matches(str(name), names, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return ContractError(f"{shown_name(name)}: no such field in {of}{hint}", field_name=str(name))


def shown_name(name: Any) -> str:
    """Write a field's name so that a strange one cannot spoil a log line."""
    plain = isinstance(name, str) and name.isprintable() and len(name) <= 80
    return name if plain else shown(name)


class _Short(reprlib.Repr):
    """Leaves out the middle of what is long."""

    def repr_str(self, text: str, level: int) -> str:
        """Tell how long a text is of which not everything is there."""
        cut = super().repr_str(text, level)
        return f"{cut} ({len(text)} letters)" if len(text) > self.maxstring else cut


_SHORT = _Short()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80


def shown(value: Any) -> str:
    """Write a value for a message to people; a long text loses its middle, and its length is told."""
    return _SHORT.repr(value)


def read(raw: Any, kind: Kind, name: str) -> Any:
    """Read one value, or say which field holds what instead of what."""
    try:
        return kind.read(raw)
    except ContractError:
        raise
    except (ValueError, TypeError, KeyError, OverflowError, OSError) as wrong:
        raise WrongKind(f"{name}: {shown(raw)} is not {kind.expected}", field_name=name) from wrong


def encode(message: Any, dialect: Dialect) -> dict[str, Any]:
    """Write a message; fields that say nothing, or that the dialect does not have, are left out.

    Raises:
        ContractError: a required field says nothing, or a time names no zone.
    """
    written: dict[str, Any] = {}
    for attribute, name, kind, required in _shape(type(message), dialect).fields:  # type: ignore[arg-type]
        value = getattr(message, attribute)
        if value is not None and value != "":
            written[name] = kind.write(value, dialect)
        elif required:
            raise ContractError(f"{name}: missing; {kind.expected} is expected", field_name=name)
    return written
