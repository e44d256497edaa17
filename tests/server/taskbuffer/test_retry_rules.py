"""What becomes of a failed job."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.contract.codes import ErrorCode
from server.taskbuffer.retry_rules import Action, Decision, Failure, Rule, Source, decide, stands_in

MB = 2**20
FAILURE = Failure(
    1,
    3,
    pilot_error=1305,
    pilot_words="Payload failed: Exit code 137 on node wn7",
    exit_status=137,
    payload_words="killed",
    label="managed",
    memory=2000 * MB,
)
RULE = Rule(4, Source.PILOT, Action.RETRY, code=1305, comment="bad node")
MEMORY = replace(RULE, action=Action.MEMORY, factor=1.5, memory_limit=4000 * MB)


@pytest.mark.parametrize("code", sorted(ErrorCode))
def test_without_a_rule_the_pilots_code_decides(code):
    failure = Failure(1, 2, pilot_error=code)
    assert decide(failure) == Decision(again=code.passes)
    assert not decide(replace(failure, attempt=2)).again


@pytest.mark.parametrize(
    ("failure", "again"),
    [
        (Failure(1, 2, pilot_error=-1305), True),
        (Failure(1, 2, dispatcher_error=100), True),
        (Failure(2, 2, dispatcher_error=100), False),
        (Failure(1, 2, data_error=200), False),
        (Failure(1, 2, pilot_error=999999), False),
        (Failure(1, 2), False),
    ],
    ids=["the pilot asks for it", "lost", "lost for the last time", "outputs missing", "unknown", "nothing was said"],
)
def test_without_a_rule_other_failures_are_tried_again_as_before(failure, again):
    assert decide(failure) == Decision(again=again)


@pytest.mark.parametrize(
    "rule",
    [
        RULE,
        replace(RULE, code=None),
        replace(RULE, words="exit CODE 137"),
        replace(RULE, words="payload*node wn"),
        replace(RULE, label="managed"),
        replace(RULE, source=Source.EXIT, code=137, words="kill"),
    ],
)
def test_a_rule_fits_by_source_code_words_and_label(rule):
    assert decide(FAILURE, [rule]) == Decision(again=True, rule=4, words="rule 4 (bad node)")


@pytest.mark.parametrize(
    "rule",
    [
        replace(RULE, code=1306),
        replace(RULE, words="node*payload"),
        replace(RULE, label="user"),
        replace(RULE, source=Source.PAYLOAD, code=None),
        replace(RULE, source=Source.DISPATCHER, code=None),
        replace(RULE, source=Source.DATA, code=None),
    ],
)
def test_a_rule_that_differs_in_one_of_them_decides_nothing(rule):
    assert decide(FAILURE, [rule]) == Decision(again=False)


def test_the_first_rule_that_fits_decides():
    never = replace(RULE, number=9, action=Action.NONE)
    assert decide(FAILURE, [replace(RULE, code=1), never, RULE]) == Decision(
        again=False, rule=9, words="rule 9 (bad node): no further attempt"
    )


@pytest.mark.parametrize(("most", "attempt", "again"), [(2, 1, True), (2, 2, False), (0, 2, True), (9, 3, False)])
def test_a_rule_may_lower_the_attempts_and_never_raises_them(most, attempt, again):
    assert decide(replace(FAILURE, attempt=attempt), [replace(RULE, most_attempts=most)]).again is again


def test_another_queue_is_asked_for_with_the_queues_that_are_allowed():
    rule = replace(RULE, action=Action.ELSEWHERE, queues=("A", "B"), comment="")
    words = "rule 4: in another queue"
    assert decide(FAILURE, [rule]) == Decision(again=True, rule=4, words=words, elsewhere=True, queues=("A", "B"))


@pytest.mark.parametrize(
    ("memory", "max_rss", "wanted"),
    [(2000, 0, 3000), (0, 2000, 3000), (2000, 2500, 3750), (3000, 0, 4000), (1001, 0, 1502)],
)
def test_more_memory_is_reckoned_from_what_was_ordered_and_seen_in_whole_mb(memory, max_rss, wanted):
    decision = decide(replace(FAILURE, memory=memory * MB, max_rss=max_rss * MB), [MEMORY])
    assert (decision.again, decision.memory) == (True, wanted * MB)
    assert decision.words == f"rule 4 (bad node): with {wanted} MB of memory"


def test_a_job_that_had_the_most_memory_is_not_tried_again():
    decision = decide(replace(FAILURE, memory=4000 * MB), [MEMORY])
    assert not decision.again
    assert decision.words == "rule 4 (bad node): it had the most memory, 4000 MB"


def test_where_nobody_knows_the_memory_it_is_not_changed():
    decision = decide(replace(FAILURE, memory=0), [MEMORY])
    assert (decision.again, decision.memory) == (True, 0)


_MEMORIES = st.integers(0, 50).map(lambda n: n * 1000 * MB)


@given(_MEMORIES, _MEMORIES, _MEMORIES, _MEMORIES)
def test_memory_is_raised_never_beyond_what_the_rule_or_a_queue_has_and_an_end_says_why(memory, seen, there, most):
    most = max(there, most) if there and most else 0  # a queue without a limit is one of all
    failure = replace(FAILURE, memory=memory, max_rss=seen, queue_memory=there, most_memory=most)
    decision = decide(failure, [replace(MEMORY, memory_limit=32000 * MB)])
    if decision.memory:
        assert decision.again
        assert memory < decision.memory <= 32000 * MB
        assert decision.memory <= (failure.most_memory or decision.memory)
        assert decision.elsewhere == bool(there and decision.memory > there)
    assert decision.again or "MB" in decision.words


@given(st.lists(st.text(st.characters(exclude_characters="*")), max_size=4), st.text(max_size=5))
def test_what_is_joined_by_stars_stands_in_what_is_joined_by_any_text(parts, between):
    assert stands_in("*".join(parts), between.join(parts))


def test_no_pattern_takes_long():
    assert not stands_in("a*" * 99 + "b", "a" * 500)
