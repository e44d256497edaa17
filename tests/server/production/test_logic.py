"""What people do with tasks: conflicts are told, pauses hold, cancels end everything, resends begin anew."""

from __future__ import annotations

import pytest

from server.pandaconfig.logic import define_queue
from server.production import logic
from server.production.definition import BadDefinition
from server.production.logic import TaskRefused
from server.production.models import Chunk, Cursor, MergeGroup, Task, TaskEvent
from server.production.redefining import redefine_task
from server.production.steps import collect, submit
from server.taskbuffer.models import Job
from tests.server.production.conftest import GENERATION, RECONSTRUCTION, failed, reload, turn, work


def slips(definition):
    with pytest.raises(BadDefinition) as bad:
        logic.define_task(definition, by="manager")
    return bad.value.slips


def test_a_new_task_is_a_draft_with_its_first_event(queue):
    task = logic.define_task(GENERATION, by="manager")
    assert (task.state, task.owner) == ("draft", "manager")
    assert [(event.before, event.after, event.by) for event in TaskEvent.objects.all()] == [("", "draft", "manager")]
    assert not Chunk.objects.exists()


def test_two_tasks_cannot_have_one_name(queue):
    logic.define_task(GENERATION, by="manager")
    assert "is another task's" in slips(GENERATION)["name"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"queue": "LOCALL"}, "did you mean LOCAL?"),
        ({"queue": "zzzz"}, "known are"),
        ({"queue": "OFF"}, "'OFF' is offline; set it online"),
        ({"queue": "BARE"}, "has no storage for outputs"),
    ],
)
def test_a_queue_that_cannot_take_the_jobs_is_told(queue, changes, words):
    define_queue({"nickname": "OFF", "status": "offline"})
    define_queue({"nickname": "BARE", "status": "online"})
    assert words in slips({**GENERATION, **changes})["queue"]


def test_files_of_the_same_names_are_a_conflict(queue):
    logic.define_task(GENERATION, by="manager")
    other = {**GENERATION, "name": "other", "runs": "278474, 1\n5, 1"}
    assert "task 'mc2016_gen' makes the same files" in slips(other)["runs"]
    assert "run 278474" in slips(other)["runs"]
    logic.define_task({**other, "runs": "5, 1"}, by="manager")
    logic.define_task({**other, "name": "third", "soft": "mc2016-2"}, by="manager")


def test_one_slot_is_one_reconstruction(queue):
    logic.define_task(GENERATION, by="manager")
    logic.define_task(RECONSTRUCTION, by="manager")
    other = {**RECONSTRUCTION, "name": "other"}
    assert "slot 1, PHAST 7" in slips(other)["slot"]
    logic.define_task({**other, "slot": 2}, by="manager")


def test_the_files_of_a_cancelled_task_are_no_conflict(queue):
    logic.define_task(GENERATION, by="manager")
    logic.move_task("mc2016_gen", "cancelled", by="manager")
    logic.define_task({**GENERATION, "name": "again"}, by="manager")


@pytest.mark.parametrize(
    ("parent", "words"),
    [("mc2016_gem", "did you mean 'mc2016_gen'?"), ("mc2016_reco", "is of type mc_reconstruction")],
)
def test_a_parent_is_a_generation_that_exists(queue, parent, words):
    logic.define_task(GENERATION, by="manager")
    logic.define_task(RECONSTRUCTION, by="manager")
    assert words in slips({**RECONSTRUCTION, "name": "other", "slot": 9, "parent": parent})["parent"]


def test_a_reconstruction_starts_after_its_parent(queue):
    logic.define_task(GENERATION, by="manager")
    logic.define_task(RECONSTRUCTION, by="manager")
    with pytest.raises(TaskRefused, match="waits for its parent 'mc2016_gen': start that one first"):
        logic.start_task("mc2016_reco", by="manager")
    assert Task.objects.get(name="mc2016_reco").state == "draft"
    logic.start_task("mc2016_gen", by="manager")
    assert logic.start_task("mc2016_reco", by="manager").state == "send"


