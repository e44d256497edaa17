"""One allocation: planned, listened to, collected from, stopped in parts, given up, closed."""

from __future__ import annotations

import queue
import stat

import pytest

from pilot.contract.codes import ErrorCode
from pilot.hpc import record, report, worklist
from pilot.hpc.allocation import Orders, Payload, launch_of, plan
from pilot.hpc.record import Stage
from pilot.hpc.report import RankReport
from pilot.hpc.shaping import Wanted, shape
from pilot.hpc.values import BatchState, Status, Wishes
from pilot.job import PayloadCommand, Problem
from pilot.runtime.limits import NO_LIMITS

GONE = Problem(ErrorCode.RANK_LOST, "gone")


class Started:
    def __init__(self):
        self.number, self.is_here, self.cancelled = "12", True, 0
        self.hears = True

    def status(self):
        return Status(BatchState.RUNNING)

    def cancel(self):
        self.cancelled += 1
        return self.hears


class Plan:
    def __init__(self, folder):
        self.folder, self.poked = folder, queue.SimpleQueue()
        places = [folder / f"job-{number}" for number in (1, 2, 3)]
        payloads = []
        for number, place in enumerate(places, start=1):
            place.mkdir()
            command = PayloadCommand(("true",), {"A": "1"}, place)
            payloads.append(Payload((number, 1), command, NO_LIMITS, 9.0, 1))
        self.shape = shape([Wanted()] * 3, Wishes()).shape
        orders = Orders(60.0, 10.0, "", 5.0)
        self.made = plan(folder, payloads, self.shape, orders, lambda _, lines: self.poked.put(lines))
        self.made.started = Started()

    def report(self, number):
        path = self.made.folder / worklist.REPORTS / f"{number - 1}.json"
        report.write(path, RankReport(number, 1, number - 1, status=0))


@pytest.fixture
def planned(tmp_path):
    return Plan(tmp_path)


def test_all_is_written_down_before_anything_begins(planned):
    found = record.read(planned.made.folder)
    assert (found.stage, found.keys) == (Stage.PLANNED, ((1, 1), (2, 1), (3, 1)))
    assert record.read_note(planned.folder / "job-2") == record.Note(planned.made.folder, 1)
    works = worklist.WorkList(planned.made.folder / worklist.NAME)
    assert works.line(2).folder == str(planned.folder / "job-3")
    assert works.head.name == found.name
    assert stat.S_IMODE(planned.made.folder.stat().st_mode) == 0o700
    assert launch_of(planned.made, planned.shape, ["x"], ["-y"]).options == ("-y",)


def test_each_report_is_collected_once(planned):
    planned.report(2)
    assert [found.key for found in planned.made.collect()] == [(2, 1)]
    planned.report(1)
    assert [found.key for found in planned.made.collect([0, 1, 7])] == [(1, 1)]
    assert list(planned.made.collect()) == []
    assert (planned.made.over, planned.made.keys) == (False, [(3, 1)])
    assert planned.made.holds((3, 1))
    assert not planned.made.holds((1, 1))


def test_what_ranks_of_this_node_say_is_heard_at_once(planned):
    planned.made.listen()
    with (planned.made.folder / worklist.POKE).open("wb", buffering=0) as pipe:
        pipe.write(b"0\n2\n")
    assert planned.poked.get(timeout=20) == [0, 2]
    planned.made.close()


def test_one_payload_is_marked_to_be_stopped_and_all_of_them_by_cancelling(planned):
    planned.made.stop((1, 1))
    assert [path.name for path in (planned.made.folder / worklist.STOPS).iterdir()] == ["0"]
    assert planned.made.stopped == [(1, 1)]
    assert planned.made.started.cancelled == 0
    planned.report(3)
    list(planned.made.collect())
    planned.made.stop((2, 1))
    planned.made.stop((2, 1))
    assert planned.made.started.cancelled == 1


def test_one_that_is_given_up_counts_what_is_there_and_lets_no_rank_begin(planned):
    planned.report(1)
    found = {one.key: one.problem for one in planned.made.give_up(planned.made.keys, GONE)}
    assert found == {(1, 1): None, (2, 1): GONE, (3, 1): GONE}
    assert planned.made.over
    with pytest.raises(worklist.BadWorkList):
        worklist.WorkList(planned.made.folder / worklist.NAME)


def test_one_that_is_closed_keeps_its_reports_and_no_environment(planned):
    planned.report(1)
    planned.made.close()
    planned.made.close()
    assert record.read(planned.made.folder).stage is Stage.OVER
    left = ["allocation.json", "begun", "reports", "stops", worklist.WITHDRAWN]
    assert sorted(path.name for path in planned.made.folder.iterdir()) == left


def test_a_loss_is_told_as_the_allocation_ended(planned):
    planned.made.status = Status(BatchState.TIMED_OUT, "TIMEOUT")
    assert planned.made.lost().code is ErrorCode.ALLOCATION_TIMED_OUT


def test_files_that_are_nobodys_report_are_passed_over(planned):
    for name in ("²", "x", "-1", "99", "1" * 200):
        (planned.made.folder / worklist.REPORTS / f"{name}.json").touch()
    (planned.made.folder / worklist.REPORTS / "1.json").mkdir()
    planned.report(1)
    assert [found.key for found in planned.made.collect()] == [(1, 1)]


def test_who_did_not_hear_that_an_allocation_is_to_end_is_told_again_and_its_ranks_know_it_already(planned):
    planned.made.started.hears = False
    for number in (1, 2, 3):
        planned.made.stop((number, 1))
    assert len(list((planned.made.folder / worklist.STOPS).iterdir())) == 3
    planned.made.started.hears = True
    planned.made.insist()
    planned.made.insist()
    assert planned.made.started.cancelled == 2


def test_some_may_be_given_up_alone(planned):
    assert [found.key for found in planned.made.give_up([(2, 1)], GONE)] == [(2, 1)]
    assert planned.made.keys == [(1, 1), (3, 1)]


def test_no_rank_begins_in_one_that_is_closed_on_a_full_disk(planned):
    (planned.made.folder / record.RECORD).unlink()
    (planned.made.folder / record.RECORD).mkdir()  # so that it cannot be written
    planned.made.close()
    assert record.read(planned.made.folder) is None
    assert not (planned.made.folder / worklist.NAME).exists()
