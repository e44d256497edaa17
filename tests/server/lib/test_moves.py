"""Compare-and-set through the ORM."""

from __future__ import annotations

import pytest

from pilot.contract.states import MOVES, JobState
from server.lib.moves import IllegalMove, move
from server.taskbuffer.models import Job
from tests.server import jobs


def test_a_row_moves_once_however_often_it_is_asked(queue):
    rows = Job.objects.filter(pk=jobs.submit()[0])
    assert move(rows, JobState.ACTIVATED, JobState.CLOSED, moves=MOVES, node="wn7")
    assert not move(rows, JobState.ACTIVATED, JobState.CLOSED, moves=MOVES, node="wn8")
    assert rows.get().node == "wn7"


def test_a_move_that_is_not_in_the_table_is_refused_before_the_database_is_asked(queue):
    rows = Job.objects.filter(pk=jobs.submit()[0])
    with pytest.raises(IllegalMove, match="JobState has no move from finished to running"):
        move(rows, JobState.FINISHED, JobState.RUNNING, moves=MOVES)
