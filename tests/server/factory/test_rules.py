"""The rules as tables: every decision of the factory, without a batch system."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from server.factory.chain import DEFAULT, GUARDS, RULES, decide, parameters_of, read_chain
from server.factory.facts import End, Facts, Free, Limits
from server.factory.rules import guards

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
    assert [step.rule for step in steps] == [*DEFAULT, *(guard.__name__ for guard in GUARDS)]
    assert all(step.reason for step in steps)


@pytest.mark.parametrize("rule", [RULES[name] for name in DEFAULT[1:]], ids=DEFAULT[1:])
@pytest.mark.parametrize("before", [0, 1, 7])
@pytest.mark.parametrize("living", [0, 1, 20])
@pytest.mark.parametrize("status", ["online", "test", "offline", None])
def test_no_rule_but_the_first_raises_the_number_or_makes_it_negative(rule, before, living, status):
    facts = Facts(status=status, activated=50, waiting=living, running=living, ends=[BLACK] * 3)
    after, _ = rule(before, facts, LIMITS)
    assert 0 <= after <= before


def after(rule, facts=FACTS, limits=LIMITS, before=7, **parameters) -> int:
    number, reason = RULES[rule](before, facts, limits, **parameters)
    assert reason
    return number


LIVING = replace(FACTS, activated=10, waiting=2, running=6)


@pytest.mark.parametrize(
    ("rule", "parameters", "expected"),
    [
        ("ready", {"offset": 3}, 5),
        ("weighted", {"activated": 0.5}, 3),
        ("weighted", {"pending": 2.0}, 6),
        ("weighted", {"activated": 0.1, "pending": 5.0}, 0),
        ("keep_running", {"pilots": 10}, 2),
        ("keep_running", {"pilots": 3}, -5),
        ("keep_queue_life", {"pilots": 10}, 2),
        ("keep_queue_life", {}, -1),  # the number before it, 7, is what is kept
        ("scale", {"factor": 0.5}, 4),
        ("scale", {"factor": 0.0}, 0),
        ("fixed", {"pilots": 3}, 3),
        ("null", {}, 0),
        ("min_per_cycle", {"least": 9}, 9),
        ("min_per_cycle", {"least": 5}, 7),
        ("max_per_cycle", {"most": 2}, 2),
        ("min_waiting", {"least": 20}, 18),
        ("max_waiting", {"most": 4}, 2),
        ("max_running", {"most": 9}, 1),
        ("max_in_factory", {"most": 100}, 7),
    ],
)
def test_each_rule_does_what_its_name_says(rule, parameters, expected):
    assert after(rule, LIVING, **parameters) == expected


def test_pilots_that_were_told_to_end_are_not_kept_alive():
    assert after("keep_queue_life", replace(LIVING, retiring=3), pilots=10) == 5
    assert after("keep_running", replace(LIVING, retiring=3), pilots=10) == 2
    assert after("keep_running", replace(LIVING, retiring=3), pilots=3) == -2
    assert after("keep_running", replace(LIVING, retiring=3), pilots=7) == 0


@pytest.mark.parametrize("rule", sorted(RULES))
def test_no_rule_but_those_that_raise_makes_less_of_a_surplus(rule):
    needed = {"pilots": -3, "least": -3, "most": 5, "factor": 1.0}
    given = {name: needed[name] for name in parameters_of(RULES[rule]) if name in needed}
    assert after(rule, LIVING, before=-3, **given) == -3 or rule in {
        *("ready", "weighted", "keep_running", "keep_queue_life", "null", "min_waiting"),
    }


@pytest.mark.parametrize("rule", ["ready", "weighted", "keep_running", "keep_queue_life", "min_waiting", "max_running"])
def test_what_nobody_knows_gives_nothing(rule):
    needed = {"keep_running": {"pilots": 5}, "min_waiting": {"least": 5}}
    unknown = replace(FACTS, activated=None, waiting=None, running=None)
    assert after(rule, unknown, **needed.get(rule, {})) == 0


@pytest.mark.parametrize(
    "unknown",
    [
        {"activated": None},
        {"waiting": None},
        {"running": None},
        {"jobs_age": 121.0},
        {"batch_age": 121.0},
    ],
)
def test_no_chain_acts_on_what_is_unknown_or_stale(unknown):
    steps = decide(replace(FACTS, **unknown), LIMITS, read_chain([{"rule": "fixed", "pilots": 3}]))
    assert steps[-1].number == 0
    assert any(words in steps[-2].reason for words in ("nobody knows", "has not told", "ago"))


def test_the_share_of_pilots_that_fail_too_soon_throttles():
    short, long = End(94, 10.0, ago=100), End(94, 1000.0, ago=100)
    assert after("throttle", replace(FACTS, ends=[short] * 6 + [long] * 4)) == 1
    assert after("throttle", replace(FACTS, ends=[short] * 5 + [long] * 5)) == 7
    assert after("throttle", replace(FACTS, ends=[short] * 9)) == 7  # too few to tell
    assert after("throttle", replace(FACTS, ends=[replace(short, ago=4000)] * 20)) == 7
    assert after("throttle", replace(FACTS, ends=[End(82, 1.0)] * 20)) == 7  # no work is nobody's fault


WHOLE = replace(LIMITS, pilot_nodes=2, pilot_cores=256, pilot_seconds=7200.0, by_cores=True)


def test_a_pilot_of_many_cores_serves_many_jobs():
    facts = replace(FACTS, activated=303, job_cores=((1, 300), (8, 2), (512, 1)))
    number, reason = RULES["ready"](0, facts, WHOLE)
    assert (number, "1 jobs want more than that" in reason) == (2, True)
    assert after("ready", replace(facts, on_the_way_cores=256), WHOLE) == 1
    assert after("ready", replace(facts, on_the_way_cores=512), WHOLE) == 0


def test_pilots_fit_into_the_nodes_that_are_free_long_enough():
    assert after("window", replace(FACTS, free=Free(7)), WHOLE) == 3
    assert after("window", replace(FACTS, free=Free(7, 7200.0), waiting=1), WHOLE) == 2
    assert after("window", replace(FACTS, free=Free(7, 3600.0)), WHOLE) == 0
    assert after("window", replace(FACTS, free_failed="it is down"), WHOLE) == 0
    assert after("window", FACTS, WHOLE) == 7


def test_an_allocation_pays_for_whole_pilots_only():
    assert after("allocation", replace(FACTS, hours_left=13.0), WHOLE) == 3  # of 2 nodes for 2 hours
    assert after("allocation", replace(FACTS, hours_left=-1.0), WHOLE) == 0
    assert after("allocation", FACTS, WHOLE) == 7
    assert after("allocation", replace(FACTS, hours_left=0.1), LIMITS) == 7
    assert after("allocation", replace(FACTS, hours_left=0.0), LIMITS) == 0
    for most in (1e308, float("inf")):
        assert after("allocation", replace(FACTS, hours_left=most), replace(WHOLE, pilot_seconds=0.001)) == 7


def test_what_a_batch_system_refuses_is_not_offered_again_at_once():
    refused = replace(FACTS, refusal="the queue is full", refused_ago=29.9)
    (step,) = [step for step in decide(refused, LIMITS) if step.rule == "patient"]
    assert (step.number, "the queue is full" in step.reason) == (0, True)
    assert number(replace(refused, refused_ago=30.0)) == 3
    assert guards.patient(-3, refused, LIMITS)[0] == -3


def test_a_clock_that_was_set_back_holds_up_no_queue():
    assert number(replace(FACTS, refusal="the queue is full", refused_ago=-7200.0)) == 3
    assert number(replace(FACTS, ends=[BLACK] * 3, idle=-7200.0)) == 1


def test_nodes_are_counted_of_all_living_pilots():
    assert after("max_nodes", replace(FACTS, nodes=5), WHOLE, most=10) == 2


def test_a_batch_system_has_not_more_pilots_than_it_may():
    steps = decide(replace(FACTS, in_system=99), replace(LIMITS, system_most=100))
    assert (steps[-1].number, steps[-3].rule) == (1, "max_in_system")


@pytest.mark.parametrize(
    ("wanted", "running", "confirmed", "expected"),
    [
        (50, 0, 0, 50),
        (51, 0, 0, 50),
        (500, 200, 0, 100),  # half of those that run
        (500, 200, 500, 500),
        (501, 200, 500, 100),
        (500, 200, -500, 100),
        (-50, 0, 0, -50),
        (-51, 0, 0, 0),
        (-51, 0, -60, -51),
    ],
)
def test_a_large_change_wants_a_confirmation(wanted, running, confirmed, expected):
    facts = replace(FACTS, running=running, confirmed=confirmed)
    number, reason = guards.safe(wanted, facts, LIMITS)
    assert number == expected
    assert ("without a confirmation" in reason) is (number != wanted)


def test_what_pilots_without_jobs_cost_is_in_the_reason():
    steps = decide(replace(FACTS, jobless_share=0.31), LIMITS)
    assert "about 30 % of the pilots since yesterday had no job" in steps[0].reason


def test_facts_are_kept_as_json_and_read_back():
    facts = replace(FACTS, ends=(End(94, 1.0, 5.0),), job_cores=((8, 3),), free=Free(3, 60.0), hours_left=1.5)
    assert Facts.from_json(json.loads(json.dumps(facts.as_json()))) == facts
    assert Facts.from_json({"status": "online", "activated": 1, "waiting": 0, "running": 0, "of_old": 1}).activated == 1
