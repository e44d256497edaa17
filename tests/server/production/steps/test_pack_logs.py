"""A task that is archived has its logs packed, and is archived when they are where they are to be."""

from __future__ import annotations

from collections import Counter

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.messages import StoredFile
from server.production import logic
from server.production.models import Chunk, MergeGroup, MergeInput, Output, Task, TaskEvent
from server.production.states import MergeKind
from server.production.steps import archive, collect, pack_logs
from server.taskbuffer.models import JobFile
from tests.server.production.conftest import define_data, failed, reload, turn, work


@pytest.fixture
def done(queue, pilot) -> Task:
    task = define_data(runs=2, chunks=2)
    work(pilot)
    assert reload(task).state == "done"
    return task


def packed(task: Task) -> list[MergeGroup]:
    return list(MergeGroup.objects.filter(task=task, kind=MergeKind.LOGS).order_by("run__number", "number"))


def test_all_logs_of_a_run_become_one_file_and_the_task_is_archived(done, pilot):
    logs = set(Output.objects.filter(task=done, kind="log").values_list("lfn", flat=True))
    logic.move_task("data", "archive", by="ada")
    work(pilot)
    assert reload(done).state == "archived"
    assert [group.state for group in packed(done)] == ["finished", "finished"]
    jobs = pilot.of_type("pack-logs")
    assert {file.lfn for job in jobs for file in job.inputs} == logs
    assert [job.outputs[0].lfn for job in jobs] == [
        "dvcs2016P07t1-278473-1-7.logs.tar",
        "dvcs2016P07t1-278474-1-7.logs.tar",
    ]
    job = jobs[0]
    assert (job.transformation, job.home_package, job.priority) == ("tar", "", 5000)
    assert job.arguments[:2] == ("--create", "--file=dvcs2016P07t1-278473-1-7.logs.tar")
    assert job.arguments[-len(job.inputs) - 1 :] == ("--", *(file.lfn for file in job.inputs))
    story = TaskEvent.objects.filter(task=done, chunk=None, group=None, run=None).order_by("id")
    assert list(story.values_list("after", flat=True))[-3:] == ["archive", "archiving", "archived"]
    # The logs of packing are in nothing.
    assert Output.objects.filter(kind="log", group__kind="logs", merged_in=None).count() == 2
    assert Output.objects.filter(kind="packed_logs").count() == 2


def test_logs_of_tries_that_came_to_nothing_are_packed_too(queue, pilot):
    task, times = define_data(runs=1, chunks=2), Counter()

    def spoil(job):
        times[job.name] += 1
        log = StoredFile(job.log.lfn, 10, "adler32:00000002")
        if job.processing_type == "mass-production" and times[job.name] < 3:
            return failed(payload_error=1246, files=(log,))
        return {}

    pilot.spoil = spoil
    turn()
    pilot.run(2)
    collect.collect()
    # One of them gets another job in the place of its former one.
    Chunk.objects.filter(number=1).update(job_id=None, state="staged")
    work(pilot)
    tries = Output.objects.filter(kind="log", chunk__isnull=False).count()
    first = [job.log.lfn for job in pilot.of_type("mass-production")]
    logic.move_task("data", "archive", by="ada")
    work(pilot)
    assert reload(task).state == "archived"
    (packing,) = pilot.of_type("pack-logs")
    assert set(first) <= {file.lfn for file in packing.inputs}
    assert Output.objects.filter(kind="log", chunk__isnull=False).count() == tries + 1
    story = TaskEvent.objects.filter(task=task, after="archiving", chunk=None, group=None)
    assert story.get().words == "1 logs of former tries are packed, too"


def test_it_is_archived_only_when_packed_logs_are_on_tape(done, pilot):
    Task.objects.update(tape="TAPE")
    logic.move_task("data", "archive", by="ada")
    work(pilot)
    assert reload(done).state == "archiving"
    right = archive.rows.not_ready_yet(done).values_list("kind", flat=True)
    assert "packed_logs" in set(right)
    Output.objects.filter(kind="packed_logs").update(tape="finished")
    assert pack_logs.pack_logs() == 1
    assert reload(done).state == "archived"


def test_packed_logs_that_did_not_come_to_tape_are_asked_for_again(done, pilot):
    Task.objects.update(tape="TAPE")
    logic.move_task("data", "archive", by="ada")
    work(pilot)
    Output.objects.filter(kind="packed_logs").update(tape="failed", tape_attempts=5)
    logic.resend_task("data", logic.wish_of({"what": "archive"}), by="ada", why="there are new tapes")
    files = Output.objects.filter(kind="packed_logs").values_list("tape", "tape_attempts")
    assert (reload(done).state, list(files)) == ("archiving", [("ready", 0)] * 2)


