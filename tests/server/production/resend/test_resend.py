"""What is sent again is shown before, comes with all that follows from it, is written down, and can be undone."""

from __future__ import annotations

import pytest

from pilot.contract.naming import EMPTY_DUMP_SIZE
from server.production import logic
from server.production.logic import TaskRefused
from server.production.models import Chunk, CrossCheck, MergeGroup, Output, Task, TaskEvent
from server.production.resend.wishes import What, Wish
from server.production.steering_models import Resend, ResendRow
from server.production.steps import submit
from server.taskbuffer.models import Attempt, Job
from tests.server.production.conftest import define_data, failed, reload, turn, work

RECO, GEN = "mc2016_reco", "mc2016_gen"
RUN = 278473


@pytest.fixture
def done(tasks, pilot):
    """Both tasks are done."""
    work(pilot)
    return tasks


def table():
    """Everything that a resend may change."""
    return (
        list(Chunk.objects.order_by("pk").values_list("pk", "state", "job_id", "attempts", "events_done", "words")),
        list(MergeGroup.objects.order_by("pk").values_list("pk", "state", "job_id", "events_found", "size")),
        list(CrossCheck.objects.order_by("run", "kind").values_list("run", "kind", "verdict", "expected", "found")),
    )


def resend(name, what, *scope, **more):
    return logic.resend_task(name, Wish(what, *scope, **more), by="ada", why="the disk was full")


def preview(name, what, *scope, **more):
    return logic.preview_resend(name, Wish(what, *scope, **more)).as_json()


def test_a_chunk_whose_files_are_merged_is_refused_unless_the_merges_are_made_again(done):
    before = table()
    seen = preview(RECO, What.CHUNKS, RUN, 2)
    assert seen["refused"] == [
        f"files of run {RUN} of task {RECO} are merged already: send its merges again, too (with_merges)"
    ]
    with pytest.raises(TaskRefused, match="are merged already"):
        resend(RECO, What.CHUNKS, RUN, 2)
    assert table() == before
    assert not Resend.objects.exists()


def test_a_chunk_with_its_merges_is_shown_made_again_and_ends_well(done, pilot):
    former = Chunk.objects.get(task=done[1], run__number=RUN, number=2)
    seen = preview(RECO, What.CHUNKS, RUN, 2, with_merges=True)
    assert seen["refused"] == []
    (line,) = seen["tasks"]
    assert (line["chunks"], line["runs"]) == ({"finished": 1}, [RUN])
    assert line["merges"] == {"mdst finished": 1, "hist finished": 1, "dump finished": 1}
    assert line["checks"] == {"mdst yes": 1, "dump yes": 1}
    assert (seen["jobs_ended"], seen["outputs"]) == (0, 4 + 3 * 2)
    record = resend(RECO, What.CHUNKS, RUN, 2, with_merges=True)
    assert record.counts == {"chunks": 1, "merges": 3, "checks": 2, "outputs": 10, "jobs_ended": 0}
    assert (record.by, record.why) == ("ada", "the disk was full")
    assert reload(done[1]).state == "send"
    events = TaskEvent.objects.filter(chunk=former).latest("pk")
    assert (events.before, events.after, events.job_id) == ("finished", "staged", former.job_id)
    assert events.words == f"resend {record.pk}: chunks of run {RUN} chunk 2 with its merges: the disk was full"
    work(pilot)
    assert reload(done[1]).state == "done"
    chunk = Chunk.objects.get(pk=former.pk)
    # Its job is numbered from 2, so that it takes the place of files that are there; the round has used one attempt.
    assert (chunk.state, chunk.attempts) == ("finished", 1)
    assert list(Job.objects.filter(pk=chunk.job_id).values_list("attempt", "max_attempts")) == [(2, 6)]
    assert chunk.job_id != former.job_id
    assert Job.objects.filter(pk=former.job_id, state="finished").exists()
    assert Attempt.objects.filter(job=former.job_id).count() == 1
    assert set(CrossCheck.objects.filter(task=done[1]).values_list("verdict", flat=True)) == {"yes"}
    assert len(pilot.of_type("mcreco")) == 7


