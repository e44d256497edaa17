"""Progress is counted from rows, and costs the same number of queries for one task and for many."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from server.production import logic, queries
from server.production.models import Task
from tests.server.production.conftest import GENERATION, RECONSTRUCTION, failed, turn, work


def steps(name):
    (line,) = queries.task_lines([Task.objects.get(name=name)])
    return {step.step: (step.done, step.active, step.bad, step.total, step.state) for step in line.steps}


def test_a_fresh_task_waits_with_known_totals(tasks):
    assert steps("mc2016_gen") == {"generation": (0, 0, 0, 6, "waiting")}
    assert steps("mc2016_reco") == {
        "reconstruction": (0, 0, 0, 6, "waiting"),
        "merge_mdst": (0, 0, 0, 2, "waiting"),
        "crosscheck": (0, 0, 0, 2, "waiting"),
        "merge_hist": (0, 0, 0, 2, "waiting"),
        "merge_dump": (0, 0, 0, 2, "waiting"),
        "check_dump": (0, 0, 0, 2, "waiting"),
    }


def test_a_done_task_has_every_step_complete(tasks, pilot):
    work(pilot)
    assert {state for *_, state in steps("mc2016_reco").values()} == {"done"}
    (line,) = queries.task_lines([tasks[1]])
    assert (line.events_done, line.events_merged, line.runs, line.bad) == (540, 540, 2, 0)


def test_a_run_without_dumped_events_counts_as_complete(tasks, pilot):
    success = pilot.outcome

    def empty(job):
        events, sizes = success(job)
        return events, {lfn: 33 if lfn.startswith("evtdump") else size for lfn, size in sizes.items()}

    pilot.outcome = empty
    work(pilot)
    assert steps("mc2016_reco")["merge_dump"] == (2, 0, 0, 2, "done")


def test_what_is_under_way_and_what_is_bad_is_counted(tasks, pilot):
    pilot.spoil = lambda job: failed(payload_error=1243) if job.arguments[4] == "1" else {}
    turn()
    pilot.run(most=4)
    turn()
    assert steps("mc2016_gen")["generation"] == (2, 2, 2, 6, "bad")


def test_a_run_tells_what_is_wrong_with_it(tasks, pilot):
    pilot.spoil = lambda job: {"events": 1} if job.name.startswith("mc2016P07-merge-mdst-278473") else {}
    work(pilot)
    first, second = queries.run_lines(tasks[1])
    assert [cell.state for cell in first.cells] == ["done", "bad", "bad", "waiting", "waiting", "waiting"]
    assert first.checks[0].words == "270 events went in, 1 came out: 269 are missing; merge 0: 270 in, 1 out"
    assert {cell.state for cell in second.cells} == {"done"}


def test_failed_chunks_are_named_in_the_matrix(tasks, pilot):
    pilot.spoil = lambda job: failed(payload_error=1243) if job.arguments[4] == "3" else {}
    work(pilot)
    assert queries.run_lines(tasks[0])[0].words == [
        (
            "chunk 3: manual check is needed: rule 'calibration string': 1243 a calibration file gave an empty string: "
            "have the run's LED calibrations checked, then send it again"
        )
    ]


def test_merged_files_come_first(tasks, pilot):
    work(pilot)
    kinds = [output.kind for output in queries.outputs_of(tasks[1])]
    assert set(kinds[:6]) == {"merged_mdst", "merged_histograms", "merged_dump"}
    assert len(kinds) == 6 + 18


@pytest.mark.parametrize("ask", [lambda _: queries.recent_tasks(), queries.task_json])
def test_the_number_of_queries_does_not_grow(queue, pilot, ask):
    counts = []
    for number in (1, 2, 3):
        generation = {**GENERATION, "name": f"g{number}", "soft": f"s{number}", "runs": f"1, {number}\n2, {number}"}
        logic.define_task(generation, by="manager", start=True)
        reconstruction = {**RECONSTRUCTION, "name": f"r{number}", "soft": f"s{number}", "parent": f"g{number}"}
        task = logic.define_task(reconstruction, by="manager", start=True)
        work(pilot)
        with CaptureQueriesContext(
            connection,
        ) as captured:
            ask(task)
        counts.append(len(captured))
    assert counts[0] == counts[1] == counts[2]
    assert counts[0] <= 30


def test_lists_of_tasks_do_not_read_the_lists_of_their_files(tasks):
    with CaptureQueriesContext(connection) as asked:
        queries.productions(timezone.now())
        queries.task_page(queries.Filters(), timezone.now())
        queries.recent_tasks()
    assert asked.captured_queries
    assert not [one for one in asked if "filelist" in one["sql"]]
