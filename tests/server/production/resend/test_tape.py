"""What has not come to tape can be asked for again, with a preview, a reason, and a way back."""

from __future__ import annotations

import pytest

from server.production import logic
from server.production.models import Output, Task, TaskEvent
from server.production.resend.wishes import What, Wish
from server.production.steps import finish
from tests.server.production.conftest import define_data, reload, work

pytestmark = pytest.mark.one_python

AGAIN = Wish(What.ARCHIVE)


@pytest.fixture
def task(queue, pilot) -> Task:
    made = define_data(runs=1, chunks=1)
    work(pilot)
    Task.objects.filter(pk=made.pk).update(tape="TAPE")
    Output.objects.filter(kind="merged_mdst").update(tape="failed", tape_attempts=5, tape_words="the robot was sold")
    return reload(made)


def mdst() -> tuple[str, int, str]:
    return Output.objects.values_list("tape", "tape_attempts", "tape_words").get(kind="merged_mdst")


def test_a_preview_shows_the_files_and_changes_nothing(task):
    shown = logic.preview_resend("data", AGAIN).as_json()
    counts = {"merged_dump": 1, "merged_histograms": 1, "merged_mdst failed": 1}
    assert shown["tasks"][0]["files"] == counts  # two of them were made before the task had a tape
    assert (shown["refused"], shown["outputs"], mdst()[0]) == ([], 0, "failed")


def test_files_are_asked_for_as_often_as_at_first_and_the_task_goes_on(task):
    record = logic.resend_task("data", AGAIN, by="manager", why="there is a new robot")
    assert mdst() == ("ready", 0, f"{record}: there is a new robot")
    assert reload(task).state == "running"
    event = TaskEvent.objects.filter(by="manager", group__kind="mdst").latest("id")
    assert (event.before, event.after) == ("tape failed", "tape ready")
    logic.undo_resend(record.pk, by="manager")
    assert mdst() == ("failed", 5, "the robot was sold")
    assert reload(task).state == "done"


def test_what_was_asked_for_since_cannot_be_taken_back(task):
    record = logic.resend_task("data", AGAIN, by="manager", why="there is a new robot")
    Output.objects.filter(kind="merged_mdst").update(tape="sent", tape_attempts=1)
    with pytest.raises(logic.TaskRefused, match="asked for on tape since"):
        logic.undo_resend(record.pk, by="manager")


def test_a_task_without_a_tape_is_refused_in_words(task):
    Task.objects.update(tape="")
    with pytest.raises(logic.TaskRefused, match="has no tape"):
        logic.resend_task("data", AGAIN, by="manager", why="there is a new robot")


def test_another_run_has_nothing_to_ask_for(task):
    Output.objects.filter(task=task).update(tape="finished")
    shown = logic.preview_resend("data", AGAIN)
    assert shown.refused == ["nothing of task 'data' is there to be sent again (archive)"]


def test_a_task_that_was_ended_early_is_ended_again_when_its_files_are_on_tape(task):
    Task.objects.update(state="finished")
    logic.resend_task("data", AGAIN, by="manager", why="there is a new robot")
    finish.finish_tasks()
    assert reload(task).state == "finishing"
    Output.objects.filter(tape="ready").update(tape="finished")
    finish.finish_tasks()
    assert reload(task).state == "done"  # since nothing is left
