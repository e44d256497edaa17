from __future__ import annotations

from pilot.control.ledger import Ledger

A, B, C = (1, 1), (2, 1), (3, 1)


def test_one_place_is_for_one_job():
    ledger = Ledger(1)
    assert (ledger.places(), ledger.take(A, 8), ledger.take(B, 1), ledger.places()) == (1, True, False, 0)


def test_cores_are_given_out_until_there_are_none_and_come_back():
    ledger = Ledger(3, cores=8)
    assert ledger.take(A, 6)
    assert not ledger.take(B, 4)
    assert ledger.take(C, 2)
    assert ledger.places() == 0
    ledger.give_back(A)
    assert ledger.take(B, 4)


def test_a_job_that_wants_more_than_there_is_runs_alone():
    ledger = Ledger(2, cores=4)
    assert ledger.take(A, 16)
    assert not ledger.take(B, 1)


def test_what_nobody_holds_can_be_given_back():
    ledger = Ledger(1)
    ledger.give_back(A)
    assert ledger.places() == 1
