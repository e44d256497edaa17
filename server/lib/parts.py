"""What cannot be done as a whole is done in parts: one row that is in the way holds up no other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from django.db import InterfaceError, OperationalError

Row = TypeVar("Row")

#: The database's own troubles, such as a deadlock: they say nothing of a row, and have ended the transaction.
DATABASE = (OperationalError, InterfaceError)


def do_in_parts(
    rows: Sequence[Row],
    do: Callable[[Sequence[Row]], int],
    refused: Callable[[Row, Exception], None],
    *,
    expected: type[Exception] | tuple[type[Exception], ...] = Exception,
) -> int:
    """Do something to rows, all together, or, where that fails, to each half; answer how many it was done to.

    Args:
        rows: The rows.
        do: Does it to some of them in a transaction, or raises and does nothing; answers how many that were.
        refused: Told of each row with which it fails by itself, and why.
        expected: What says that a row is in the way.

    Raises:
        OperationalError, InterfaceError: the database itself could not.
    """
    try:
        return do(rows) if rows else 0
    except DATABASE:
        raise
    except expected as why:
        if len(rows) == 1:
            refused(rows[0], why)
            return 0
    middle = len(rows) // 2
    return sum(do_in_parts(half, do, refused, expected=expected) for half in (rows[:middle], rows[middle:]))
