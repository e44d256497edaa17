from __future__ import annotations

import contextlib
import os
import threading

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, Program, Role
from pilot.contract.naming import ITERATIONS as FOLDER
from pilot.control.iterations import METRIC, Bounds, put_aside, search, written
from pilot.control.lifecycle import Effect, Event
from pilot.control.payload import Once
from pilot.errors import JobFailed
from pilot.job import PayloadOutcome, Problem
from pilot.runtime.workdir import Workdir

NO_BOUNDS = Bounds()
BROKE = Problem(ErrorCode.PAYLOAD_FAILED, "no beam")


def ended(folder, status=0, **figures):
    return PayloadOutcome(status, None, folder, folder / "payload.stdout", folder / "payload.stderr", **figures)


class Course:
    """Iterations as they are told, one after the other; each takes so many seconds of the clock."""

    def __init__(self, *told, seconds=1.0):
        self.told, self.seconds, self.now = list(told), seconds, 0.0
        self.begun, self.aside, self.stop_after = [], [], 10**9

    def once(self, number):
        self.begun.append(number)
        self.now += self.seconds
        told = self.told[number]
        if isinstance(told, JobFailed):
            raise told
        return told

    def run(self, bounds=NO_BOUNDS):
        stopped = lambda: len(self.begun) >= self.stop_after  # noqa: E731
        return search(self.once, self.aside.append, bounds, stopped, lambda: self.now)


def well(folder, **metrics):
    return Once(ended(folder, wall_time=2.0, cpu_time=3.0, max_rss=len(metrics)), None, metrics)


def test_iterations_go_on_until_one_finds_nothing_to_do(tmp_path):
    course = Course(well(tmp_path, nEvents=5, loss=0.5), well(tmp_path, nEvents=7, loss=0.2, best=1), Once())
    found = course.run()
    assert (found.done, course.begun, course.aside) == (2, [0, 1, 2], [0, 1])
    assert found.whole.metrics == {"nEvents": 12, "loss": 0.2, "best": 1}
    outcome = found.whole.outcome
    assert (outcome.wall_time, outcome.cpu_time, outcome.max_rss, outcome.status) == (4.0, 6.0, 3, 0)


def test_a_search_without_a_single_point_has_run_nothing():
    found = Course(Once()).run()
    assert (found.done, found.whole) == (0, Once())


def test_an_iteration_that_fails_ends_the_search_and_is_what_is_told(tmp_path):
    course = Course(well(tmp_path), Once(ended(tmp_path, 3), BROKE), Once())
    found = course.run()
    assert (found.done, found.whole.problem, found.whole.outcome.status) == (2, BROKE, 3)
    assert course.begun == [0, 1]


def test_a_preprocess_that_fails_later_keeps_what_is_known_of_the_iterations_before(tmp_path):
    course = Course(well(tmp_path, nEvents=5), JobFailed(ErrorCode.PREPROCESS_FAILED, "no server"))
    found = course.run()
    assert (found.done, found.whole.problem) == (1, Problem(ErrorCode.PREPROCESS_FAILED, "no server"))
    assert (found.whole.outcome.status, found.whole.metrics) == (0, {"nEvents": 5})


def test_a_preprocess_that_fails_at_once_fails_the_job():
    with pytest.raises(JobFailed, match="no server"):
        Course(JobFailed(ErrorCode.PREPROCESS_FAILED, "no server")).run()


def test_nothing_begins_when_somebody_wants_an_end(tmp_path):
    course = Course(*[well(tmp_path)] * 9)
    course.stop_after = 2
    assert course.run().done == 2


@pytest.mark.parametrize(
    ("bounds", "count"), [(Bounds(most=3), 3), (Bounds(seconds=25.0), 3), (Bounds(left=45.0), 4), (Bounds(5, 15.0), 2)]
)
def test_a_bound_ends_a_search_well(tmp_path, bounds, count):
    found = Course(*[well(tmp_path)] * 9, seconds=10.0).run(bounds)
    assert (found.done, found.whole.problem) == (count, None)


