"""What a database undoes for the sake of another transaction is done again: all of it, a few times, and counted.

What a broken connection has cut off is done again only where doing it twice is doing it once.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.db import connection, transaction
from django.db.utils import InterfaceError, OperationalError

from server.lib import metrics

P = ParamSpec("P")
R = TypeVar("R")

#: How often something is tried before its caller hears of it.
MOST = 6
#: Seconds of the first pause, at most; each further one may be twice as long. Chance parts those who met.
FIRST_PAUSE = 0.02

#: Why a database has undone a transaction: PostgreSQL's states, and MariaDB's numbers.
REASONS = {"40P01": "deadlock", "40001": "serialization", 1213: "deadlock", 1020: "serialization"}

#: What Django makes of a connection that breaks, among other things.
BREAKS = (OperationalError, InterfaceError)
#: That there is no connection any more: what PostgreSQL says when it leaves, by the first letters, and what MariaDB's
#: driver says, 0 when it had noticed before.
_LEFT, _GONE = ("08", "57P"), (0, 2006, 2013)


def given_way(error: OperationalError) -> str:
    """Say why a transaction was undone for another one's sake; nothing when it failed for another reason."""
    said = _said(error)
    return REASONS.get(said, "") if isinstance(said, (str, int)) else ""


def _said(error: Exception) -> object:
    cause = error.__cause__
    return getattr(cause, "sqlstate", None) or (cause.args[0] if cause and cause.args else None)


def is_cut_off(error: BaseException | None) -> bool:
    """Say whether something failed because there is no connection to the database any more.

    Inside a transaction that is not known: who began that finds out.
    """
    if not isinstance(error, BREAKS) or connection.in_atomic_block:
        return False
    said = _said(error)
    if isinstance(said, int):
        return said in _GONE
    state = getattr(error.__cause__, "sqlstate", "")  # none at all is what its driver has found itself
    return state is None or state.startswith(_LEFT)


def renew(error: Exception) -> None:
    """Make ready to do again what was cut off, on a fresh connection, and count it.

    Raises:
        Exception: the error itself, when it failed for another reason.
    """
    if not is_cut_off(error):
        raise error
    metrics.repeated("connection")
    connection.close()


def repeatable(function: Callable[P, R]) -> Callable[P, R]:
    """Have a function that may be done twice done again, once, when its connection broke in the middle.

    Whoever was cut off does not know whether the database has done it: so this is for reports and requests that have a
    name, and a second time get the first answer. All others are told of it.
    """

    @wraps(function)
    def call(*args: P.args, **named: P.kwargs) -> R:
        try:
            return function(*args, **named)
        except BREAKS as error:
            renew(error)
        return function(*args, **named)

    return call


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
