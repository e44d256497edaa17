"""Every move goes through one door: it is in the table, nobody was faster, and it leaves its event."""

from __future__ import annotations

import pytest

from server.lib.moves import IllegalMove
from server.production.door import Step, move, move_all, move_each
from server.production.models import Chunk, TaskEvent
from server.production.states import ChunkState, TaskState


def test_a_move_writes_its_event_with_job_and_words(tasks):
    chunk = Chunk.objects.filter(task=tasks[0]).earliest("id")
    assert move(chunk, ChunkState.SENT, by="me", words="why", job_id=77)
    event = TaskEvent.objects.get(chunk=chunk)
    assert (event.before, event.after, event.by, event.words, event.job_id) == ("staged", "sent", "me", "why", 77)
    assert event.task == tasks[0]
    assert (chunk.state, chunk.words, chunk.job_id) == ("sent", "why", 77)


def test_who_comes_second_changes_nothing(tasks):
    first, second = (Chunk.objects.filter(task=tasks[0]).earliest("id") for _ in range(2))
    assert move(first, ChunkState.SENT, by="first")
    assert not move(second, ChunkState.CANCELLED, by="second")
    assert Chunk.objects.get(pk=first.pk).state == "sent"
    assert not TaskEvent.objects.filter(by="second").exists()


def test_a_move_that_is_not_in_the_table_is_refused(tasks):
    chunk = Chunk.objects.filter(task=tasks[0]).earliest("id")
    with pytest.raises(IllegalMove, match="from staged to finished"):
        move(chunk, ChunkState.FINISHED, by="me")
    with pytest.raises(IllegalMove, match="from send to done"):
        move(tasks[0], TaskState.DONE, by="me")
    with pytest.raises(IllegalMove, match="from finished to sent"):
        move_all(Chunk.objects.all(), ChunkState.FINISHED, ChunkState.SENT, by="me", words="")


def test_many_rows_move_together_each_with_its_event(tasks):
    chunks = Chunk.objects.filter(task=tasks[0])
    assert move_all(chunks, ChunkState.STAGED, ChunkState.PAUSED, by="me", words="why") == 6
    assert move_all(chunks, ChunkState.STAGED, ChunkState.PAUSED, by="me", words="why") == 0
    assert TaskEvent.objects.filter(chunk__in=chunks, before="staged", after="paused", words="why").count() == 6


def test_moves_of_their_own_kinds_are_written_together(tasks):
    first, second, third = Chunk.objects.filter(task=tasks[0]).order_by("id")[:3]
    steps = [
        Step(first, ChunkState.SENT, "why", {"job_id": 71, "attempts": 1}),
        Step(second, ChunkState.CANCELLED, values={"attempts": 4}),
        Step(third, ChunkState.FINISHED, "made", {"job_id": 73}, by_way_of=ChunkState.SENT),
    ]
    move_each(steps, by="me")
    found = Chunk.objects.filter(pk__in=[first.pk, second.pk, third.pk]).order_by("id")
    rows = list(found.values_list("state", "job_id", "attempts", "words"))
    assert rows == [("sent", 71, 1, "why"), ("cancelled", None, 4, ""), ("finished", 73, 0, "made")]
    events = TaskEvent.objects.filter(by="me").order_by("id").values_list("before", "after", "job_id", "words")
    assert list(events) == [
        ("staged", "sent", 71, "why"),
        ("staged", "cancelled", None, ""),
        ("staged", "sent", 73, ""),
        ("sent", "finished", 73, "made"),
    ]


def test_of_many_moves_one_that_is_not_in_the_table_refuses_all(tasks):
    first, second = Chunk.objects.filter(task=tasks[0]).order_by("id")[:2]
    with pytest.raises(IllegalMove, match="from staged to finished"):
        move_each([Step(first, ChunkState.SENT), Step(second, ChunkState.FINISHED)], by="me")
    assert first.state == "staged"
    assert not TaskEvent.objects.filter(by="me").exists()


def test_many_moves_take_few_statements(tasks, django_assert_max_num_queries):
    chunks = list(Chunk.objects.filter(task=tasks[0]))
    with django_assert_max_num_queries(2):
        move_each([Step(chunk, ChunkState.SENT) for chunk in chunks], by="me")
    move_each([], by="me")
    assert Chunk.objects.filter(task=tasks[0], state="sent").count() == 6
