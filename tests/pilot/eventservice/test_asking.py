from __future__ import annotations

import itertools

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.events import EventRange
from pilot.copytool.base import Cancel
from pilot.eventservice.asking import Amounts, Asking
from pilot.eventservice.book import Book
from pilot.job import Problem


class Bench:
    def __init__(self, ahead=1, reserve=10.0):
        self.book, self.sent, self.left, self.stopped = Book(), [], 1000.0, Cancel()
        number = itertools.count()
        self.asking = Asking(
            self.book,
            Amounts(4, ahead, reserve),
            lambda count, request_id: self.sent.append((count, request_id)),
            lambda: f"id-{next(number)}",
            self.stopped,
            lambda: self.left,
            lambda: 50.0,
        )

    def came(self, *names):
        ranges = [EventRange(name) for name in names]
        self.asking.came(self.book.came(ranges), dry=not ranges)


@pytest.fixture
def bench():
    return Bench()


def test_one_request_is_sent_at_a_time_each_under_a_name_of_its_own(bench):
    bench.asking.go_on()
    bench.asking.go_on()
    assert bench.sent == [(4, "id-0")]
    bench.came("a")
    bench.asking.go_on()
    assert bench.sent == [(4, "id-0")], "there is one in stock"
    bench.book.give(1)
    bench.asking.go_on()
    assert bench.sent == [(4, "id-0"), (4, "id-1")]


def test_ranges_are_asked_for_ahead_of_their_need():
    bench = Bench(ahead=3)
    bench.asking.go_on()
    bench.came("a", "b")
    bench.asking.go_on()
    assert len(bench.sent) == 2


def test_when_there_are_no_more_nobody_asks_again(bench):
    bench.asking.go_on()
    bench.came()
    bench.asking.go_on()
    assert (bench.asking.dry, bench.asking.closed, len(bench.sent)) == (True, False, 1)


@pytest.mark.parametrize(("left", "slowest", "asks"), [(11, 0, True), (9, 0, False), (100, 49, True), (100, 51, False)])
def test_nothing_is_asked_for_that_could_not_be_done_in_time(bench, left, slowest, asks):
    bench.left = left
    bench.asking.go_on(slowest)
    assert bool(bench.sent) is asks
    assert bench.asking.closed is not asks
    assert bool(bench.stopped) is not asks


def test_when_the_time_will_be_over_is_known_so_that_somebody_looks_then(bench):
    bench.asking.go_on()
    assert bench.asking.next() == 50 + 990
    bench.asking.close("enough")
    assert bench.asking.next() == float("inf")


def test_a_request_that_came_to_nothing_is_the_last_one_and_its_reason_is_kept(bench):
    bench.asking.go_on()
    problem = Problem(ErrorCode.COMMUNICATION_FAILURE, "away")
    bench.asking.not_came(problem)
    bench.asking.go_on()
    assert (bench.asking.dry, bench.asking.problem, len(bench.sent)) == (True, problem, 1)


def test_a_server_that_repeats_itself_is_not_asked_for_ever(bench):
    bench.asking.go_on()
    bench.came("a")
    bench.book.give(1)
    bench.asking.go_on()
    bench.asking.came(bench.book.came([EventRange("a")]), dry=False)
    assert bench.asking.closed


def test_a_request_that_is_not_answered_while_there_is_time_is_given_up_and_not_watched(bench):
    bench.asking.go_on()
    bench.left = 5.0
    bench.asking.go_on()
    assert bench.asking.closed
    assert bench.stopped
    assert bench.asking.next() == float("inf"), "there is nothing to wake up for"
