from __future__ import annotations

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.events import Archive, EventAnswer, EventRange
from pilot.eventservice.book import Book
from pilot.eventservice.errands import NotStored, NotTold, Packed, Stored, Told
from pilot.eventservice.outgoing import Doing, Outgoing, Pace
from pilot.eventservice.ranges import Failure, State
from pilot.job import Problem

FULL = Problem(ErrorCode.NO_REMOTE_SPACE, "full")


class Bench:
    def __init__(self, folder, per_archive=0):
        self.now, self.asked, self.enough = 0.0, [], []
        self.book = Book()
        self.book.came([EventRange(name) for name in "abcdef"])
        self.book.give(6)
        doing = Doing(*(lambda what, word=word: self.asked.append((word, what)) for word in ("pack", "store", "tell")))
        self.out = Outgoing(
            7, self.book, folder, Pace(600.0, per_archive, 3, 10.0), doing, self.enough.append, lambda: self.now
        )

    def done(self, *names):
        for name in names:
            self.book.done(name, f"/none/{name}", 0, 0)
            self.out.done(name, f"/none/{name}")

    def go_on(self, ending=False, cancelled=False):
        self.out.go_on(ending=ending, cancelled=cancelled)
        found, self.asked = self.asked, []
        return found

    def packs(self, **more):
        return [[output.range_id for output in what] for word, what in self.go_on(**more) if word == "pack"]

    def pack(self, *names):
        self.out.handle(Packed(Archive(f"{names[0]}.tar", 1, "adler32:00000001"), names, {}))

    def state(self, name):
        return self.book.get(name).state


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_outputs_are_gathered_for_as_long_as_the_gap_is_and_then_packed(bench):
    bench.done("a")
    bench.now = 599
    bench.done("b")
    assert bench.go_on() == []
    assert bench.out.next(ending=False) == 600
    bench.now = 600
    assert bench.packs() == [["a", "b"]]
    assert bench.packs() == [], "one thing at a time"


def test_so_many_outputs_make_an_archive_at_once(tmp_path):
    bench = Bench(tmp_path, per_archive=2)
    bench.done("a")
    assert bench.packs() == []
    bench.done("b", "c")
    assert bench.packs() == [["a", "b"]]


def test_when_the_payload_has_ended_nothing_is_waited_for(bench):
    bench.done("a")
    assert bench.packs(ending=True) == [["a"]]


def test_what_is_packed_is_stored_and_what_is_stored_is_told_with_its_archive(bench):
    bench.done("a", "b")
    bench.packs(ending=True)
    bench.pack("a", "b")
    ((word, archive),) = bench.go_on()
    assert word == "store"
    bench.out.handle(Stored(archive._replace(storage=42)))
    ((word, report),) = bench.go_on()
    assert (word, report.archive.storage, [end.id for end in report.ends]) == ("tell", 42, ["a", "b"])
    assert not bench.out.idle
    bench.out.handle(Told(report, EventAnswer((True, False))))
    assert (bench.state("a"), bench.state("b")) == (State.REPORTED, State.REFUSED)
    assert bench.out.idle


def test_an_output_that_is_gone_fails_its_range_and_no_other(bench):
    bench.done("a", "b")
    bench.packs(ending=True)
    bench.out.handle(Packed(Archive("a.tar", 1, "adler32:00000001"), ["b"], {"a": "No such file"}))
    assert (bench.state("a"), bench.state("b")) == (State.FAILED, State.PACKED)
    assert bench.book.get("a").failure.code is ErrorCode.OUTPUT_MISSING


def test_failures_are_told_together(bench):
    for name in "ab":
        bench.book.fail(name, Failure(ErrorCode.ES_RECOVERABLE, "no"))
    ((word, report),) = bench.go_on()
    assert (word, report.archive, len(report.ends)) == ("tell", None, 2)


def test_an_archive_that_is_not_stored_is_tried_again_later_each_time(bench):
    bench.done("a")
    bench.packs(ending=True)
    bench.pack("a")
    bench.go_on()
    bench.out.handle(NotStored("a.tar", FULL))
    assert bench.go_on(ending=True) == []
    assert bench.out.next(ending=True) == 10
    bench.now = 10
    assert [word for word, _ in bench.go_on()] == ["store"]
    bench.out.handle(NotStored("a.tar", FULL))
    assert bench.out.next(ending=True) == 30, "twice as long"


def test_after_so_many_failures_it_is_given_up_and_the_ranges_are_left_to_the_server(bench):
    bench.done("a", "b")
    bench.packs(ending=True)
    bench.pack("a")
    for _ in range(3):
        bench.now += 100
        bench.go_on()
        bench.out.handle(NotStored("a.tar", FULL))
    assert (bench.out.gave_up, bench.out.problem.code) == (True, ErrorCode.NO_REMOTE_SPACE)
    bench.go_on()
    assert (bench.state("a"), bench.state("b")) == (State.LEFT, State.LEFT)
    assert bench.out.idle


def test_a_job_that_has_to_end_stores_nothing_more_and_tells_what_is_stored(bench):
    bench.done("a", "b")
    bench.packs(ending=True)
    bench.pack("a")
    bench.go_on()
    bench.out.handle(Stored(bench.book.archives["a.tar"]))
    asked = bench.go_on(ending=True, cancelled=True)
    assert [word for word, _ in asked] == ["tell"]
    assert bench.state("b") is State.LEFT
    bench.out.handle(NotTold(asked[0][1], FULL, refused=False))
    assert bench.out.idle
    assert bench.state("a") is State.STORED, "for whoever finds the journal"


def test_a_report_that_is_refused_is_not_repeated(bench):
    bench.book.fail("a", Failure(ErrorCode.ES_RECOVERABLE, "no"))
    ((_, report),) = bench.go_on()
    bench.out.handle(NotTold(report, FULL, refused=True))
    assert bench.go_on() == []
    assert (bench.state("a"), bench.out.problem) == (State.REFUSED, FULL)


@pytest.mark.parametrize(
    ("command", "stops"), [("softkill", True), ("debug,tobekilled", True), ("debug", False), ("", False)]
)
def test_a_command_that_wants_no_more_is_heard(bench, command, stops):
    bench.book.fail("a", Failure(ErrorCode.ES_RECOVERABLE, "no"))
    ((_, report),) = bench.go_on()
    bench.out.handle(Told(report, EventAnswer((True,), command)))
    assert bool(bench.enough) is stops


def test_a_file_is_the_output_of_one_range_until_it_is_packed(bench):
    bench.done("a")
    assert bench.out.has("/none/a") == "a"
    bench.packs(ending=True)
    bench.pack("a")
    assert bench.out.has("/none/a") == ""