def test_starting_twice_is_starting_once(tasks):
    assert logic.start_task("mc2016_gen", by="manager").state == "send"
    assert Chunk.objects.filter(task=tasks[0]).count() == 6


def test_a_manager_can_go_step_by_step_and_back(queue):
    logic.define_task(GENERATION, by="manager")
    for state in ("ready", "draft", "ready", "jobs_ready", "send"):
        assert logic.move_task("mc2016_gen", state, by="manager").state == state
    assert logic.move_task("mc2016_gen", "send", by="manager").state == "send"


@pytest.mark.parametrize(
    ("name", "to", "words"),
    [
        ("mc2016_gen", "done", "is send and cannot become done; it can become paused or finishing or cancelled"),
        ("mc2016_gen", "running", "is send and cannot become running"),
        ("mc2016_gen", "archived", "cannot become archived"),
        ("mc2016_gen", "gone", "task 'mc2016_gen' is send, it can become paused or finishing or cancelled"),
        ("mc2016_gem", "paused", "did you mean 'mc2016_gen'?"),
    ],
)
def test_what_cannot_be_done_is_told_with_what_can(tasks, name, to, words):
    with pytest.raises(TaskRefused) as refused:
        logic.move_task(name, to, by="manager")
    assert words in str(refused.value)


def test_a_paused_task_sends_nothing_more_and_goes_on_where_it_was(tasks, pilot, settings):
    settings.PRODUCTION = {"retry_delay": 0, "jobs_per_task": 2}
    submit.submit_chunks()
    logic.move_task("mc2016_gen", "paused", by="manager", words="lunch")
    assert Chunk.objects.filter(task=tasks[0], state="paused").count() == 4
    for _ in range(3):
        turn()
        pilot.run()
    assert len(pilot.of_type("mcgen")) == 2
    logic.move_task("mc2016_gen", "running", by="manager")
    work(pilot)
    assert [reload(task).state for task in tasks] == ["done", "done"]
    assert len(pilot.of_type("mcgen")) == 6


def test_cancelling_ends_jobs_chunks_and_groups_but_keeps_what_is_finished(tasks, pilot):
    turn()
    pilot.run(most=2)
    held = pilot.claim()
    turn()
    logic.move_task("mc2016_gen", "cancelled", by="manager", words="wrong cuts")
    states = sorted(Chunk.objects.filter(task=tasks[0]).values_list("state", flat=True))
    assert states == ["cancelled"] * 4 + ["finished"] * 2
    mine = Job.objects.filter(task_id=tasks[0].pk)
    assert mine.filter(state="activated").count() == 0
    assert mine.get(pk=held.id).command == "tobekilled"
    turn()
    assert Chunk.objects.filter(task=tasks[0], state="cancelled").count() == 4
    assert TaskEvent.objects.filter(task=tasks[0], after="cancelled", words="wrong cuts").count() == 5


def test_cancelling_ends_merges_too(tasks, pilot):
    for _ in range(3):
        turn()
        pilot.run()
    turn()
    assert MergeGroup.objects.filter(state="sent").exists()
    logic.move_task("mc2016_reco", "cancelled", by="manager")
    assert set(MergeGroup.objects.exclude(state="finished").values_list("state", flat=True)) == {"cancelled"}
    turn()
    assert reload(tasks[1]).state == "cancelled"


def test_what_has_used_its_attempts_gets_a_new_round_on_demand(tasks, pilot):
    pilot.spoil = lambda job: failed(payload_error=1246)
    work(pilot)
    assert Chunk.objects.filter(task=tasks[0], state="failed").count() == 6
    pilot.spoil = lambda job: {}
    assert logic.move_task("mc2016_gen", "resend_failed", by="manager").state == "send"
    sent = TaskEvent.objects.filter(task=tasks[0], after="send").latest("id")
    assert sent.words.endswith(": failed: no reason was given")
    work(pilot)
    assert [reload(task).state for task in tasks] == ["done", "done"]