def test_nothing_of_a_run_is_merged_before_its_chunk_is_made_again(done, pilot):
    resend(RECO, What.CHUNKS, RUN, 2, with_merges=True)
    before = len(pilot.jobs)
    turn()
    pilot.run()
    assert [job.processing_type for job in pilot.jobs[before:]] == ["mcreco"]


def test_a_generated_chunk_takes_its_child_along(done, pilot):
    assert "merged already" in preview(GEN, What.CHUNKS, RUN, 1)["refused"][0]
    seen = preview(GEN, What.CHUNKS, RUN, 1, with_merges=True)
    assert [(line["task"], line["chunks"]) for line in seen["tasks"]] == [
        (GEN, {"finished": 1}),
        (RECO, {"finished": 1}),
    ]
    resend(GEN, What.CHUNKS, RUN, 1, with_merges=True)
    child = Chunk.objects.get(task=done[1], run__number=RUN, number=1)
    assert (child.state, child.parent.state) == ("defined", "staged")
    work(pilot)
    assert [reload(task).state for task in done] == ["done", "done"]
    assert len(pilot.of_type("mcgen")) == len(pilot.of_type("mcreco")) == 7
    assert len(pilot.of_type("merge-mdst")) == 3


@pytest.mark.parametrize(("kind", "checks"), [("hist", 0), ("", 4)])
def test_merges_of_a_kind_are_made_again_with_their_checks(done, pilot, kind, checks):
    record = resend(RECO, What.MERGING, kind=kind)
    assert (record.counts["merges"], record.counts["checks"]) == (2 if kind else 6, checks)
    work(pilot)
    assert reload(done[1]).state == "done"
    assert CrossCheck.objects.filter(task=done[1], verdict="yes").count() == 4


def test_a_cross_check_is_judged_again(done, pilot):
    record = resend(RECO, What.CROSSCHECK, RUN)
    assert record.counts["checks"] == 2
    before = len(pilot.jobs)
    work(pilot)
    assert (reload(done[1]).state, len(pilot.jobs)) == ("done", before)


def test_staging_looks_at_the_inputs_again(tasks, settings):
    settings.PRODUCTION = {"jobs_per_task": 2}
    submit.submit_chunks()
    record = resend(GEN, What.STAGING)
    assert record.counts["chunks"] == 4
    assert Chunk.objects.filter(task=tasks[0], state="defined").count() == 4
    submit.submit_chunks()
    assert Chunk.objects.filter(task=tasks[0], state="sent").count() == 4


@pytest.mark.parametrize(
    ("name", "wish"),
    [
        (RECO, Wish(What.CHUNKS, RUN, 2, with_merges=True)),
        (GEN, Wish(What.CHUNKS, with_merges=True)),
    ],
)
def test_an_undone_resend_leaves_everything_as_it_was(done, pilot, name, wish):
    before = table()
    record = logic.resend_task(name, wish, by="ada", why="by mistake")
    turn()
    assert Job.objects.filter(state="activated").exists()
    undone = logic.undo_resend(record.pk, by="bob")
    assert table() == before
    assert (undone.undone_by, [reload(task).state for task in done]) == ("bob", ["done", "done"])
    ran = len(pilot.jobs)
    work(pilot)
    assert (table(), len(pilot.jobs)) == (before, ran)
    with pytest.raises(TaskRefused, match="undone by bob already"):
        logic.undo_resend(record.pk, by="bob")


def test_a_cross_check_that_is_not_judged_again_comes_back(done):
    before = table()
    record = resend(RECO, What.CROSSCHECK)
    assert not CrossCheck.objects.exists()
    logic.undo_resend(record.pk, by="ada")
    assert (table(), reload(done[1]).state) == (before, "done")


