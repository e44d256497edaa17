"""What of a Harvester's words fits our tables; what does not is refused by its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pilot.contract.codec import BIGGEST, TEXT, ContractError, shown
from server.harvester.models import Harvester

#: Entries of one call.
MOST = 5000
#: Objects and lists within each other, as in a body; a text in it may be JSON that is deeper.
_MOST_LEVELS = 100


def name_of(harvester: str) -> str:
    """Answer a Harvester's name, if it can be one."""
    return str(fitting(harvester, Harvester._meta.get_field("name"), "harvester_id"))


def fitting(value: Any, column: Any, name: str) -> Any:
    """Answer a value that its column takes.

    Raises:
        ContractError: it is too long, or too large.
    """
    most = getattr(column, "max_length", None)
    if most is not None and (len(value) > most or not value.isprintable()):
        text = f"{name}: {shown(value)} is not text of at most {most} characters without control characters"
        raise ContractError(text, field_name=name)
    return value


def plain(value: Any, levels: int = _MOST_LEVELS) -> Any:
    """Answer JSON that every database keeps: none of them has NUL or half of a surrogate pair in it.

    Raises:
        ContractError: it is nested too deeply, or has a number that is none in JSON, as 1e999 is read, or that does
            not come back from every database as it was: 1e300 is a whole number of 301 digits in PostgreSQL's.
    """
    if not levels:
        raise ContractError(f"what a Harvester says is nested deeper than {_MOST_LEVELS} levels")
    if isinstance(value, Mapping):
        return {TEXT.read(str(key)): plain(inner, levels - 1) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner, levels - 1) for inner in value]
    if isinstance(value, (int, float)) and not -BIGGEST <= value <= BIGGEST:
        raise ContractError(f"what a Harvester says has {shown(value)} in it, which is no number of at most 64 bits")
    return TEXT.read(value) if isinstance(value, str) else value


def refuse_many(entries: Sequence[Any], name: str) -> None:
    if len(entries) > MOST:
        raise ContractError(f"{name}: {len(entries)} entries; at most {MOST} in a call", field_name=name)


def one_line(words: str) -> str:
    return " ".join(words.split())[:500]
