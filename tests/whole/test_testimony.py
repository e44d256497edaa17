"""What pilots have heard is held against the rows: each way in which the two may differ is caught."""

from __future__ import annotations

import pytest

from tests.whole.contending import GIVEN, TOLD, Note
from tests.whole.test_audit import RowsInMemory
from tests.whole.testimony import contradictions, disobeyed

pytestmark = pytest.mark.one_python

TRUE = [
    Note(GIVEN, 1, 2, "b"),
    Note(TOLD, 1, 2, "running", "NULL"),
    Note(TOLD, 1, 2, "finished", "NULL"),
    Note(TOLD, 1, 1, "finished", "tobekilled"),
    Note(GIVEN, 2, 1, "b"),
    Note(TOLD, 2, 1, "failed", "NULL"),
    Note(TOLD, 1, 1, "failed", "tobekilled"),
]
FALSE = [
    (Note(GIVEN, 1, 2, "x"), "attempt 1.2 was given to b and to x"),
    (Note(GIVEN, 4, 1, "x"), "attempt 4.1: x had it, and the row says d"),
    (Note(GIVEN, 9, 1, "x"), "attempt 9.1: a pilot had it, and there is no row"),
    (
        Note(TOLD, 2, 2, "finished", "NULL"),
        "attempt 2.2: its pilot reported it finished and heard NULL, and it is failed",
    ),
    (Note(TOLD, 1, 2, "finished", "tobekilled"), "reported it finished and heard tobekilled, and it is finished"),
    (Note(TOLD, 1, 1, "failed", "NULL"), "attempt 1.1: its pilot reported it failed and heard NULL, and it is failed"),
    (
        Note(TOLD, 1, 2, "failed", "NULL"),
        "attempt 1.2: its pilot reported it failed and heard NULL, and it is finished",
    ),
]


def test_nothing_is_said_of_what_the_rows_say_too():
    assert contradictions(RowsInMemory(), TRUE) == []


@pytest.mark.parametrize(("note", "words"), FALSE, ids=str)
def test_what_the_rows_do_not_say_is_named(note, words):
    assert any(words in said for said in contradictions(RowsInMemory(), [*TRUE, note]))


def test_a_job_that_was_given_out_after_somebody_had_ended_it_is_named():
    assert disobeyed(RowsInMemory(), [(1, 4), (1, 5), (3, 99)]) == ["job 1 was killed, and given out again"]
