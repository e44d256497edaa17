"""The one door for state changes through the ORM: a row moves only from the state that was read."""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum
from typing import Any, TypeVar

from django.db.models import QuerySet

State = TypeVar("State", bound=Enum)


class IllegalMove(ValueError):
    """The table of moves has no such line."""

    def __init__(self, before: Enum, after: Enum) -> None:
        super().__init__(f"{type(before).__name__} has no move from {before.value} to {after.value}")


def move(
    rows: QuerySet[Any],
    before: State,
    after: State,
    *,
    moves: Collection[tuple[State, State]],
    **changes: Any,
) -> bool:
    """Move the one row that ``rows`` selects, if it is still in ``before``.

    Write the event of the move in the same transaction, and only when the answer is true: somebody else was
    faster otherwise, and what follows from the move is theirs to do.

    Args:
        rows: Selects at most one row, whose column ``state`` holds the value of a state.
        before: The state that was read.
        after: The state that is wanted.
        moves: The table of moves of this lifecycle.
        changes: Further columns that are written with the move.

    Raises:
        IllegalMove: ``moves`` has no such line.
    """
    if (before, after) not in moves:
        raise IllegalMove(before, after)
    return rows.filter(state=before.value).update(state=after.value, **changes) == 1
