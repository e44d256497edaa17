"""Every merge of a run is checked: also one that came later, and one that has lost what went into it."""

from __future__ import annotations

import pytest

from pilot.contract import naming
from server.production import logic
from server.production.models import CrossCheck, MergeGroup, MergeInput, Run, TaskEvent
from server.production.resend.wishes import What, Wish
from server.production.states import CheckKind
from server.production.steps import crosscheck
from tests.server.production.conftest import define_data, reload, work

pytestmark = pytest.mark.one_python

MARKER = 33


def groups() -> list[tuple[int, str, int]]:
    return [(group.number, group.state, group.inputs.count()) for group in MergeGroup.objects.order_by("run", "number")]


@pytest.fixture
def filtered(queue, pilot):
    """A filtering of which the second of three chunks has kept no event."""
    success = pilot.outcome
    pilot.empty = {naming.event_dump(278473, 2, 1)}

    def some(job):
        events, sizes = success(job)
        return events, {lfn: MARKER if lfn in pilot.empty else size for lfn, size in sizes.items()}

    pilot.outcome = some
    task = define_data("ddd_filtering", runs=1)
    work(pilot)
    assert reload(task).state == "done"
    assert groups() == [(0, "finished", 2)]
    return task


def test_a_dump_that_comes_where_there_was_none_gets_a_group_of_its_own_and_all_are_checked(filtered, pilot):
    pilot.empty = set()
    before = MergeGroup.objects.get()
    logic.resend_task("data", Wish(What.CHUNKS, 278473, 2), by="manager", why="the trigger mask was wrong")
    work(pilot)
    assert groups() == [(0, "finished", 2), (1, "finished", 1)]
    assert MergeGroup.objects.get(number=0).job_id == before.job_id
    check = CrossCheck.objects.get()
    assert (check.verdict, check.expected, check.found) == ("yes", 3 * 83, 3 * 83)
    back = TaskEvent.objects.get(before="yes", after="no")
    assert back.words == "bytes in event dumps: a dump has come that is in no merge yet"
    assert reload(filtered).state == "done"


def test_what_only_one_of_several_merges_has_lost_is_found(filtered, pilot):
    pilot.empty = set()
    logic.resend_task("data", Wish(What.CHUNKS, 278473, 2), by="manager", why="the trigger mask was wrong")
    success = pilot.outcome
    pilot.outcome = lambda job: (
        (found := success(job))[0],
        {lfn: size - (job.processing_type == "merge-dump") for lfn, size in found[1].items()},
    )
    work(pilot)
    assert groups() == [(0, "finished", 2), (1, "manual_check", 1)]
    assert CrossCheck.objects.get().words.endswith("merge 1: 83 in, 82 out")


def test_a_merge_that_has_lost_its_inputs_is_told_and_breaks_nothing(filtered):
    MergeInput.objects.all().delete()
    found = crosscheck.judge(Run.objects.get(), CheckKind.DUMP, by="test")
    assert found.verdict == "manual_check"
    assert found.words.endswith("merge 0: unknown in, 166 out")