@pytest.mark.parametrize("to", ["resend_failed", "resend_manual_check"])
def test_a_new_round_of_nothing_is_refused(tasks, pilot, to):
    submit.submit_chunks()
    with pytest.raises(TaskRefused, match="nothing of task 'mc2016_gen'"):
        logic.move_task("mc2016_gen", to, by="manager")
    assert reload(tasks[0]).state == "running"


def test_a_new_round_forgets_the_old_jobs_but_the_history_keeps_them(tasks, pilot):
    pilot.spoil = lambda job: failed(payload_error=1243)
    work(pilot)
    former = set(Chunk.objects.filter(task=tasks[0]).values_list("job_id", flat=True))
    logic.move_task("mc2016_gen", "resend_manual_check", by="manager")
    assert Cursor.objects.update(position=0) == 1
    assert collect.collect() == 0
    assert set(Chunk.objects.filter(task=tasks[0]).values_list("state", "job_id")) == {("staged", None)}
    assert former <= set(TaskEvent.objects.values_list("job_id", flat=True))


def test_what_needed_a_person_gets_a_new_round_on_demand(tasks, pilot):
    pilot.spoil = lambda job: failed(payload_error=1237) if job.processing_type == "merge-mdst" else {}
    work(pilot)
    assert MergeGroup.objects.filter(state="manual_check").count() == 2
    inputs = list(MergeGroup.objects.order_by("id", "inputs__output").values_list("pk", "inputs__output"))
    pilot.spoil = lambda job: {}
    logic.move_task("mc2016_reco", "resend_manual_check", by="manager")
    work(pilot)
    assert reload(tasks[1]).state == "done"
    again = MergeGroup.objects.filter(kind="mdst").order_by("id", "inputs__output")
    assert list(again.values_list("pk", "inputs__output")) == inputs


def test_what_is_started_is_the_draft_as_it_is_written(queue, monkeypatch):
    logic.define_task(GENERATION, by="manager")
    real = logic.task_of

    def overtaken(name):
        found = real(name)
        monkeypatch.setattr(logic, "task_of", real)
        redefine_task(name, {**GENERATION, "runs": "278473, 9"}, by="other")
        return found

    monkeypatch.setattr(logic, "task_of", overtaken)
    logic.start_task("mc2016_gen", by="manager")
    assert Chunk.objects.count() == 9


def test_a_draft_that_was_changed_since_it_was_looked_at_is_not_started(queue):
    seen = logic.define_task(GENERATION, by="manager").updated.isoformat()
    redefine_task("mc2016_gen", {**GENERATION, "runs": "278473, 9"}, by="other")
    with pytest.raises(logic.TaskRefused, match="changed since you looked"):
        logic.start_task("mc2016_gen", by="manager", seen=seen)
    assert Task.objects.get().state == "draft"


def test_a_state_that_is_far_too_long_is_told_cut(tasks):
    with pytest.raises(logic.TaskRefused) as refused:
        logic.move_task("mc2016_gen", "x" * 100_000, by="manager")
    assert "(100000 letters) is not a state" in str(refused.value)
    assert len(str(refused.value)) < 300


def test_a_draft_is_looked_at_once_more_before_it_is_sent(queue):
    first = logic.define_task(GENERATION, by="manager")
    second = logic.define_task({**GENERATION, "name": "second", "soft": "mc2016-2"}, by="manager")
    # As two people do at the same moment.
    Task.objects.filter(pk=second.pk).update(soft=first.soft)
    words = "task 'second' cannot be sent any more as it is: runs: task 'mc2016_gen' makes the same files"
    for send in (logic.start_task, lambda name, by: logic.move_task(name, "ready", by=by)):
        with pytest.raises(logic.TaskRefused, match=words):
            send("second", by="manager")
    logic.move_task("second", "cancelled", by="manager")
    define_queue({"nickname": "LOCAL", "status": "offline"})
    with pytest.raises(logic.TaskRefused, match="queue: 'LOCAL' is offline; set it online"):
        logic.start_task("mc2016_gen", by="manager")
    assert set(Task.objects.values_list("state", flat=True)) == {"draft", "cancelled"}
