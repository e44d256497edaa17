"""What a database undoes for the sake of another transaction is done again: all of it, a few times, and counted."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.db import connection, transaction
from django.db.utils import OperationalError

from server.lib import metrics

P = ParamSpec("P")
R = TypeVar("R")

#: How often something is tried before its caller hears of it.
MOST = 6
#: Seconds of the first pause, at most; each further one may be twice as long. Chance parts those who met.
FIRST_PAUSE = 0.02

#: Why a database has undone a transaction: PostgreSQL's states, and MariaDB's numbers.
REASONS = {"40P01": "deadlock", "40001": "serialization", 1213: "deadlock", 1020: "serialization"}


def given_way(error: OperationalError) -> str:
    """Say why a transaction was undone for another one's sake; nothing when it failed for another reason."""
    cause = error.__cause__
    said = getattr(cause, "sqlstate", None) or (cause.args[0] if cause and cause.args else None)
    return REASONS.get(said, "") if isinstance(said, (str, int)) else ""


def pause(turn: int) -> None:
    """Let others be faster for a moment, which may be twice as long with each turn."""
    time.sleep(random.uniform(0, FIRST_PAUSE * 2**turn))  # noqa: S311 (nobody has to guess it)


def once_more(function: Callable[P, R]) -> Callable[P, R]:
    """Have a function that makes its own transactions called again when one of them was undone for another's sake.

    Inside somebody else's transaction nothing is repeated: that one was undone, and who began it has to.
    """

    @wraps(function)
    def call(*args: P.args, **named: P.kwargs) -> R:
        if connection.in_atomic_block:
            return function(*args, **named)
        kept: Any = [list(value) if isinstance(value, Iterator) else value for value in args]  # to be read once more
        for turn in range(1, MOST):
            try:
                return function(*kept, **named)
            except OperationalError as lost:
                if not (reason := given_way(lost)):
                    raise
                metrics.repeated(reason)
                pause(turn)
        return function(*kept, **named)

    return call


def whole(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function a transaction, which is done again when it was undone for another one's sake."""
    return once_more(transaction.atomic(function))
