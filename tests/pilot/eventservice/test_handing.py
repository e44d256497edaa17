from __future__ import annotations

import json

import pytest

from pilot.contract.events import EventRange
from pilot.eventservice.book import Book
from pilot.eventservice.handing import Handing
from pilot.eventservice.ranges import State
from tests.pilot.eventservice.ranges_server import described


class Someone:
    """A worker whose line holds, or does not."""

    def __init__(self, holds=True):
        self.holds, self.heard = holds, []

    def say(self, text):
        self.heard.append(text if text.startswith("No") else [one["eventRangeID"] for one in json.loads(text)])
        return self.holds


@pytest.fixture
def now():
    return [100.0]


@pytest.fixture
def book():
    return Book()


@pytest.fixture
def handing(book, now):
    return Handing(book, lambda: now[0])


def bring(book, *numbers):
    book.came([EventRange.from_wire(described(number)) for number in numbers])


def test_who_waits_longest_is_served_first_and_gets_no_more_than_it_wanted(handing, book):
    first, second = Someone(), Someone()
    handing.wait(first, 2)
    handing.wait(second, 5)
    handing.serve(closed=False, dry=False)
    assert (first.heard, second.heard) == ([], []), "there is nothing yet, and perhaps there will be"
    bring(book, 0, 1, 2)
    handing.serve(closed=False, dry=False)
    assert first.heard == [["1-7-2-0-3", "1-7-2-1-3"]]
    assert second.heard == [["1-7-2-2-3"]]


def test_when_the_server_has_no_more_the_stock_is_handed_out_and_then_the_end_is_told(handing, book):
    bring(book, 0)
    workers = [Someone(), Someone()]
    for worker in workers:
        handing.wait(worker, 1)
    handing.serve(closed=False, dry=True)
    assert [worker.heard for worker in workers] == [[["1-7-2-0-3"]], ["No more events"]]


def test_when_no_more_are_wanted_the_stock_is_not_handed_out(handing, book):
    bring(book, 0)
    worker = Someone()
    handing.wait(worker, 1)
    handing.serve(closed=True, dry=False)
    assert worker.heard == ["No more events"]
    assert book.count(State.READY) == 1


def test_a_range_for_somebody_who_has_hung_up_goes_to_the_next(handing, book):
    bring(book, 0)
    gone, there = Someone(holds=False), Someone()
    handing.wait(gone, 1)
    handing.wait(there, 1)
    handing.serve(closed=False, dry=False)
    assert there.heard == [["1-7-2-0-3"]]


def test_nothing_is_handed_to_somebody_who_is_known_to_be_gone(handing, book):
    gone = Someone()
    handing.wait(gone, 1)
    handing.forget(gone)
    bring(book, 0)
    handing.serve(closed=False, dry=False)
    assert gone.heard == []
    assert book.count(State.READY) == 1


def test_how_long_the_slowest_range_took_is_known(handing, book, now):
    bring(book, 0, 1)
    handing.wait(Someone(), 2)
    handing.serve(closed=False, dry=False)
    now[0] += 5
    assert handing.ended("1-7-2-0-3") == 5
    now[0] += 2
    assert handing.ended("1-7-2-1-3") == 7
    assert handing.slowest == 7
    assert handing.ended("unknown") == 0
