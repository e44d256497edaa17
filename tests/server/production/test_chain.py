"""The whole chain: two runs of three chunks from definition to done, with failures on the way."""

from __future__ import annotations

import pytest
from django.db import connection

from server.production import logic
from server.production.models import Chunk, CrossCheck, Cursor, MergeGroup, MergeInput, Output, Task, TaskEvent
from server.production.steps import collect
from server.taskbuffer import logic as taskbuffer
from server.taskbuffer.models import JobEvent, JobFile
from tests.server.production.conftest import RECONSTRUCTION, failed, reload, turn, work

pytestmark = pytest.mark.one_python


def test_two_tasks_go_from_definition_to_done(tasks, pilot):
    work(pilot)
    assert [reload(task).state for task in tasks] == ["done", "done"]
    assert [task.finished is not None and task.started is not None for task in tasks] == [True, True]
    assert len(pilot.of_type("mcgen")) == len(pilot.of_type("mcreco")) == 6
    assert len(pilot.of_type("merge-mdst")) == len(pilot.of_type("merge-hist")) == len(pilot.of_type("merge-dump")) == 2
    checks = CrossCheck.objects.order_by("run__number", "kind")
    assert [(check.kind, check.verdict, check.expected, check.found) for check in checks] == [
        ("dump", "yes", 150, 150),
        ("mdst", "yes", 270, 270),
    ] * 2


def test_files_lie_in_the_folders_of_the_experiment(tasks, pilot):
    work(pilot)
    found = set(Output.objects.filter(run__number=278473, chunk__number__in=[1]).values_list("dataset", "lfn"))
    area = "mc_prod/CERN/2016/P07/mc2016-1"
    assert found == {
        (f"{area}/mcgen", "mcr00001-278473_run000.tgeant"),
        (f"{area}/mcgen/logFiles", "mc2016P07-278473-1-0-7.job.log.tgz"),
        (f"{area}/mcreco/mDST.chunks", "mDST-278473-1-1-7.root"),
        (f"{area}/mcreco/TRAFDIC", "278473-1-1.root"),
        (f"{area}/mcreco/evtdump/slot1", "evtdump1-1-278473.raw"),
        (f"{area}/mcreco/logFiles", "mc2016P07-278473-1-1-7.job.log.tgz"),
    }
    merged = Output.objects.filter(run__number=278473, group__isnull=False).exclude(kind="log")
    assert set(merged.values_list("dataset", "lfn")) == {
        (f"{area}/mcreco/mDST", "mDST-278473-1-7.root"),
        (f"{area}/mcreco/histos", "histsum-278473-1-7.root"),
        (f"{area}/mcreco/mergedDump/slot1", "evtdump1-278473.raw"),
    }


def test_a_chunk_that_fails_twice_is_tried_a_third_time_and_harms_nothing(tasks, pilot):
    def spoil(job):
        bad = job.processing_type == "mcreco" and "278474" in job.name and job.arguments[4] == "2"
        return failed(payload_error=1240, payload_error_words="no end of job") if bad and job.attempt < 3 else {}

    pilot.spoil = spoil
    work(pilot)
    assert reload(tasks[1]).state == "done"
    chunk = Chunk.objects.get(task=tasks[1], run__number=278474, number=2)
    assert (chunk.state, chunk.attempts) == ("finished", 3)
    story = list(TaskEvent.objects.filter(chunk=chunk).order_by("id").values_list("after", flat=True))
    assert story == ["staged", "sent", "failed", "sent", "failed", "sent", "finished"]


def test_running_every_step_twice_makes_nothing_twice(tasks, pilot):
    work(pilot, times=2)
    assert [reload(task).state for task in tasks] == ["done", "done"]
    assert len(pilot.jobs) == 6 + 6 + 3 * 2


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("stop", [2, 9, 31, 64, 90, 128])
def test_a_crash_in_the_middle_of_any_step_loses_nothing_and_doubles_nothing(tasks, pilot, stop):
    """The n-th statement that writes ends the process: what was begun is undone, and the next cycle goes on."""
    written = []

    def die(execute, sql, params, many, context):
        if sql.startswith(("INSERT", "UPDATE", "DELETE")):
            written.append(sql)
            if len(written) == stop:
                raise Killed
        return execute(sql, params, many, context)

    def cycle() -> int:
        try:
            with connection.execute_wrapper(die):
                return turn()
        except Killed:
            return 1

    while cycle() + pilot.run():
        pass
    assert len(written) > stop
    assert [reload(task).state for task in tasks] == ["done", "done"]
    assert len(pilot.jobs) == 6 + 6 + 3 * 2


