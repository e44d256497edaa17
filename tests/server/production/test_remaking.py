"""A merge whose input has vanished waits until the chunk that made it has made it again, a bounded number of times."""

from __future__ import annotations

import pytest

from pilot.contract.codes import ErrorCode
from server.production.models import Chunk, CrossCheck, MergeGroup, TaskEvent
from tests.server.production.conftest import failed, reload, work

pytestmark = pytest.mark.one_python

LFN = "mDST-278473-2-1-7.root"
GONE = failed(pilot_error=ErrorCode.MISSING_INPUT.value, pilot_error_words=f"{LFN}: no such file on DISK")


def is_merge(job) -> bool:
    return job.processing_type == "merge-mdst" and "278473" in job.name


def first_log(pilot, name) -> str:
    return next(job.log.lfn for job in pilot.jobs if job.name == name)


def test_the_chunk_is_made_again_and_the_same_group_is_merged(tasks, pilot):
    pilot.spoil = lambda job: GONE if is_merge(job) and len(pilot.of_type("mcreco")) == 6 else {}
    work(pilot)
    assert reload(tasks[1]).state == "done"
    chunk = Chunk.objects.get(task=tasks[1], run__number=278473, number=2)
    assert (chunk.state, chunk.attempts) == ("finished", 2)
    moves = TaskEvent.objects.filter(chunk=chunk, before="finished").values_list("after", "words")
    assert list(moves) == [("staged", f"its mDST {LFN} is not on DISK any more, as merging found: it is made again")]
    group = MergeGroup.objects.get(run__number=278473, kind="mdst")
    assert (group.number, group.inputs.count(), group.events_found) == (0, 3, 270)
    waits = TaskEvent.objects.get(group=group, after="ready")
    assert waits.words == f"waits for chunk 2: {LFN} has vanished from DISK"
    first, second = (job for job in pilot.jobs if is_merge(job))
    assert first.id != second.id
    assert [file.lfn for file in first.inputs] == [file.lfn for file in second.inputs]
    # A first attempt would take the file that is still there for somebody else's.
    assert (first.attempt, second.attempt) == (1, 2)
    (again,) = [job for job in pilot.of_type("mcreco") if job.attempt == 2]
    assert again.log.lfn == f"{first_log(pilot, again.name)}.2"
    assert len(pilot.of_type("mcreco")) == 7


def test_what_vanishes_again_and_again_goes_to_a_person(tasks, pilot):
    pilot.spoil = lambda job: GONE if is_merge(job) else {}
    work(pilot)
    chunk = Chunk.objects.get(task=tasks[1], run__number=278473, number=2)
    assert (chunk.state, chunk.attempts) == ("manual_check", 5)
    assert chunk.words.endswith("and it has used its 5 attempts; look for the file, then send it again")
    assert MergeGroup.objects.get(run__number=278473).state == "ready"
    assert not CrossCheck.objects.filter(run__number=278473).exists()
    assert reload(tasks[1]).state == "running"
    others = MergeGroup.objects.filter(run__number=278474).values_list("state", flat=True)
    assert set(others) == {"finished"}


def test_a_merge_that_fails_for_another_reason_makes_nothing_again(tasks, pilot):
    hung_up = failed(pilot_error=ErrorCode.STAGE_IN_FAILED.value, pilot_error_words=f"{LFN}: the storage hung up")
    pilot.spoil = lambda job: hung_up if is_merge(job) and job.attempt == 1 else {}
    work(pilot)
    assert reload(tasks[1]).state == "done"
    assert len(pilot.of_type("mcreco")) == 6
