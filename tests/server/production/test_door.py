"""Every move goes through one door: it is in the table, nobody was faster, and it leaves its event."""

from __future__ import annotations

import pytest

from server.lib.moves import IllegalMove
from server.production.door import move, move_all
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