def test_many_logs_become_several_files(done, pilot, settings):
    settings.PRODUCTION = {**settings.PRODUCTION, "merge_files": 3}
    logic.move_task("data", "archive", by="ada")
    work(pilot)
    names = [group.outputs.get(kind="packed_logs").lfn for group in packed(done)]
    assert names[:2] == ["dvcs2016P07t1-278473-1-7.logs.tar", "dvcs2016P07t1-278473-1-7.logs.tar.001"]
    assert reload(done).state == "archived"


def test_packing_that_fails_is_tried_again(done, pilot):
    fails = iter([failed(payload_error=1246)])
    pilot.spoil = lambda job: next(fails, {})
    logic.move_task("data", "archive", by="ada")
    work(pilot)
    assert reload(done).state == "archived"
    assert sorted(group.attempts for group in packed(done)) == [1, 2]


def test_a_packed_file_that_is_too_small_waits_for_a_person_and_is_made_again(done, pilot):
    pilot.outcome = lambda job: (None, {file.lfn: 1 for file in job.outputs})
    logic.move_task("data", "archive", by="ada")
    work(pilot)
    assert reload(done).state == "archiving"
    first = packed(done)[0]
    assert first.state == "manual_check"
    assert first.words.startswith(f"{first.size_expected} bytes of logs went in, and the packed file has 1:")
    del pilot.outcome
    logic.resend_task("data", logic.wish_of({"what": "manual_check"}), by="ada", why="the disk was full")
    work(pilot)
    assert reload(done).state == "archived"


def test_nothing_else_of_a_task_is_made_again_while_it_is_archived(done):
    logic.move_task("data", "archive", by="ada")
    for wish in ({"what": "chunks"}, {"what": "merging"}, {"what": "merging", "kind": "mdst"}, {"what": "crosscheck"}):
        with pytest.raises(logic.TaskRefused, match="is archive; nothing of it can be sent again now"):
            logic.resend_task("data", logic.wish_of(wish), by="ada", why="again")


def test_where_a_log_is_lost_for_good_a_person_has_the_task_archived_as_it_is(done, pilot):
    Task.objects.update(max_attempts=1)
    pilot.spoil = lambda job: failed(pilot_error=1099) if job.processing_type == "pack-logs" else {}
    logic.move_task("data", "archive", by="ada")
    with pytest.raises(logic.TaskRefused, match="is archive and cannot become archived"):
        logic.move_task("data", "archived", by="ada", words="at once")
    pack_logs.pack_logs()
    with pytest.raises(logic.TaskRefused, match="its logs are being packed; wait"):
        logic.move_task("data", "archived", by="ada", words="at once")
    work(pilot)
    assert reload(done).state == "archiving"
    with pytest.raises(logic.TaskRefused, match="give a reason"):
        logic.move_task("data", "archived", by="ada")
    logic.move_task("data", "archived", by="ada", words="two logs are lost")
    assert reload(done).state == "archived"
    assert {group.state for group in packed(done)} == {"cancelled"}
    assert TaskEvent.objects.filter(group__kind="logs", after="cancelled", words="two logs are lost").count() == 2


def test_a_task_without_logs_is_archived_at_once(done):
    MergeInput.objects.filter(output__kind="log").delete()
    Output.objects.filter(kind="log").delete()
    JobFile.objects.filter(role="log").delete()
    logic.move_task("data", "archive", by="ada")
    assert pack_logs.pack_logs() == 2
    assert reload(done).state == "archived"


def test_only_what_is_over_is_archived(queue):
    task = define_data()
    with pytest.raises(logic.TaskRefused, match="is send and cannot become archive"):
        logic.move_task("data", "archive", by="ada")
    Task.objects.update(state="finished", type="user_analysis")
    with pytest.raises(logic.TaskRefused, match="is a user's"):
        logic.move_task("data", "archive", by="ada")
    assert reload(task).state == "finished"


def test_for_a_log_that_is_not_there_any_more_no_chunk_is_made_again(done, pilot):
    lfn = Output.objects.filter(task=done, kind="log", chunk__isnull=False).first().lfn
    gone = failed(pilot_error=ErrorCode.MISSING_INPUT.value, pilot_error_words=f"{lfn}: no such file on DISK")
    pilot.spoil = lambda job: gone if lfn in {file.lfn for file in job.inputs} else {}
    logic.move_task("data", "archive", by="ada")
    work(pilot)
    assert reload(done).state == "archiving"
    assert set(Chunk.objects.filter(task=done).values_list("state", flat=True)) == {"finished"}
    bad = [group for group in packed(done) if group.state != "finished"]
    assert [(group.state, group.attempts) for group in bad] == [("failed", done.max_attempts)]
    assert lfn in bad[0].words