def test_what_the_programs_of_an_iteration_have_printed_is_kept_in_its_folder(tmp_path):
    for name in ("payload.stdout", "payload.stderr", "preprocess.stdout", "out.stdout", "data.txt"):
        (tmp_path / name).write_text(name)
    put_aside(Workdir(tmp_path), [FileSpec("out.stdout", Role.OUTPUT)], 4)
    moved = sorted(path.name for path in (tmp_path / FOLDER / "4").iterdir())
    assert moved == ["payload.stderr", "payload.stdout", "preprocess.stdout"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.txt", FOLDER, "out.stdout"]


def test_a_link_in_the_folders_place_leads_nothing_elsewhere(tmp_path):
    (tmp_path / "job").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "job" / FOLDER).symlink_to(tmp_path / "elsewhere")
    (tmp_path / "job" / "payload.stdout").write_text("said")
    put_aside(Workdir(tmp_path / "job"), [], 0)
    assert (tmp_path / "job" / FOLDER / "0" / "payload.stdout").read_text() == "said"
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_what_cannot_be_put_aside_fails_the_job_with_a_code(tmp_path):
    (tmp_path / "payload.stdout").write_text("said")
    (tmp_path / FOLDER / "0" / "payload.stdout" / "x").mkdir(parents=True)
    with pytest.raises(JobFailed, match="what iteration 0 has printed cannot be put aside") as caught:
        put_aside(Workdir(tmp_path), [], 0)
    assert caught.value.code is ErrorCode.FILE_HANDLING


def test_an_input_or_another_output_with_a_number_is_no_iterations(tmp_path):
    for name in ("data_0", "data_1", "data_7", "data_1_0"):
        (tmp_path / name).touch()
    ordered = [FileSpec("data", Role.OUTPUT), FileSpec("data_1", Role.OUTPUT)]
    found = written(ordered, tmp_path, [FileSpec("data_7", Role.INPUT)])
    assert [file.lfn for file in found] == ["data_0", "data_1_0"]


def test_numbered_outputs_stand_for_the_ordered_one_in_the_order_of_their_numbers(tmp_path):
    for name in ("metrics.tgz_10", "metrics.tgz_9", "metrics.tgz_x", "metrics.tgz", "model.h5", "metricsxtgz_1"):
        (tmp_path / name).touch()
    ordered = FileSpec("metrics.tgz", Role.OUTPUT, "s", "ds", endpoint="E", guid="g")
    found = written([ordered, FileSpec("model.h5", Role.OUTPUT), FileSpec("never", Role.OUTPUT)], tmp_path)
    assert [file.lfn for file in found] == ["metrics.tgz_9", "metrics.tgz_10", "model.h5"]
    assert found[0] == FileSpec("metrics.tgz_9", Role.OUTPUT, "s", "ds", endpoint="E")


# With real processes

NEXT = "n=$PILOT_EXEC_ITERATION_COUNT; test $n -lt 3 || exit 161; echo $((n * n)) > point"


def carry_out(bench, payload, pre=NEXT, post="cat point >> done", bounds=None, **more):
    spec = bench.spec(
        *("/bin/sh", "-c", payload),
        iterative=True,
        preprocess=Program("/bin/sh", ("-c", pre)),
        postprocess=Program("/bin/sh", ("-c", post)),
        **more,
    )
    folder = bench.make(spec)
    bench.payload(**(bounds or {})).run(bench.work(Effect.RUN_PAYLOAD, spec))
    return bench.told.pop(), folder


def test_preprocess_payload_and_postprocess_are_run_until_the_preprocess_says_that_it_is_enough(bench):
    outputs = (FileSpec("loss", Role.OUTPUT),)
    script = "echo $PILOT_EXEC_ITERATION_COUNT; cp point loss_$PILOT_EXEC_ITERATION_COUNT"
    answer, folder = carry_out(bench, script, outputs=outputs)
    assert (answer.event, answer.problem, answer.metrics[METRIC]) == (Event.PAYLOAD_OK, None, 3)
    assert (folder / "done").read_text() == "0\n1\n4\n"
    assert [file.lfn for file in answer.outputs] == ["loss_0", "loss_1", "loss_2"]
    said = [(folder / FOLDER / str(number) / "payload.stdout").read_text() for number in (0, 1)]
    assert [*said, (folder / "payload.stdout").read_text()] == ["0\n", "1\n", "2\n"]


