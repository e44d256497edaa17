"""The rules as tables: every decision of the factory, without a batch system."""

from __future__ import annotations

from dataclasses import replace

import pytest

from server.factory.rules import CHAIN, End, Facts, Limits, decide

LIMITS = Limits(
    slots=10, max_waiting=5, max_per_cycle=4, black_hole_pilots=3, black_hole_seconds=20, black_hole_pause=30
)
FACTS = Facts(status="online", activated=3, waiting=0, running=0)
BLACK = End(exit_code=94, seconds=1.0)


def number(facts, limits=LIMITS) -> int:
    return decide(facts, limits)[-1].number


@pytest.mark.parametrize(
    ("activated", "waiting", "jobless", "expected"),
    [(0, 0, 0, 0), (3, 0, 0, 3), (3, 1, 0, 2), (3, 1, 1, 1), (3, 9, 0, 0), (100, 0, 0, 4), (None, 0, 0, 0)],
)
def test_each_activated_job_gets_a_pilot_unless_one_is_on_its_way(activated, waiting, jobless, expected):
    assert number(replace(FACTS, activated=activated, waiting=waiting, jobless=jobless)) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [("online", 3), ("brokeroff", 3), ("standby", 3), ("test", 1), ("offline", 0), ("", 0), (None, 0)],
)
def test_the_queues_status_decides_whether_it_gets_pilots(status, expected):
    assert number(replace(FACTS, status=status)) == expected


@pytest.mark.parametrize(("waiting", "running"), [(1, 0), (0, 1)])
def test_a_queue_in_test_has_one_pilot_at_a_time(waiting, running):
    assert number(replace(FACTS, status="test", waiting=waiting, running=running)) == 0


@pytest.mark.parametrize(
    ("activated", "waiting", "running", "expected"),
    [
        (50, 0, 0, 4),  # per cycle
        (50, 3, 0, 2),  # waiting
        (50, 5, 0, 0),
        (50, 0, 9, 1),  # slots
        (50, 1, 8, 1),
        (50, 0, 12, 0),  # more run than there are slots now: nothing negative
    ],
)
def test_caps_hold(activated, waiting, running, expected):
    assert number(replace(FACTS, activated=activated, waiting=waiting, running=running)) == expected


def test_without_an_answer_of_the_batch_system_nothing_is_submitted():
    steps = decide(replace(FACTS, waiting=None, running=None), LIMITS)
    assert steps[-1].number == 0
    assert "nobody knows" in steps[0].reason


@pytest.mark.parametrize(
    ("ends", "black"),
    [
        ([BLACK] * 3, True),
        ([BLACK] * 2, False),
        ([End(0, 1.0), BLACK, BLACK, BLACK], False),
        ([BLACK, BLACK, End(94, 20.0)], False),
        ([BLACK, BLACK, End(82, 1.0)], False),
        ([BLACK, BLACK, End(91, 1.0)], False),
        ([BLACK, End(None, None), End(137, 0.1)], True),
    ],
)
def test_a_black_hole_is_pilots_that_all_fail_within_seconds(ends, black):
    steps = decide(replace(FACTS, ends=ends, idle=1000.0), LIMITS)
    assert steps[-1].number == (1 if black else 3)
    assert ("one at a time" in steps[2].reason) is black


def test_a_black_hole_gets_one_pilot_at_a_time_with_a_pause_between():
    hole = replace(FACTS, ends=[BLACK] * 3, idle=1000.0)
    assert number(replace(hole, running=1)) == 0
    assert number(replace(hole, waiting=1)) == 0
    resting = decide(replace(hole, idle=10.0), LIMITS)
    assert resting[-1].number == 0
    assert "the next one in 20 s" in resting[2].reason
    assert "(exit codes 94)" in resting[2].reason


def test_a_queue_that_never_minds_black_holes_has_none():
    assert number(replace(FACTS, ends=[BLACK] * 3, idle=0.0), replace(LIMITS, black_hole_pilots=0)) == 3


def test_every_rule_leaves_its_name_number_and_reason():
    steps = decide(FACTS, LIMITS)
    assert [step.rule for step in steps] == [rule.__name__ for rule in CHAIN]
    assert all(step.reason for step in steps)


@pytest.mark.parametrize("rule", CHAIN[1:], ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("before", [0, 1, 7])
@pytest.mark.parametrize("living", [0, 1, 20])
@pytest.mark.parametrize("status", ["online", "test", "offline", None])
def test_no_rule_but_the_first_raises_the_number_or_makes_it_negative(rule, before, living, status):
    facts = Facts(status=status, activated=50, waiting=living, running=living, ends=[BLACK] * 3)
    after, _ = rule(before, facts, LIMITS)
    assert 0 <= after <= before
