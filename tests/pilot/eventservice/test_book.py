from __future__ import annotations

import time

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.events import Archive, EventRange, RangeStatus
from pilot.eventservice import book as books
from pilot.eventservice.book import Book
from pilot.eventservice.ranges import Failure, IllegalMove, Move, State
from tests.pilot.eventservice.ranges_server import described

ARCHIVE = Archive("x.tar", 10, "adler32:00000001")


def ranges(*numbers):
    return [EventRange.from_wire(described(number)) for number in numbers]


def ids(found):
    return [held.id for held in found]


@pytest.fixture
def noted():
    return []


@pytest.fixture
def book(noted):
    made = Book(noted.append)
    made.came(ranges(0, 1, 2))
    return made


def test_ranges_are_handed_out_in_the_order_in_which_they_came(book):
    assert ids(book.give(2)) == ["1-7-2-0-3", "1-7-2-1-3"]
    assert ids(book.give(2)) == ["1-7-2-2-3"]
    assert book.give(2) == []


def test_a_range_that_comes_again_is_not_taken_twice(book):
    assert ids(map(books.Held, book.came(ranges(2, 3)))) == ["1-7-2-3-3"]
    assert len(book) == 4


def test_a_move_that_one_of_several_cannot_make_is_made_by_none(book, noted):
    book.give(1)
    book.move(Move.LEAVE, ["1-7-2-1-3"])
    before = len(noted)
    with pytest.raises(IllegalMove):
        book.move(Move.GIVE, ["1-7-2-2-3", "1-7-2-0-3"])
    assert book.count(State.READY) == 1
    assert len(noted) == before


def test_a_change_that_cannot_be_written_down_has_not_happened(book):
    def full(line):
        raise OSError("no space")

    book.goes_on(full)
    with pytest.raises(OSError, match="no space"):
        book.give(1)
    assert book.count(State.READY) == 3


def lived(book):
    """Have something of every kind happen."""
    book.give(3)
    book.done("1-7-2-0-3", "/job/out", 1.5, 2.5)
    book.pack(["1-7-2-0-3"], ARCHIVE)
    book.store(ARCHIVE._replace(url="file:///s/x.tar", storage=42))
    book.fail("1-7-2-1-3", Failure(ErrorCode.ES_FATAL, "bad event", True))
    book.take_back(["1-7-2-2-3"])
    return book


def test_a_book_is_read_as_it_was_written(book, noted):
    lived(book)
    read = books.read(noted)
    for range_id in ids(book.all(*State)):
        assert read.get(range_id) == book.get(range_id)
    assert read.archives == book.archives
    assert read.archives["x.tar"].storage == 42


def test_a_range_ends_as_it_is_reported(book):
    lived(book)
    finished, fatal = book.end_of(book.get("1-7-2-0-3")), book.end_of(book.get("1-7-2-1-3"))
    assert (finished.status, finished.cpu_time) == (RangeStatus.FINISHED, 1.5)
    assert (fatal.status, fatal.code, fatal.words) == (RangeStatus.FATAL, 1228, "bad event")


def test_events_are_counted_and_a_range_of_unknown_size_counts_as_one(book):
    book.came([EventRange("z")])
    assert book.events(State.READY) == 31


def test_a_job_of_many_ranges_is_no_slower_for_each_of_them(book):
    book.goes_on(lambda line: None)
    book.came([EventRange(f"r{number}") for number in range(20_000)])
    began = time.process_time()
    while given := book.give(1):
        book.done(given[0].id, given[0].id, 0, 0)
        assert book.count(State.GIVEN) == 0
    assert book.count(State.DONE) == 20_003
    assert time.process_time() - began < 20, "half a second, on any machine of today"


@pytest.mark.parametrize("line", [{"move": "fly", "ids": []}, {"move": "give", "ids": ["q"]}, {"came": [{}]}])
def test_what_no_pilot_wrote_is_no_book(line):
    with pytest.raises((ValueError, KeyError)):
        books.read([line])
