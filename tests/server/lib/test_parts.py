"""What fails as a whole is done in parts."""

from __future__ import annotations

import pytest
from django.db import OperationalError

from server.lib.parts import do_in_parts


def test_a_row_that_is_in_the_way_holds_up_no_other():
    done, calls, refused = [], [], []

    def do(rows):
        calls.append(len(rows))
        if {7, 400} & set(rows):
            raise ValueError("odd")
        done.extend(rows)
        return len(rows)

    assert do_in_parts(range(1000), do, lambda row, why: refused.append((row, str(why)))) == 998
    assert sorted(done) == [row for row in range(1000) if row not in (7, 400)]
    assert refused == [(7, "odd"), (400, "odd")]
    assert len(calls) < 45


def test_nothing_is_done_with_nothing():
    assert do_in_parts([], len, pytest.fail) == 0


def test_what_nobody_expects_and_what_the_database_cannot_do_is_told():
    def do(rows):
        raise KeyError(rows[0])

    with pytest.raises(KeyError):
        do_in_parts([1, 2], do, pytest.fail, expected=ValueError)

    def lock(rows):
        raise OperationalError("deadlock")

    with pytest.raises(OperationalError):
        do_in_parts([1, 2], lock, pytest.fail)
