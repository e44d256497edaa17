"""The numbers that steer brokerage."""

from __future__ import annotations

import pytest

from server.brokerage.policy import BadPolicy, Policy, policy_from


def test_what_is_left_out_keeps_its_default():
    assert policy_from({"failure_limit": 1}) == Policy(failure_limit=1)


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"failure_limt": 1}, "did you mean failure_limit"),
        ({"xyz": 1}, "known are oldest_facts"),
        ({"failures_known": 0.5}, "give a whole number"),
        ({"borrowed": -1}, "give a number from 0 on"),
        ({"borrowed": True}, "give a number"),
        ({"borrowed": "much"}, "give a number"),
    ],
)
def test_a_number_that_cannot_be_meant_is_refused(chosen, words):
    with pytest.raises(BadPolicy, match=words):
        policy_from(chosen)
