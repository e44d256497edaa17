"""The first rule that fits a failure decides; without one it is tried again, later each time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from server.production.rules.actions import About, Action
from server.production.rules.match import Failure, Rule, comes_again, decide, fits

RULE = Rule("one", Action.MANUAL_CHECK)
FAILURE = Failure(payload_error=1243, pilot_error=1305, words="No Calibration in /db/LED for 278473", queue="CERN")
ON_DATA = replace(FAILURE, raw=True, task_types=("mass_production", "slow"))


@pytest.mark.parametrize(
    ("said", "fit"),
    [
        ({}, True),
        ({"payload_error": 1243}, True),
        ({"payload_error": 1244}, False),
        ({"pilot_error": 1305}, True),
        ({"pilot_error": 1306}, False),
        ({"payload_error": 1243, "pilot_error": 1306}, False),
        ({"payload_error": 1243, "pilot_error": 1305, "words": "calibration"}, True),
        ({"words": "NO CALIBRATION in * for 27"}, True),
        ({"words": "for * in"}, False),
        ({"words": "(a+)+$"}, False),
        ({"queues": frozenset({"CERN", "CERN_MERGING"})}, True),
        ({"queues": frozenset({"JINR"})}, False),
        ({"task_type": "mass_production"}, True),
        ({"task_type": "slow"}, True),
        ({"task_type": "mc_generation"}, False),
    ],
)
def test_a_rule_fits_when_all_that_it_names_is_so(said, fit):
    assert fits(replace(RULE, **said), ON_DATA) is fit


@pytest.mark.parametrize(
    ("about", "kind", "merge", "fit"),
    [
        (About.CHUNKS, "", "", True),
        (About.CHUNKS, "", "mdst", False),
        (About.MERGES, "", "", False),
        (About.MERGES, "", "mdst", True),
        (About.MERGES, "mdst", "mdst", True),
        (About.MERGES, "mdst", "dump", False),
        (About.BOTH, "", "", True),
        (About.BOTH, "", "hist", True),
        # Of a kind are only the merges that it is about.
        (About.BOTH, "mdst", "", True),
        (About.BOTH, "mdst", "hist", False),
    ],
)
def test_a_rule_is_about_chunks_or_merges_or_both(about, kind, merge, fit):
    assert fits(replace(RULE, about=about, kind=kind), replace(FAILURE, merge=merge)) is fit


@pytest.mark.parametrize(("said", "fit"), [({"raw": True}, True), ({}, False), ({"merge": "mdst", "raw": True}, False)])
def test_only_raw_files_are_brought_from_tape(said, fit):
    rule = Rule("tape", Action.STAGING, about=About.CHUNKS)
    assert fits(rule, replace(FAILURE, **said)) is fit


def test_the_first_rule_that_fits_decides():
    first, second = Rule("first", Action.GIVE_UP, payload_error=1243), Rule("second", Action.RETRY)
    assert decide([first, second], FAILURE).rule == "first"
    assert decide([second, first], FAILURE).rule == "second"
    assert decide([replace(first, payload_error=7), second], FAILURE).rule == "second"


@pytest.mark.parametrize(
    ("attempts", "delay"), [(0, 60), (1, 60), (2, 120), (5, 960), (11, 61440), (12, 86400), (90, 86400)]
)
def test_without_a_rule_it_is_tried_again_twice_as_late_each_time_up_to_a_day(attempts, delay):
    decision = decide([], replace(FAILURE, attempts=attempts))
    assert (decision.action, decision.rule, decision.delay) == (Action.RETRY, "", delay)
    assert comes_again(decision)


@pytest.mark.parametrize(
    ("said", "attempts", "delay"),
    [
        ({}, 3, 240),
        ({"delay": 0}, 3, 0),
        ({"delay": 10, "factor": 3.0}, 1, 10),
        ({"delay": 10, "factor": 3.0}, 3, 90),
        ({"delay": 10, "factor": 1.0}, 40, 10),
        ({"delay": 10, "factor": 10.0}, 400, 86400),
        ({"action": Action.LATER, "delay": 7200}, 1, 7200),
        ({"action": Action.LATER, "delay": 7200}, 4, 7200),
        ({"action": Action.ELSEWHERE}, 2, 120),
    ],
)
def test_a_rule_has_a_wait_of_its_own(said, attempts, delay):
    rule = replace(RULE, **{"action": Action.RETRY, **said})
    assert decide([rule], replace(FAILURE, attempts=attempts)).delay == delay


@pytest.mark.parametrize("action", [Action.RETRY, Action.LATER, Action.ELSEWHERE, Action.STAGING])
def test_a_rules_limit_of_attempts_ends_it(action):
    rule = Rule("one", action, most_attempts=2, delay=5)
    assert decide([rule], replace(ON_DATA, attempts=1)).action is action
    ended = decide([rule], replace(ON_DATA, attempts=2))
    assert (ended.action, ended.delay) == (Action.GIVE_UP, None)
    assert ended.words == "rule 'one': 1243 a calibration file gave an empty string; 2 attempts at most"


def test_what_has_used_the_tasks_attempts_is_not_brought_from_tape_again():
    rule = Rule("tape", Action.STAGING)
    assert decide([rule], replace(ON_DATA, attempts=4)).action is Action.STAGING
    assert decide([rule], replace(ON_DATA, attempts=5)).action is Action.GIVE_UP


@pytest.mark.parametrize("action", [Action.MANUAL_CHECK, Action.GIVE_UP, Action.STAGING])
def test_no_attempt_comes_by_itself_where_a_rule_does_something_else(action):
    decision = decide([Rule("one", action)], ON_DATA)
    assert (decision.action, decision.delay, comes_again(decision)) == (action, None, False)


CALIBRATION = "rule 'one': 1243 a calibration file gave an empty string"


@pytest.mark.parametrize(
    ("rule", "failure", "words"),
    [
        (RULE, FAILURE, f"{CALIBRATION}: have the run's LED calibrations checked, then send it again"),
        (replace(RULE, advice="ask Ada"), FAILURE, f"{CALIBRATION}: ask Ada"),
        (RULE, Failure(words="segfault\nmore"), "rule 'one': segfault"),
        (RULE, Failure(), "rule 'one'"),
        (Rule("one", Action.RETRY), FAILURE, CALIBRATION),
        (Rule("one", Action.GIVE_UP, advice="skip"), FAILURE, f"{CALIBRATION}; no further attempt; skip"),
        (Rule("one", Action.ELSEWHERE), FAILURE, f"{CALIBRATION}; again in another queue"),
        (
            Rule("one", Action.ELSEWHERE),
            replace(FAILURE, bound=True),
            f"{CALIBRATION}; again where it was, which its task names",
        ),
        (Rule("one", Action.STAGING), ON_DATA, f"{CALIBRATION}; its input is to be brought from tape again"),
    ],
)
def test_the_words_name_the_rule_what_happened_and_what_to_do(rule, failure, words):
    assert decide([rule], failure).words == words


def test_without_a_rule_the_words_are_those_of_the_failure():
    assert decide([], Failure(payload_error=99, words="broken\nmore")).words == "broken"
    assert decide([], Failure(payload_error=1246)).words == "1246 the program was killed"
