"""A difference that a check has found waits for a person, who accepts it with a reason, mends it, or asks again."""

from __future__ import annotations

import pytest
from django.utils import timezone

from server.production import logic
from server.production.acceptance import CheckRefused, accept, check_again
from server.production.models import Chunk, CrossCheck, MergeGroup, Task, TaskEvent
from server.production.queries import task_json
from server.production.states import CheckKind
from server.production.steps import crosscheck
from tests.server.production.conftest import RECONSTRUCTION, reload, turn, work

pytestmark = pytest.mark.one_python

NAME, RUN = RECONSTRUCTION["name"], 278473


def loses(job) -> bool:
    return job.name.startswith(f"mc2016P07-merge-mdst-{RUN}")


@pytest.fixture
def lost(tasks, pilot):
    """One event is lost in the merge of a run; the other run is complete."""
    pilot.spoil = lambda job: {"events": 269} if loses(job) else {}
    work(pilot)
    assert check().verdict == "manual_check"
    return pilot


def check(kind: str = "mdst") -> CrossCheck:
    return CrossCheck.objects.get(run__number=RUN, kind=kind)


def group(kind: str = "mdst") -> MergeGroup:
    return MergeGroup.objects.get(run__number=RUN, kind=kind)


def test_what_follows_begins_when_a_difference_is_accepted_and_the_history_says_who_and_why(lost, tasks):
    accept(NAME, RUN, "mdst", by="Wigner", reason="a broken event, known to everybody")
    assert (check().verdict, group().state) == ("accepted", "finished")
    assert check().words == (
        "accepted by Wigner: a broken event, known to everybody; "
        "270 events went in, 269 came out: 1 are missing; merge 0: 270 in, 269 out"
    )
    moves = TaskEvent.objects.filter(by="Wigner").order_by("id").values_list("before", "after", "words")
    assert list(moves) == [
        ("manual_check", "finished", "accepted: a broken event, known to everybody"),
        ("manual_check", "accepted", "events in mDSTs: a broken event, known to everybody"),
    ]
    work(lost)
    assert reload(tasks[1]).state == "done"
    assert check().verdict == "accepted"
    told = task_json(reload(tasks[1]))
    assert {step["state"] for step in told["steps"]} == {"done"}
    assert f"run {RUN} cross-check" in {event["what"] for event in told["events_log"]}


def test_what_a_person_has_settled_while_runs_were_looked_for_is_not_judged_again(lost):
    MergeGroup.objects.filter(run__number=RUN).update(updated=timezone.now())
    due = list(crosscheck._to_check(CheckKind.MDST).values_list("pk", flat=True))
    accept(NAME, RUN, "mdst", by="Wigner", reason="a broken event, known to everybody")
    assert not any(crosscheck._judge_if_due(key, CheckKind.MDST) for key in [*due, check().run_id])
    assert check().verdict == "accepted"


def test_a_merge_that_is_sent_again_mends_it(lost, tasks):
    lost.spoil = lambda job: {}
    logic.move_task(NAME, "resend_manual_check", by="manager", words="the disk was bad")
    work(lost)
    assert (check().verdict, group().number) == ("yes", 0)
    assert reload(tasks[1]).state == "done"


def test_a_check_that_is_asked_for_again_sees_the_numbers_of_now(lost, tasks):
    assert check_again(NAME, RUN, "mdst", by="manager").verdict == "manual_check"
    assert group().state == "manual_check"
    MergeGroup.objects.filter(pk=group().pk).update(events_found=270)
    assert check_again(NAME, RUN, "mdst", by="manager", reason="counted by hand").verdict == "yes"
    last = TaskEvent.objects.filter(run__number=RUN).latest("id")
    assert (last.before, last.after, last.words) == (
        "manual_check",
        "yes",
        "events in mDSTs: checked again: counted by hand",
    )
    work(lost)
    assert reload(tasks[1]).state == "done"


def test_an_unknown_number_of_events_can_be_accepted_too(tasks, pilot):
    pilot.spoil = lambda job: {"events": None} if loses(job) else {}
    work(pilot)
    assert check().words.startswith("number of events unknown: merge 0;")
    assert group().state == "finished"
    accept(NAME, RUN, "mdst", by="manager", reason="counted by hand: 270")
    work(pilot)
    assert reload(tasks[1]).state == "done"


