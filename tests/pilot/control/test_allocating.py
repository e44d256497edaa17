"""When payloads are launched, and what becomes of an allocation, step by step; nothing runs but what a test reports."""

from __future__ import annotations

import queue

import pytest

from pilot.contract.codes import ErrorCode
from pilot.control.allocating import UNKNOWN_FOR, GatheringLane
from pilot.control.component import Budget
from pilot.control.gathering import Gathering, Tick
from pilot.control.lifecycle import Effect
from pilot.control.news import Measured, Progress
from pilot.errors import JobFailed, PluginFailed
from pilot.hpc import record, report, worklist
from pilot.hpc.allocation import Orders, plan
from pilot.hpc.record import Stage
from pilot.hpc.report import RankReport
from pilot.hpc.shaping import Wanted, shape
from pilot.hpc.values import BatchState, Status, Wishes
from pilot.job import Job, Phase
from pilot.settings.hpc import Hpc


class Launching:
    """Plans allocations in a folder, and says of each what it was told to."""

    def __init__(self, folder, **settings):
        self.settings = Hpc(**{"gather": 100.0, "quiet": 5.0, "look": 2.0, "poll": 30.0, **settings})
        self.folder, self.made, self.now = folder, [], BatchState.RUNNING
        self.failure = None

    def heed(self, queue):
        self.heeded = queue

    def begin(self, payloads, queue, poked, ended):
        if self.failure is not None:
            raise self.failure
        shaped = shape([Wanted()] * len(payloads), Wishes(most_nodes=1, ranks_per_node=3)).shape
        self.made.append(plan(self.folder, payloads[: shaped.lines], shaped, Orders(0, 1, "", 1), poked))
        return self.made[-1]

    def state(self, allocation):
        allocation.status = Status(self.now, "words")
        return self.now


class Lane:
    def __init__(self, bench, **settings):
        self.bench, self.clock, self.back = bench, 1000.0, queue.SimpleQueue()
        way = Gathering(queue.Queue(), bench.occupied, bench.base)
        self.control = bench.payload()
        self.control.gather_by(way)
        bench.base.mkdir(exist_ok=True)
        self.launching = Launching(bench.base, **settings)
        told = bench.told.append
        self.lane = GatheringLane(way, Budget(3), told, self.back.put, self.launching, lambda: self.clock)

    def coming(self, number, phase=Phase.STAGING_IN):
        self.lane.way.note(Job(self.bench.spec(id=number), phase=phase))
        self.go_on()

    def gather(self, *numbers):
        for number in numbers:
            spec = self.bench.spec("true", id=number)
            self.bench.make(spec)
            self.control.run(self.bench.work(Effect.RUN_PAYLOAD, spec))
        self.go_on()

    def go_on(self, seconds=0.0):
        """Let time pass, and the lane do what is due."""
        self.clock += seconds
        while not self.lane.inbox.empty():
            self.lane.handle(self.lane.inbox.get())
        self.lane.handle(Tick())

    def report(self, made, line, number):
        report.write(made.folder / worklist.REPORTS / f"{line}.json", RankReport(number, 1, line, status=0))

    def ended(self):
        """Let the payload lane take what has come back; answer the codes by job, ``None`` for a job that went well."""
        while not self.back.empty():
            self.control.run(self.back.get())
        answers = [word for word in self.bench.told if not isinstance(word, (Measured, Progress))]
        return {word.key[0]: word.problem and word.problem.code for word in answers}

    def sizes(self):
        return [len(made.record.keys) for made in self.launching.made]


@pytest.fixture
def lane(bench):
    return Lane(bench)


def test_payloads_go_when_all_that_were_accepted_are_there_and_it_is_quiet(lane):
    lane.coming(1)
    lane.coming(2)
    lane.gather(1)
    lane.go_on(50)
    assert lane.sizes() == []
    lane.gather(2)
    assert lane.sizes() == []
    lane.go_on(5)
    assert lane.sizes() == [2]


def test_a_partial_set_goes_when_it_was_long_enough(lane):
    lane.coming(1)
    lane.coming(2, Phase.RUNNING)  # it is being prepared
    lane.gather(1)
    lane.go_on(99)
    assert lane.sizes() == []
    lane.go_on(1)
    assert lane.sizes() == [1]


def test_who_has_left_on_the_way_is_not_waited_for(lane):
    lane.coming(1)
    lane.coming(2)
    lane.gather(1)
    lane.coming(2, Phase.STOPPING)
    lane.go_on(5)
    assert lane.sizes() == [1]


def test_enough_go_at_once_and_the_rest_waits_for_the_next_allocation(bench):
    lane = Lane(bench, jobs=4, quiet=0.0)
    lane.coming(9)
    lane.gather(1, 2, 3, 4)
    assert lane.sizes() == [3]  # of which three fit
    for line in range(3):
        lane.report(lane.launching.made[0], line, line + 1)
    lane.go_on(2)
    lane.go_on(100)
    assert lane.sizes() == [3, 1]
    assert lane.ended() == {1: None, 2: None, 3: None}


def test_what_ranks_report_comes_back_as_it_comes(lane):
    lane.gather(1, 2)
    lane.go_on(5)
    (made,) = lane.launching.made
    lane.report(made, 1, 2)
    made._poked(made, [1])
    lane.go_on()
    assert lane.ended() == {2: None}
    lane.report(made, 0, 1)
    lane.go_on(2)
    assert lane.ended() == {1: None, 2: None}