def test_nothing_is_made_again_that_is_not_what_somebody_has_looked_at(done):
    wish = Wish(What.CROSSCHECK, RUN)
    seen = logic.preview_resend(RECO, wish).as_json()["seen"]
    assert logic.preview_resend(RECO, wish).as_json()["seen"] == seen
    CrossCheck.objects.filter(run__number=RUN, kind="dump").delete()
    before = table()
    with pytest.raises(TaskRefused, match="seen: since you looked, something of it has moved"):
        logic.resend_task(RECO, wish, by="ada", why="the disk was full", seen=seen)
    assert (table(), Resend.objects.count()) == (before, 0)
    now = logic.preview_resend(RECO, wish).as_json()["seen"]
    assert logic.resend_task(RECO, wish, by="ada", why="the disk was full", seen=now).counts["checks"] == 1


def test_why_something_was_undone_is_kept_with_it_and_in_the_history(done):
    record = resend(RECO, What.CROSSCHECK, RUN)
    assert logic.undo_resend(record.pk, by="bob", why=" it was right ").undone_why == "it was right"
    assert TaskEvent.objects.filter(by="bob", words=f"resend {record.pk} undone: it was right").exists()


def test_what_has_run_cannot_be_undone(done, pilot):
    record = resend(RECO, What.CHUNKS, RUN, 2, with_merges=True)
    turn()
    pilot.claim()
    after = table()
    with pytest.raises(TaskRefused, match="a pilot has taken a job"):
        logic.undo_resend(record.pk, by="ada")
    assert table() == after


def test_what_has_failed_since_and_waits_again_cannot_be_undone(done, pilot):
    record = resend(RECO, What.CHUNKS, RUN, 2, with_merges=True)
    turn()
    pilot.spoil = lambda job: failed()
    assert pilot.run(1) == 1
    turn()
    after = table()
    assert Chunk.objects.get(task=done[1], run__number=RUN, number=2).state == "sent"
    with pytest.raises(TaskRefused, match="a part of it has run since"):
        logic.undo_resend(record.pk, by="ada")
    assert table() == after


def test_what_was_accepted_since_is_not_overwritten(done):
    record = resend(RECO, What.CROSSCHECK, RUN)
    turn()
    CrossCheck.objects.filter(run__number=RUN, kind="mdst").update(verdict="accepted")
    with pytest.raises(TaskRefused, match=f"the check of run {RUN} was accepted since"):
        logic.undo_resend(record.pk, by="ada")
    assert CrossCheck.objects.get(run__number=RUN, kind="mdst").verdict == "accepted"


def test_a_task_that_was_over_ended_when_it_did(done):
    ended = reload(done[1]).finished
    record = resend(RECO, What.CHUNKS, RUN, 2, with_merges=True)
    assert reload(done[1]).finished is None
    logic.undo_resend(record.pk, by="ada")
    assert reload(done[1]).finished == ended


def test_a_child_that_is_cancelled_stays_as_it_is_and_one_that_is_ending_is_waited_for(done):
    child = Task.objects.filter(pk=done[1].pk)
    child.update(state="finishing")
    words = f"task {RECO}, which lives on {GEN}, is finishing: wait for its end, or cancel it"
    assert preview(GEN, What.CHUNKS, RUN, 1, with_merges=True)["refused"] == [words]
    child.update(state="cancelled")
    seen = preview(GEN, What.CHUNKS, RUN, 1)
    assert ([line["task"] for line in seen["tasks"]], seen["refused"]) == ([GEN], [])


def test_the_later_resend_is_undone_first(done):
    first = resend(RECO, What.CHUNKS, RUN, 2, with_merges=True)
    turn()
    Chunk.objects.filter(state="sent").update(state="failed")
    second = resend(RECO, What.FAILED)
    with pytest.raises(TaskRefused, match=f"again by resend {second.pk}; undo that one first"):
        logic.undo_resend(first.pk, by="ada")


def test_living_jobs_are_ended_and_that_is_not_undone(tasks, pilot):
    submit.submit_chunks()
    held = pilot.claim()
    assert preview(GEN, What.CHUNKS)["jobs_ended"] == 6
    record = resend(GEN, What.CHUNKS)
    assert record.counts["jobs_ended"] == 6
    assert Job.objects.get(pk=held.id).command == "tobekilled"
    assert not Job.objects.filter(state="activated").exists()
    with pytest.raises(TaskRefused, match="has ended 6 jobs"):
        logic.undo_resend(record.pk, by="ada")
    work(pilot)
    assert [reload(task).state for task in tasks] == ["done", "done"]


