from __future__ import annotations

import json

from pilot.control.lifecycle import Effect, Event
from pilot.job import PayloadOutcome


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
