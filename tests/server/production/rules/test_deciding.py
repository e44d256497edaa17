"""A job that fails leads its chunk or its merge where a rule says, which stands in words and history."""

from __future__ import annotations

import pytest

from server.production import jobs
from server.production.judging import JobView
from server.production.models import Chunk, MergeGroup, TaskEvent
from server.production.rules.deciding import Deciding
from server.production.rules.models import ProductionRule
from server.production.steps import collect, retry, submit
from tests.server.production.conftest import define_data, failed, turn


@pytest.fixture
def data(queue, pilot):
    """A production on data; ``fail(...)`` sends its jobs, which fail so, and looks at what became of them."""
    queue.PRODUCTION = {"retry_delay": 600}
    task = define_data(runs=1, chunks=2)

    def fail(**said):
        pilot.spoil = lambda job: failed(**said)
        submit.submit_chunks()
        pilot.run()
        collect.collect()
        return list(Chunk.objects.filter(task=task).order_by("number"))

    return fail


def test_a_calibration_that_is_empty_waits_for_a_person_who_is_told_the_rule(data):
    chunk, _ = data(payload_error=1243)
    assert (chunk.state, chunk.rule, chunk.due) == ("manual_check", "calibration string", None)
    assert chunk.words.startswith("rule 'calibration string': 1243 a calibration file gave an empty string: have the")
    assert TaskEvent.objects.filter(chunk=chunk).latest("pk").words == chunk.words
    assert retry.retry_failed() == 0


def test_a_raw_file_that_tape_does_not_give_goes_back_and_its_input_is_asked_for_again(data):
    chunk, _ = data(payload_error=1255)
    former = TaskEvent.objects.get(chunk=chunk, before="sent", after="defined").job_id
    assert former is not None
    assert (chunk.state, chunk.job_id, chunk.attempts) == ("defined", None, 1)
    assert "rule 'raw file on tape': 1255" in chunk.words
    assert "to be brought from tape again" in chunk.words
    # What the former job says now changes nothing.
    assert collect.settle([former]) == 0
    for _ in range(4):
        chunk, _ = data(payload_error=1255)
    assert (chunk.state, chunk.attempts, chunk.due) == ("failed", 5, None)
    assert "it has used its attempts" in chunk.words


def test_a_code_that_nobody_knows_is_tried_again_later(data, pilot):
    chunk, _ = data(payload_error=99, payload_error_words="odd")
    assert (chunk.state, chunk.rule, chunk.words) == ("failed", "", "odd")
    assert 595 < (chunk.due - chunk.updated).total_seconds() < 605
    assert retry.retry_failed(chunk.due) >= 1


def test_a_rule_by_words_has_a_wait_and_attempts_of_its_own(data):
    said = {"words": "error writing * no space", "action": "retry", "delay": 30, "most_attempts": 2}
    ProductionRule.objects.create(name="disk full", place=1, **said)
    words = {"payload_error": 1243, "payload_error_words": "Error writing file: no space left"}
    chunk, other = data(**words)
    assert (chunk.state, chunk.rule) == ("failed", "disk full")
    assert 25 < (chunk.due - chunk.updated).total_seconds() < 35
    assert retry.retry_failed(other.due) == 2
    chunk, _ = data(**words)
    assert (chunk.state, chunk.attempts, chunk.due) == ("failed", 2, None)
    assert chunk.words.endswith("2 attempts at most")
    assert retry.retry_failed(chunk.updated.replace(year=chunk.updated.year + 1)) == 0


def test_a_rule_of_one_site_and_a_rule_that_is_disabled(data):
    ProductionRule.objects.create(name="there", place=1, site="JINR", action="give_up")
    ProductionRule.objects.create(name="off", place=2, payload_error=1246, action="give_up", enabled=False)
    ProductionRule.objects.create(name="here", place=3, site="LOCAL", action="later", delay=7200)
    chunk, _ = data(payload_error=1246)
    assert chunk.rule == "here"
    assert round((chunk.due - chunk.updated).total_seconds()) == 7200


def test_what_is_given_up_gets_no_further_attempt(data):
    ProductionRule.objects.create(name="hopeless", place=1, payload_error=1246, action="give_up", advice="drop it")
    chunk, _ = data(payload_error=1246)
    assert (chunk.state, chunk.attempts, chunk.due) == ("failed", 1, None)
    assert chunk.words == "rule 'hopeless': 1246 the program was killed; no further attempt; drop it"


def test_what_was_decided_stands_whatever_becomes_of_the_rules(data):
    chunk, _ = data(payload_error=1243)
    ProductionRule.objects.all().delete()
    assert collect.settle([chunk.job_id]) == 0
    assert Chunk.objects.get(pk=chunk.pk).state == "manual_check"


def test_merges_have_rules_of_their_own(tasks, pilot):
    for _ in range(2):
        turn()
        pilot.run()
    turn()
    codes = iter((1242, 1243))
    pilot.spoil = lambda job: failed(payload_error=next(codes))
    pilot.run()
    collect.collect()
    found = dict(MergeGroup.objects.order_by("job_id").values_list("rule", "state"))
    assert found == {"events skipped in a merge": "manual_check", "": "failed"}


def test_rules_and_limits_are_read_once_for_a_cycle_and_not_where_nothing_fails(
    tasks, pilot, django_assert_num_queries
):
    submit.submit_chunks()
    chunks = list(Chunk.objects.filter(state="sent").select_related("task"))
    view = JobView(7, jobs.JobState.FAILED, 1, payload_error=1246, queue="LOCAL")
    deciding = Deciding()
    with django_assert_num_queries(3):
        assert {deciding.decide(chunk, view).words for chunk in chunks} == {"its job 7 ended failed"}