def test_a_crash_in_the_middle_leaves_nothing(done, monkeypatch):
    before = table()

    def crash(*args, **more):
        raise RuntimeError

    monkeypatch.setattr(CrossCheck.objects, "filter", crash)
    with pytest.raises(RuntimeError):
        resend(RECO, What.CHUNKS, RUN, 2, with_merges=True)
    monkeypatch.undo()
    assert table() == before
    assert not ResendRow.objects.exists()


def test_failed_ones_of_one_run_alone(tasks, pilot):
    pilot.spoil = lambda job: failed(payload_error=1246)
    work(pilot)
    assert resend(GEN, What.FAILED, RUN).counts["chunks"] == 3
    assert Chunk.objects.filter(task=tasks[0], state="failed").count() == 3
    assert [event.after for event in TaskEvent.objects.filter(chunk=None, task=tasks[0]).order_by("-pk")[:2]] == [
        "send",
        "resend_failed",
    ]


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (Wish(What.FAILED), "nothing of task 'mc2016_gen' is there to be sent again (failed)"),
        (Wish(What.CHUNKS, 5), "run: task mc2016_gen has no run 5"),
        (Wish(What.CHUNKS, RUN, 99), "chunk: run 278473 of task mc2016_gen has no chunk 99"),
    ],
)
def test_what_is_not_there_is_refused_in_words(tasks, wish, words):
    with pytest.raises(TaskRefused) as refused:
        logic.resend_task(GEN, wish, by="ada", why="x")
    assert words in str(refused.value)


def test_a_cancelled_task_is_not_taken_up_again(tasks):
    logic.move_task(GEN, "cancelled", by="ada")
    with pytest.raises(TaskRefused, match="nothing of it can be sent again now"):
        resend(GEN, What.CHUNKS)


def test_a_paused_task_stays_paused(tasks, pilot):
    pilot.spoil = lambda job: failed(payload_error=1246)
    work(pilot)
    logic.move_task(GEN, "paused", by="ada")
    resend(GEN, What.FAILED)
    assert reload(tasks[0]).state == "paused"


def test_a_reason_is_required_and_a_resend_must_exist(tasks):
    with pytest.raises(TaskRefused, match="give a reason"):
        logic.resend_task(RECO, Wish(What.MERGING), by="ada", why=" ")
    with pytest.raises(TaskRefused, match="there is no resend 99"):
        logic.undo_resend(99, by="ada")


def test_what_is_dumped_by_a_chunk_that_is_made_again_is_merged_though_the_run_had_nothing_to_merge(queue, pilot):
    task = define_data("ddd_filtering", runs=1)
    sizes = pilot.outcome
    pilot.outcome = lambda job: (sizes(job)[0], dict.fromkeys(sizes(job)[1], EMPTY_DUMP_SIZE))
    work(pilot)
    assert (reload(task).state, MergeGroup.objects.count(), CrossCheck.objects.count()) == ("done", 0, 1)
    pilot.outcome = sizes
    record = resend("data", What.CHUNKS, RUN, 2)
    assert (record.counts["checks"], CrossCheck.objects.count()) == (1, 0)
    work(pilot)
    assert (reload(task).state, MergeGroup.objects.get().state) == ("done", "finished")


def test_a_merge_that_grew_is_merged_as_it_is_now(done, pilot):
    success = pilot.outcome

    def longer(job):
        events, sizes = success(job)
        return events, {lfn: size + (job.processing_type == "mcreco") for lfn, size in sizes.items()}

    pilot.outcome = longer
    resend(RECO, What.CHUNKS, RUN, with_merges=True)
    work(pilot)
    assert reload(done[1]).state == "done"
    assert Output.objects.get(run__number=RUN, run__task=done[1], kind="merged_mdst").size == 3 * 501