def test_a_bound_of_the_settings_ends_the_iterations(bench):
    answer, folder = carry_out(bench, "true", bounds={"most": 2})
    assert (answer.event, answer.metrics[METRIC]) == (Event.PAYLOAD_OK, 2)
    assert (folder / "done").read_text() == "0\n1\n"
    assert (folder / "payload.stdout").is_file()  # of the last one


def test_a_failure_in_any_program_ends_the_search_with_its_own_code(bench):
    answer, _ = carry_out(bench, "test $PILOT_EXEC_ITERATION_COUNT != 1 || exit 7")
    assert (answer.event, answer.problem.code, answer.outcome.status) == (Event.FAIL, ErrorCode.PAYLOAD_FAILED, 7)
    assert answer.metrics[METRIC] == 2
    answer, _ = carry_out(bench, "true", post="test $PILOT_EXEC_ITERATION_COUNT != 1", id=8)
    assert (answer.problem.code, answer.metrics[METRIC]) == (ErrorCode.POSTPROCESS_FAILED, 2)
    answer, _ = carry_out(bench, "true", pre="test $PILOT_EXEC_ITERATION_COUNT != 1", post="true", id=9)
    assert (answer.problem.code, answer.metrics[METRIC]) == (ErrorCode.PREPROCESS_FAILED, 1)


@pytest.mark.parametrize("step", ["pre", "payload", "post"])
def test_a_search_can_be_stopped_in_every_step(bench, step):
    waits = "test $PILOT_EXEC_ITERATION_COUNT != 1 || { echo here > reached; exec sleep 60; }"
    scripts = {"pre": "true", "payload": "true", "post": "true", step: waits}
    spec = bench.spec(
        *("/bin/sh", "-c", scripts["payload"]),
        iterative=True,
        preprocess=Program("/bin/sh", ("-c", scripts["pre"])),
        postprocess=Program("/bin/sh", ("-c", scripts["post"])),
    )
    folder = bench.make(spec)
    os.mkfifo(folder / "reached")
    control = bench.payload(grace=0.2)
    lane = threading.Thread(target=_run, args=(control, bench.work(Effect.RUN_PAYLOAD, spec)), daemon=True)
    lane.start()
    assert (folder / "reached").read_text() == "here\n"
    control.stop(bench.work(Effect.STOP_PAYLOAD, spec, step=2))
    lane.join(10)
    assert not lane.is_alive()
    assert Event.GONE in [answer.event for answer in bench.told]


def _run(control, work):
    with contextlib.suppress(JobFailed):  # what did not begin has no other answer
        control.run(work)


def test_a_search_that_is_asked_to_end_begins_no_further_iteration(bench):
    script = "trap 'exit 0' TERM; echo here > reached; while :; do sleep 0.05; done"
    spec = bench.spec(
        *("/bin/sh", "-c", script), iterative=True, preprocess=Program("/bin/sh", ("-c", "echo >> points"))
    )
    folder = bench.make(spec)
    os.mkfifo(folder / "reached")
    control = bench.payload()
    lane = threading.Thread(target=control.run, args=(bench.work(Effect.RUN_PAYLOAD, spec),), daemon=True)
    lane.start()
    assert (folder / "reached").read_text() == "here\n"
    control.ask(bench.work(Effect.ASK_PAYLOAD, spec, seconds=20.0))
    lane.join(10)
    (answer,) = bench.told
    assert (answer.event, answer.metrics[METRIC]) == (Event.PAYLOAD_OK, 1)
    assert (folder / "points").read_text() == "\n"
