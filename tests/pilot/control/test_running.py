from __future__ import annotations

import json

from pilot.contract.codes import ErrorCode
from pilot.control.lifecycle import Effect, Event
from pilot.control.running import OnDemand
from pilot.job import PayloadOutcome, Problem


class Elsewhere:
    """A way that takes jobs of one task, and only notes what it was to run."""

    def __init__(self, task):
        self.task, self.runs = task, []

    def takes(self, work):
        return work.job.spec.task_id == self.task

    def run(self, run):
        self.runs.append(run)
        place = run.place
        return PayloadOutcome(0, None, run.command.workdir, place.stdout, place.stderr)


def carried_out(bench, ways, **spec):
    spec = bench.spec("/bin/sh", "-c", "echo here > ran", **spec)
    folder = bench.make(spec)
    bench.payload(ways=ways).run(bench.work(Effect.RUN_PAYLOAD, spec))
    return bench.told.pop(), folder


def test_the_first_way_that_takes_a_job_runs_it_with_its_whole_command(bench):
    first, second = Elsewhere(task=7), Elsewhere(task=7)
    answer, folder = carried_out(bench, (first, second), task_id=7)
    assert answer.event is Event.PAYLOAD_OK
    (run,) = first.runs
    assert run.command.argv[0] == "/bin/sh"
    assert run.command.workdir == folder == run.place.root
    assert not second.runs
    assert not (folder / "ran").exists()


def test_a_job_that_no_way_takes_runs_as_a_program_of_its_own(bench):
    other = Elsewhere(task=7)
    answer, folder = carried_out(bench, (other,), task_id=8)
    assert answer.event is Event.PAYLOAD_OK
    assert (folder / "ran").read_text() == "here\n"
    assert not other.runs


def test_what_is_run_another_way_can_be_replayed_too(bench):
    _, folder = carried_out(bench, (Elsewhere(task=7),), task_id=7)
    notes = [json.loads(path.read_text()) for path in folder.rglob("*.json")]
    assert any("echo here > ran" in json.dumps(note) for note in notes)


class Finding(Elsewhere):
    """A way that runs a payload as one program, beside which it finds something."""

    def __init__(self, task, problem=None):
        super().__init__(task)
        self.problem, self.held = problem, []

    def run(self, run):
        run.findings.metrics["nEventsW"] = 5
        run.findings.problem = self.problem

        def hold(payload):
            self.held.append(payload)
            return payload.stop

        return run.plain(run._replace(hold=hold))


def test_what_a_way_finds_goes_into_the_report_of_a_payload_that_ran_as_one_program_does(bench):
    way = Finding(task=7)
    answer, folder = carried_out(bench, (way,), task_id=7)
    assert answer.event is Event.PAYLOAD_OK
    assert answer.metrics["nEventsW"] == 5
    assert (folder / "ran").read_text() == "here\n"
    assert len(way.held) == 1


def test_a_payload_that_ended_well_has_failed_when_its_way_found_a_problem(bench):
    problem = Problem(ErrorCode.ES_NO_EVENTS, "nothing to do")
    answer, _ = carried_out(bench, (Finding(task=7, problem=problem),), task_id=7)
    assert (answer.event, answer.problem) == (Event.FAIL, problem)


def test_a_way_on_demand_is_made_for_the_first_job_that_wants_it_and_only_then(bench):
    made = []

    def make():
        made.append(Elsewhere(task=7))
        return made[-1]

    way = OnDemand(lambda work: work.job.spec.task_id == 7, make)
    carried_out(bench, (way,), task_id=8, id=1)
    assert made == []
    for number in (2, 3):
        carried_out(bench, (way,), task_id=7, id=number)
    assert len(made) == 1
    assert len(made[0].runs) == 2
