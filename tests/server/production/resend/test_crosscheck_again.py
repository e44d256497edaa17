"""A check that found a difference is made anew with the merges that it has set apart."""

from __future__ import annotations

import pytest

from server.production import acceptance, logic
from server.production.models import Chunk, CrossCheck, MergeGroup, Run
from server.production.resend.wishes import What, Wish
from server.production.steps import crosscheck
from tests.server.production.conftest import define_data


@pytest.fixture
def differs(queue):
    """A run whose merged dump has a byte too few, which its check has found."""
    task = define_data("ddd_filtering", runs=1, chunks=1)
    run = Run.objects.get()
    Chunk.objects.update(state="finished")
    made = run.chunks.get().outputs.create(task=task, run=run, kind="dump", lfn="one", endpoint="DISK", size=100)
    group = MergeGroup.objects.create(task=task, run=run, kind="dump", number=1, state="finished", size=99)
    group.inputs.create(output=made)
    crosscheck.check_dumps()
    assert stands() == ("manual_check", "manual_check")
    return group


def stands():
    return MergeGroup.objects.get().state, getattr(CrossCheck.objects.first(), "verdict", "")


def again():
    return logic.resend_task("data", Wish(What.CROSSCHECK), by="ada", why="it was read wrongly")


def test_its_merges_are_judged_with_it_and_may_be_accepted_afterwards(differs):
    again()
    assert stands() == ("finished", "")
    crosscheck.check_dumps()
    assert stands() == ("manual_check", "manual_check")
    acceptance.accept("data", differs.run.number, "dump", by="ada", reason="a byte is no event")
    assert stands() == ("finished", "accepted")


@pytest.mark.parametrize("judged", [False, True])
def test_when_it_is_undone_they_wait_for_a_person_as_before(differs, judged):
    record = again()
    if judged:
        crosscheck.check_dumps()
    logic.undo_resend(record.pk, by="ada")
    assert stands() == ("manual_check", "manual_check")
    acceptance.check_again("data", differs.run.number, "dump", by="ada")