@pytest.mark.parametrize(
    ("state", "seconds", "code"),
    [
        (BatchState.ENDED, 120, ErrorCode.RANK_LOST),
        (BatchState.TIMED_OUT, 120, ErrorCode.ALLOCATION_TIMED_OUT),
        (BatchState.HELD, 3600, ErrorCode.ALLOCATION_HELD),
        (BatchState.UNKNOWN, UNKNOWN_FOR, ErrorCode.ALLOCATION_LOST),
        (BatchState.RESCHEDULED, 0, ErrorCode.ALLOCATION_RESCHEDULED),
    ],
)
def test_payloads_without_a_report_are_given_up_when_their_allocation_has_no_future(lane, state, seconds, code):
    lane.gather(1, 2)
    lane.go_on(5)
    lane.report(lane.launching.made[0], 0, 1)
    lane.launching.now = state
    lane.go_on(30)
    if seconds:
        assert lane.ended() == {1: None}
        lane.go_on(seconds - 1)
        assert lane.ended() == {1: None}
    lane.go_on(1)
    assert lane.ended() == {1: None, 2: code}


def test_who_waits_and_is_to_be_stopped_comes_back_at_once_and_so_does_who_comes_later(lane):
    lane.gather(1)
    lane.lane.way.warn((1, 1))
    lane.lane.way.warn((2, 1))
    lane.go_on()
    lane.gather(2)
    assert lane.ended() == {1: ErrorCode.ORDERED_STOP, 2: ErrorCode.ORDERED_STOP}
    lane.go_on(1000)
    assert lane.sizes() == []


def test_one_that_runs_is_marked_to_be_stopped(lane):
    lane.gather(1, 2)
    lane.go_on(5)
    lane.lane.way.warn((2, 1))
    lane.go_on()
    (made,) = lane.launching.made
    assert [path.name for path in (made.folder / worklist.STOPS).iterdir()] == ["1"]
    assert lane.ended() == {}


def test_a_report_counts_that_a_shared_disk_shows_after_the_allocations_end_and_who_was_stopped_is_not_waited_for(lane):
    lane.gather(1, 2, 3)
    lane.go_on(5)
    (made,) = lane.launching.made
    lane.launching.now = BatchState.ENDED
    lane.go_on(30)
    lane.launching.now = BatchState.UNKNOWN  # it is forgotten meanwhile
    lane.lane.way.warn((2, 1))
    lane.go_on(60)
    lane.go_on(2)
    assert lane.ended() == {2: ErrorCode.RANK_LOST}
    lane.report(made, 0, 1)
    lane.go_on(50)
    assert lane.ended() == {1: None, 2: ErrorCode.RANK_LOST}
    lane.go_on(10)
    assert lane.ended() == {1: None, 2: ErrorCode.RANK_LOST, 3: ErrorCode.RANK_LOST}


def test_who_names_an_allocation_that_does_not_have_him_is_lost(lane):
    lane.gather(1)
    lane.go_on(5)
    spec = lane.bench.spec("true", id=9)
    place = lane.bench.make(spec)
    record.write(lane.launching.made[0].folder, lane.launching.made[0].record._replace(stage=Stage.SUBMITTED))
    record.write_note(place, record.Note(lane.launching.made[0].folder, 0))
    lane.control.run(lane.bench.work(Effect.RUN_PAYLOAD, spec))
    lane.go_on()
    assert lane.ended() == {9: ErrorCode.PILOT_LOST}


def test_an_allocation_is_cancelled_again_when_that_was_not_heard(lane):
    lane.gather(1)
    lane.go_on(5)
    told = []

    class Deaf:
        is_here, number = False, "12"

        def cancel(self):
            told.append(1)
            return len(told) == 2

    lane.launching.made[0].started = Deaf()
    lane.lane.way.warn((1, 1))
    for _ in range(4):
        lane.go_on(30)
    assert len(told) == 2


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (JobFailed(ErrorCode.ALLOCATION_REJECTED, "no"), ErrorCode.ALLOCATION_REJECTED),
        (PluginFailed("broken"), ErrorCode.PLUGIN_FAILED),
    ],
)
def test_what_cannot_be_launched_fails_with_the_reason(lane, failure, code):
    lane.launching.failure = failure
    lane.gather(1, 2)
    lane.go_on(5)
    assert lane.ended() == {1: code, 2: code}


def test_when_the_lane_breaks_what_is_in_no_allocation_is_given_back(lane):
    lane.gather(1)
    lane.go_on(5)
    lane.gather(2)
    lane.lane.broke(Tick(), ValueError("oops"))
    assert lane.ended() == {2: ErrorCode.INTERNAL_ERROR}
    lane.report(lane.launching.made[0], 0, 1)
    lane.go_on(100)
    assert lane.ended() == {1: None, 2: ErrorCode.INTERNAL_ERROR}


def test_reports_say_how_the_allocation_is(lane):
    lane.gather(1)
    lane.go_on(5)
    lane.go_on()
    said = [word.metrics["hpcStatus"] for word in lane.bench.told if isinstance(word, Measured)]
    assert said == ["gathering", "running"]


def test_what_the_queue_says_is_heeded_from_its_first_payload_on(lane):
    lane.gather(1)
    assert lane.launching.heeded.name == "TEST"


def test_the_lane_sleeps_until_something_is_due(lane):
    lane.gather(1)
    lane.clock += 4.9
    assert lane.lane.take() == Tick()
