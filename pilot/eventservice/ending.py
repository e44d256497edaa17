"""What becomes of ranges when their payload has ended, and how the job is judged by them. Pure but for the book."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Optional

from pilot.contract.codes import ErrorCode
from pilot.eventservice.book import Book
from pilot.eventservice.ranges import Failure, Move, State
from pilot.job import Problem

if TYPE_CHECKING:
    from pilot.job import PayloadOutcome


def settle(book: Book, outcome: Optional[PayloadOutcome], *, stopped: bool) -> None:
    """Let go of the ranges that a payload has not ended.

    Those that nobody has begun are left to the server, which gives them to others once the job has ended. So are those
    in hand when the payload was ``stopped``: it is not their fault. A payload that ended by itself may have died of
    them: they are told as failed, so that they are not tried for ever.
    """
    book.move(Move.LEAVE, [held.id for held in book.all(State.READY)])
    in_hand = [held.id for held in book.all(State.GIVEN)]
    if stopped or outcome is None:
        book.move(Move.LEAVE, in_hand)
        return
    how = "well" if outcome.well else f"with status {outcome.status}" if outcome.signal is None else "by a signal"
    words = f"the payload ended {how}, and had not ended this range"
    for range_id in in_hand:
        book.fail(range_id, Failure(ErrorCode.ES_RECOVERABLE, words))


def problem_of(book: Book) -> Optional[Problem]:
    """Say why a job has failed although its payload ended well: not one of its ranges came to a good end."""
    if book.count(State.REPORTED):
        return None
    failed = [held.failure for held in book.all(State.FAILED, State.TOLD, State.REFUSED) if held.failure is not None]
    if failed:
        fatal = all(failure.fatal for failure in failed)
        code = ErrorCode.ES_FATAL if fatal else ErrorCode.ES_RECOVERABLE
        return Problem(code, f"all {len(failed)} event ranges that were tried have failed; first: {failed[0].words}")
    if book.count(State.REFUSED):
        return Problem(ErrorCode.SERVER_REFUSED, "the server did not want the event ranges that were done")
    return Problem(ErrorCode.ES_RECOVERABLE, f"none of {len(book)} event ranges was done")


def metrics(book: Book) -> Mapping[str, int]:
    """Answer the figures for the job's reports: events that were done, and those that were stored and reported."""
    ended = tuple(state for state in State if state not in (State.READY, State.GIVEN, State.LEFT))
    return {
        "nEvents": book.events(*ended),
        "nEventsW": book.events(State.REPORTED),
        "nRanges": book.count(State.REPORTED),
        "nRangesFailed": book.count(State.FAILED, State.TOLD, State.REFUSED),
    }