def test_retries_have_a_bound(tasks, pilot):
    pilot.spoil = lambda job: failed(payload_error=1246) if job.processing_type == "mcgen" else {}
    work(pilot)
    assert Chunk.objects.filter(task=tasks[0], state="failed", attempts=5).count() == 6
    assert len(pilot.jobs) == 6 * 5
    assert reload(tasks[0]).state == "running"


def test_a_failure_that_a_person_must_see_is_not_tried_again(tasks, pilot):
    pilot.spoil = lambda job: failed(payload_error=1243) if job.arguments[4] == "2" else {}
    work(pilot)
    chunks = Chunk.objects.filter(task=tasks[0], number=2)
    assert [(chunk.state, chunk.attempts) for chunk in chunks] == [("manual_check", 1)] * 2
    assert (
        chunks[0].words == "rule 'calibration string': 1243 a calibration file gave an empty string: "
        "have the run's LED calibrations checked, then send it again"
    )


def test_events_that_were_ordered_and_not_made_need_a_person(tasks, pilot):
    pilot.spoil = lambda job: {"events": 99} if job.processing_type == "mcgen" else {}
    work(pilot)
    assert set(Chunk.objects.filter(task=tasks[0]).values_list("state", "words")) == {
        ("manual_check", "100 events were ordered, 99 were made")
    }


@pytest.mark.parametrize("events", [-1, 2**62])
def test_a_number_of_events_that_cannot_be_is_unknown(tasks, pilot, events):
    pilot.spoil = lambda job: {"events": events} if job.processing_type == "mcgen" else {}
    work(pilot)
    assert set(Chunk.objects.filter(task=tasks[0]).values_list("state", "events_done", "words")) == {
        ("manual_check", None, "100 events were ordered, an unknown number of were made")
    }


def test_a_cancelled_task_may_be_ordered_anew_under_the_same_files(tasks, pilot):
    while not MergeInput.objects.exists():
        turn()
        pilot.run(6)
    logic.move_task(RECONSTRUCTION["name"], "cancelled", by="manager")
    again = logic.define_task({**RECONSTRUCTION, "name": "again"}, by="manager", start=True)
    work(pilot)
    assert reload(again).state == "done"
    assert set(Output.objects.exclude(task=tasks[0]).values_list("task", flat=True)) == {again.pk}
    assert set(MergeInput.objects.values_list("group__task", flat=True)) == {again.pk}


def test_a_cycle_looks_at_a_bounded_number_of_events_in_short_transactions(tasks, pilot, settings, monkeypatch):
    turn()
    settings.PRODUCTION = {"events_per_cycle": 5}
    monkeypatch.setattr(collect, "AT_ONCE", 2)
    before = Cursor.objects.get().position
    pilot.run()
    collect.collect()
    fifth = JobEvent.objects.filter(pk__gt=before).order_by("pk").values_list("pk", flat=True)[4]
    assert Cursor.objects.get().position == fifth


def test_events_lost_in_a_merge_stop_the_run_with_both_numbers(tasks, pilot):
    pilot.spoil = lambda job: {"events": 269} if job.name.startswith("mc2016P07-merge-mdst-278473") else {}
    work(pilot)
    check = CrossCheck.objects.get(run__number=278473, kind="mdst")
    assert (check.verdict, check.expected, check.found) == ("manual_check", 270, 269)
    assert check.words == "270 events went in, 269 came out: 1 are missing; merge 0: 270 in, 269 out"
    group = MergeGroup.objects.get(run__number=278473)
    assert (group.kind, group.state) == ("mdst", "manual_check")
    assert group.words == "events in mDSTs: merge 0: 270 in, 269 out"
    assert reload(tasks[1]).state == "running"
    assert MergeGroup.objects.filter(run__number=278474, state="finished").count() == 3


def test_bytes_lost_in_a_dump_merge_stop_the_task(tasks, pilot):
    success = pilot.outcome

    def shorter(job):
        events, sizes = success(job)
        return events, {lfn: size - (job.processing_type == "merge-dump") for lfn, size in sizes.items()}

    pilot.outcome = shorter
    work(pilot)
    assert set(CrossCheck.objects.filter(kind="dump").values_list("verdict", "words")) == {
        ("manual_check", "150 bytes went in, 149 came out: 1 are missing; merge 0: 150 in, 149 out")
    }
    assert reload(tasks[1]).state == "running"


def test_a_run_without_dumped_events_has_nothing_to_merge_and_is_complete(tasks, pilot):
    success = pilot.outcome

    def empty(job):
        events, sizes = success(job)
        return events, {lfn: 33 if lfn.startswith("evtdump") else size for lfn, size in sizes.items()}

    pilot.outcome = empty
    work(pilot)
    assert reload(tasks[1]).state == "done"
    assert not MergeGroup.objects.filter(kind="dump").exists()


