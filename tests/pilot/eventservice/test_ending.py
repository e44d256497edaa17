from __future__ import annotations

from pathlib import Path

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.events import Archive, EventRange
from pilot.eventservice.book import Book
from pilot.eventservice.ending import metrics, problem_of, settle
from pilot.eventservice.ranges import Failure, Move, State
from pilot.job import PayloadOutcome

HERE = Path()
ARCHIVE = Archive("x.tar", 1, "adler32:00000001")


def outcome(status=0, signal=None):
    return PayloadOutcome(status, signal, HERE, HERE, HERE)


@pytest.fixture
def book():
    made = Book()
    made.came([EventRange(name, first=1, last=10) for name in "abc"])
    made.give(2)
    return made


def finish(book, *names):
    for name in names:
        book.done(name, name, 0, 0)
    book.pack(names, ARCHIVE)
    book.store(ARCHIVE)
    book.move(Move.REPORT, names)


@pytest.mark.parametrize(
    ("how", "words"), [(outcome(), "ended well"), (outcome(3), "status 3"), (outcome(None, 9), "by a signal")]
)
def test_ranges_in_the_hand_of_a_payload_that_ended_by_itself_have_failed(book, how, words):
    settle(book, how, stopped=False)
    assert [held.state for held in book.all(*State)] == [State.FAILED, State.FAILED, State.LEFT]
    failure = book.get("a").failure
    assert failure.code is ErrorCode.ES_RECOVERABLE
    assert words in failure.words


@pytest.mark.parametrize(("how", "stopped"), [(outcome(None, 15), True), (None, False)])
def test_ranges_of_a_payload_that_was_stopped_or_never_ran_are_left(book, how, stopped):
    settle(book, how, stopped=stopped)
    assert book.count(State.LEFT) == 3


def test_one_range_that_was_reported_makes_a_job_worth_while(book):
    finish(book, "a")
    book.fail("b", Failure(ErrorCode.ES_FATAL, "bad", True))
    assert problem_of(book) is None


@pytest.mark.parametrize(("fatal", "code"), [(True, ErrorCode.ES_FATAL), (False, ErrorCode.ES_RECOVERABLE)])
def test_a_job_of_failures_fails_of_their_kind(book, fatal, code):
    book.fail("a", Failure(ErrorCode.ES_FATAL, "bad event", True))
    book.fail("b", Failure(code, "bad luck", fatal))
    problem = problem_of(book)
    assert problem.code is code
    assert "bad event" in problem.detail


def test_a_job_whose_ranges_nobody_wanted_any_more_says_so(book):
    for name in "ab":
        book.done(name, name, 0, 0)
    book.pack("ab", ARCHIVE)
    book.store(ARCHIVE)
    book.move(Move.REFUSE, "ab")
    assert problem_of(book).code is ErrorCode.SERVER_REFUSED


def test_a_job_that_did_nothing_may_be_tried_again(book):
    settle(book, None, stopped=True)
    assert problem_of(book).code is ErrorCode.ES_RECOVERABLE


def test_events_that_were_begun_and_those_that_were_stored_are_counted(book):
    finish(book, "a")
    book.fail("b", Failure(ErrorCode.ES_FATAL, "bad", True))
    settle(book, outcome(), stopped=False)
    assert metrics(book) == {"nEvents": 20, "nEventsW": 10, "nRanges": 1, "nRangesFailed": 1}