def test_bytes_that_differ_are_accepted_in_the_same_way(tasks, pilot):
    success = pilot.outcome

    def shorter(job):
        events, sizes = success(job)
        return events, {lfn: size - (job.processing_type == "merge-dump") for lfn, size in sizes.items()}

    pilot.outcome = shorter
    work(pilot)
    for run in (RUN, RUN + 1):
        accept(NAME, run, "dump", by="manager", reason="padding")
    work(pilot)
    assert reload(tasks[1]).state == "done"


def test_a_group_whose_events_are_hidden_in_the_sum_is_named_among_several(tasks, pilot, settings):
    settings.PRODUCTION = {"retry_delay": 0, "merge_target": 500}
    made = {"ch000": 91, "ch001": 89}
    pilot.spoil = lambda job: {"events": made[part]} if loses(job) and (part := job.name[-5:]) in made else {}
    work(pilot)
    assert check().words == (
        "270 events went in and came out, but not of each merge; merge 0: 90 in, 91 out, merge 1: 90 in, 89 out"
    )
    groups = MergeGroup.objects.filter(run__number=RUN, kind="mdst").order_by("number")
    assert list(groups.values_list("state", flat=True)) == ["manual_check", "manual_check", "finished"]
    pilot.spoil = lambda job: {}
    before = len(pilot.of_type("merge-mdst"))
    logic.move_task(NAME, "resend_manual_check", by="manager")
    work(pilot)
    assert len(pilot.of_type("merge-mdst")) == before + 2
    assert reload(tasks[1]).state == "done"


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("words: missing; say why", lambda: accept(NAME, RUN, "mdst", by="x", reason="  ")),
        (
            "there is no task 'mc2016_rec'; did you mean 'mc2016_reco'",
            lambda: check_again("mc2016_rec", RUN, "mdst", by="x"),
        ),
        ("there is no task 'zz'; list the tasks", lambda: check_again("zz", RUN, "mdst", by="x")),
        ("'hist' is no cross-check; give mdst or dump", lambda: check_again(NAME, RUN, "hist", by="x")),
        ("run 1 of task 'mc2016_reco' has no check", lambda: accept(NAME, 1, "mdst", by="x", reason="y")),
        ("has no check of bytes in event dumps yet", lambda: check_again(NAME, RUN, "dump", by="x")),
        ("says yes", lambda: accept(NAME, RUN + 1, "mdst", by="x", reason="y")),
    ],
)
def test_what_cannot_be_is_refused_in_words(lost, words, call):
    with pytest.raises(CheckRefused, match=words):
        call()
    assert check().verdict == "manual_check"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        # A person has tried its job again in the task buffer.
        ({"state": "sent"}, "group 0 is sent; it is checked when it is merged"),
        # The job that was to mend it has failed: there is no file to accept.
        ({"state": "manual_check", "size": None}, "group 0 is manual check is needed"),
    ],
)
def test_what_is_not_merged_now_is_neither_accepted_nor_checked(lost, row, words):
    MergeGroup.objects.filter(pk=group().pk).update(**row)
    with pytest.raises(CheckRefused, match=words):
        accept(NAME, RUN, "mdst", by="manager", reason="no time")
    with pytest.raises(CheckRefused, match=words):
        check_again(NAME, RUN, "mdst", by="manager")


def test_nothing_of_a_paused_task_is_accepted(lost):
    logic.move_task(NAME, "paused", by="manager")
    with pytest.raises(CheckRefused, match="is paused: nothing of it is checked now"):
        accept(NAME, RUN, "mdst", by="manager", reason="later")


def test_a_merge_waits_while_its_run_is_made_again_and_while_its_check_is_taken_back(tasks, pilot):
    work(pilot)
    Task.objects.filter(pk=tasks[1].pk).update(state="running")
    groups = MergeGroup.objects.filter(run__number=RUN)
    groups.update(state="ready")
    CrossCheck.objects.filter(run__number=RUN, kind="mdst").update(verdict="manual_check")
    Chunk.objects.filter(task=tasks[1], run__number=RUN, number=1).update(state="manual_check")
    turn()
    assert set(groups.values_list("state", flat=True)) == {"ready"}
    Chunk.objects.filter(task=tasks[1], run__number=RUN).update(state="finished")
    turn()
    assert dict(groups.values_list("kind", "state")) == {"mdst": "sent", "hist": "ready", "dump": "ready"}
    work(pilot)
    assert reload(tasks[1]).state == "done"
