"""The way of supercomputers: jobs are handed over, stopped meanwhile, and come back once."""

from __future__ import annotations

import queue
import threading

import pytest

from pilot.contract.codes import ErrorCode
from pilot.control.gathering import Gathered, Gathering, Left, Stop, leftovers
from pilot.control.lifecycle import Effect, Event
from pilot.control.running import Brought
from pilot.errors import JobFailed
from pilot.hpc import record, report
from pilot.hpc.record import Note, Record, Stage
from pilot.hpc.report import RankReport
from pilot.job import Problem
from pilot.runtime import workdir


@pytest.fixture
def gathering(bench):
    return Gathering(queue.Queue(), bench.occupied, bench.base)


@pytest.fixture
def control(bench, gathering):
    made = bench.payload()
    made.gather_by(gathering)
    return made


def report_on(spec, **more):
    return RankReport(spec.id, spec.attempt, 0, host="node-7", **{"status": 0, "wall_time": 2.0, **more})


def test_a_payload_is_handed_over_with_all_that_it_needs_and_its_thread_is_free(bench, control, gathering):
    spec = bench.spec("true", max_walltime=60, cores=3)
    bench.make(spec)
    control.run(bench.work(Effect.RUN_PAYLOAD, spec))
    item = gathering.inbox.get_nowait()
    assert isinstance(item, Gathered)
    assert item.payload.command.argv[0].endswith("true")
    assert (item.payload.key, item.payload.seconds, item.payload.cores) == (spec.key, 60.0, 3)
    assert bench.told == []


def test_what_a_rank_has_reported_is_judged_like_any_other_payload(bench, control, gathering):
    spec = bench.spec("true")
    place = workdir.Workdir(bench.make(spec))
    work = bench.work(Effect.RUN_PAYLOAD, spec)
    control.run(work)
    place.stderr.write_text("no such thing\n")
    outcome = report_on(spec, status=3, cpu_time=1.0).outcome(place.root)
    gathering.bring(work.key, Brought(outcome, metrics={"hpcStatus": "ended"}))
    control.run(work)
    (answer,) = bench.told
    assert (answer.event, answer.problem.code) == (Event.FAIL, ErrorCode.PAYLOAD_FAILED)
    assert "no such thing" in answer.problem.detail
    assert answer.metrics == {"hpcStatus": "ended", "cpuEfficiency": 0.5}


def test_what_went_wrong_with_the_allocation_fails_the_job(bench, control, gathering):
    work = bench.work(Effect.RUN_PAYLOAD)
    bench.make(work.job.spec)
    control.run(work)
    gathering.bring(work.key, Brought(problem=Problem(ErrorCode.RANK_LOST, "gone")))
    control.run(work)
    assert (bench.told[0].problem.code, bench.told[0].outcome) == (ErrorCode.RANK_LOST, None)


def test_a_job_is_busy_until_it_has_come_back(bench, control, gathering):
    work = bench.work(Effect.RUN_PAYLOAD)
    bench.make(work.job.spec)
    control.run(work)
    stop = bench.work(Effect.STOP_PAYLOAD, step=2)
    assert not bench.occupied.stop(stop, 0.0)
    assert [type(gathering.inbox.get_nowait()) for _ in range(2)] == [Gathered, Stop]
    gone = threading.Thread(target=control.stop, args=(stop,))
    gone.start()
    gathering.bring(work.key, Brought(problem=Problem(ErrorCode.ORDERED_STOP, "stopped")))
    control.run(work)
    gone.join(20)
    assert {answer.event for answer in bench.told} == {Event.FAIL, Event.GONE}
    assert bench.occupied.stop(stop, 0.0)


def test_one_that_was_to_be_stopped_when_it_is_handed_over_is_warned_of_after_it(bench, gathering):
    work = bench.work(Effect.RUN_PAYLOAD)
    with bench.occupied.doing(work) as cancelled:
        cancelled.ask()
        gathering._hand_over(Left(Handed(work), Note(bench.base, 0)))
    assert [type(gathering.inbox.get_nowait()) for _ in range(2)] == [Left, Stop]


class Handed:
    def __init__(self, work):
        self.work = work


def left_by_a_dead_pilot(bench, spec, stage, own, made=None):
    """Leave an allocation with one job; with a rank's report, if one is given."""
    place = bench.make(spec)
    folder = own / "allocation-x"
    (folder / "reports").mkdir(parents=True)
    record.write(folder, Record("x", stage, 1.0, (spec.key,), number="12", cores=4))
    record.write_note(place, Note(folder, 0))
    if made is not None:
        report.write(folder / "reports" / "0.json", made)
    return place


def test_a_report_that_a_dead_pilots_rank_has_left_ends_the_job(bench, tmp_path):
    spec = bench.spec("true")
    left_by_a_dead_pilot(bench, spec, Stage.STARTED, tmp_path / "dead", report_on(spec))
    control = bench.payload()
    control.run(bench.work(Effect.RUN_PAYLOAD, spec))
    (answer,) = bench.told
    assert answer.event is Event.PAYLOAD_OK
    assert answer.metrics["HPCJobId"] == "12"
    assert answer.metrics["actualCoreCount"] == 4
    assert answer.metrics["hpcNode"] == "node-7"


def test_without_a_report_a_dead_pilots_job_is_lost(bench, tmp_path):
    spec = bench.spec("true")
    left_by_a_dead_pilot(bench, spec, Stage.SUBMITTED, tmp_path / "dead")
    with pytest.raises(JobFailed) as failed:
        bench.payload().run(bench.work(Effect.RUN_PAYLOAD, spec))
    assert failed.value.code is ErrorCode.PILOT_LOST


def test_who_has_taken_a_dead_pilots_place_waits_for_its_ranks(bench, control, gathering):
    spec = bench.spec("true")
    left_by_a_dead_pilot(bench, spec, Stage.SUBMITTED, bench.base)
    control.run(bench.work(Effect.RUN_PAYLOAD, spec))
    assert gathering.inbox.get_nowait().note.folder == bench.base / "allocation-x"
    assert bench.told == []


def test_a_report_on_another_attempt_is_none(bench, tmp_path):
    spec = bench.spec("true")
    place = left_by_a_dead_pilot(bench, spec, Stage.STARTED, tmp_path / "dead", RankReport(spec.id, 99, 0, status=0))
    assert record.left(place, spec.key) is record.Left.LOST
    with pytest.raises(JobFailed):
        leftovers(bench.occupied, bench.base).brought(bench.work(Effect.RUN_PAYLOAD, spec), workdir.Workdir(place))