def test_many_merge_groups_of_a_run_are_checked_together(tasks, pilot, settings):
    settings.PRODUCTION = {"retry_delay": 0, "merge_target": 1000, "dump_target": 100, "histogram_target": 500}
    work(pilot)
    assert reload(tasks[1]).state == "done"
    mdst = MergeGroup.objects.filter(run__number=278473, kind="mdst").order_by("number")
    assert [(group.number, group.events_found, group.inputs.count()) for group in mdst] == [(0, 180, 2), (1, 90, 1)]
    assert sorted(Output.objects.filter(run__number=278473, kind="merged_mdst").values_list("lfn", flat=True)) == [
        "mDST-278473-1-7.root",
        "mDST-278473-1-7.root.001",
    ]
    assert CrossCheck.objects.get(run__number=278473, kind="mdst").found == 270


def test_a_merge_that_fails_is_tried_again_with_the_same_files(tasks, pilot):
    pilot.spoil = lambda job: failed(payload_error=1241) if "-merge-" in job.name and job.attempt == 1 else {}
    work(pilot)
    assert reload(tasks[1]).state == "done"
    first, second = (job for job in pilot.of_type("merge-mdst") if "278473" in job.name)
    assert first.inputs == second.inputs
    assert first.id == second.id


def test_no_group_is_planned_that_the_merging_program_would_refuse(tasks, pilot, settings):
    settings.PRODUCTION = {"retry_delay": 0, "merge_refusal": 1400}
    work(pilot)
    assert reload(tasks[1]).state == "done"
    sizes = MergeGroup.objects.filter(run__number=278473, kind="mdst").values_list("size_expected", flat=True)
    assert list(sizes) == [1000, 500]


def test_one_file_that_is_larger_than_the_merging_program_takes_goes_to_a_person(tasks, pilot, settings):
    """A person raises the limit, or has the chunk made anew, and sends the group again."""
    settings.PRODUCTION = {"retry_delay": 0, "merge_refusal": 1400}
    success = pilot.outcome

    def large(job):
        events, sizes = success(job)
        return events, {lfn: 1500 if lfn == "mDST-278473-2-1-7.root" else size for lfn, size in sizes.items()}

    pilot.outcome = large
    work(pilot)
    groups = MergeGroup.objects.filter(run__number=278473, kind="mdst").order_by("number")
    assert list(groups.values_list("number", "state", "words")) == [
        (0, "finished", ""),
        (1, "manual_check", "1500 bytes are more than the 1400 that the merging program takes"),
        (2, "finished", ""),
    ]
    assert not CrossCheck.objects.filter(run__number=278473).exists()
    settings.PRODUCTION = {"retry_delay": 0}
    logic.move_task(RECONSTRUCTION["name"], "resend_manual_check", by="manager", words="phast takes more now")
    work(pilot)
    assert reload(tasks[1]).state == "done"


def test_a_job_that_somebody_cancelled_gets_a_new_job_under_the_same_chunk(tasks, pilot):
    turn()
    chunk = Chunk.objects.get(task=tasks[0], run__number=278473, number=1)
    taskbuffer.kill([chunk.job_id], by="somebody")
    work(pilot)
    former, chunk = chunk.job_id, Chunk.objects.get(pk=chunk.pk)
    assert (chunk.state, chunk.attempts) == ("finished", 2)
    assert chunk.job_id != former
    assert former in TaskEvent.objects.filter(chunk=chunk).values_list("job_id", flat=True)


def test_reconstruction_begins_while_generation_still_runs(tasks, pilot):
    turn()
    pilot.run(most=1)
    turn(times=2)
    assert Chunk.objects.filter(task=tasks[1], state="sent").count() == 1
    assert Task.objects.get(name="mc2016_reco").state == "running"


def test_a_missed_event_is_found_by_the_sweep(tasks, pilot):
    turn()
    pilot.run()
    Cursor.objects.update_or_create(name=collect.SERVICE, defaults={"position": 10**9})
    assert collect.collect() == 0
    assert collect.sweep() == 6
    assert collect.sweep() == 0
    assert Chunk.objects.filter(task=tasks[0], state="finished").count() == 6


def test_a_finished_job_without_its_file_needs_a_person(tasks, pilot):
    turn()
    pilot.run()
    JobFile.objects.filter(role="output").update(state="unknown")
    collect.collect()
    chunk = Chunk.objects.filter(task=tasks[0]).earliest("id")
    assert chunk.state == "manual_check"
    assert chunk.words.endswith("stored no mcr00001-278473_run000.tgeant")
