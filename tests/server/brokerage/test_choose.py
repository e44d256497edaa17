"""Which queue a job is sent to."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings

from server.brokerage.choose import Placement, explain_choice, judge_all
from server.brokerage.policy import GB
from server.brokerage.rules import RULES
from server.brokerage.snapshot import FailureRate, Input, JobNeeds, Load, UserFacts
from tests.server.brokerage import worlds
from tests.server.brokerage.worlds import POLICY, queue, snapshot

A, B = queue("A"), queue("B")
JOB = JobNeeds()


def best(job, world):
    return explain_choice(judge_all(job, world, POLICY)).queue


def test_equal_queues_are_told_apart_by_their_names():
    assert best(JOB, snapshot(B, A)) == best(JOB, snapshot(A, B)) == "A"


def test_a_job_goes_where_slots_are_free():
    loads = {"A": Load(queued=10, running=10, slots=10), "B": Load(running=2, slots=10)}
    assert best(JOB, snapshot(A, B, loads=loads)) == "B"


def test_a_job_goes_where_its_inputs_lie():
    job = JobNeeds(inputs=(Input("d", "f1", 50 * GB), Input("d", "f2", 10 * GB)))
    assert best(job, snapshot(A, B, replicas={"d/f1": ("B_DISK",), "d/f2": ("A_DISK",)})) == "B"


def test_an_input_of_unknown_size_counts_too():
    job = JobNeeds(inputs=(Input("d", "f1"),))
    assert best(job, snapshot(A, B, replicas={"d/f1": ("B_DISK",)})) == "B"


def test_the_storage_that_an_order_names_counts_as_a_replica():
    assert best(JobNeeds(inputs=(Input("d", "f1", GB, "B_DISK"),)), snapshot(A, B)) == "B"


def test_where_inputs_lay_long_ago_is_not_believed():
    job = JobNeeds(inputs=(Input("d", "f1", GB),))
    world = snapshot(A, B, replicas={"d/f1": ("B_DISK",)}, age=900)
    fresh = snapshot(A, B)
    assert best(job, replace(world, queues=fresh.queues)) == "A"


def test_a_queue_that_often_fails_comes_later():
    assert best(JOB, snapshot(A, B, failures={"A": FailureRate(100, 50)})) == "B"


def test_pledged_cores_come_before_borrowed_ones():
    assert best(JOB, snapshot(queue("A", pledged=-1), B)) == "B"


def test_a_country_runs_its_own_jobs_first():
    users = {"ada": UserFacts("ada", country="cz"), "bob": UserFacts("bob", country="de")}
    world = snapshot(A, queue("B", countries=("cz",)), users=users)
    assert best(JobNeeds(user="ada"), world) == "B"
    assert best(JobNeeds(user="bob"), world) == "A"


def test_a_job_that_nothing_takes_is_told_what_is_nearest_and_that_it_lasts():
    world = snapshot(queue("A", status="offline", cores=2), queue("B", cores=2))
    choice = explain_choice(judge_all(JobNeeds(cores=4), world, POLICY))
    assert (choice.queue, choice.lasting) == ("", True)
    assert choice.tags == (("-cpucore", 2), ("-status", 1))
    assert "nearest is B: ask for at most 2 cores" in choice.words


def test_without_any_queue_the_words_say_where_to_define_one():
    choice = Placement(snapshot(), POLICY).place(JOB)
    assert choice.queue == ""
    assert "admin" in choice.words


def test_many_jobs_spread_as_slots_are_free():
    loads = {"A": Load(slots=300), "B": Load(slots=100)}
    placement = Placement(snapshot(A, B, loads=loads), POLICY)
    for _ in range(400):
        placement.place(JOB)
    assert placement.placed == {"A": 300, "B": 100}


def test_a_quota_holds_within_one_call():
    users = {"ada": UserFacts("ada", max_queued=5, queued=3)}
    placement = Placement(snapshot(A, users=users), POLICY)
    found = [placement.place(JobNeeds(user="ada")) for _ in range(4)]
    assert [choice.queue for choice in found] == ["A", "A", "", ""]
    assert "may have 5 jobs queued" in found[-1].words


@settings(max_examples=60, deadline=None)
@given(worlds.snapshots, worlds.jobs)
def test_every_rule_answers_and_only_queues_that_pass_are_chosen(world, job):
    verdicts = judge_all(job, world, POLICY)
    assert {verdict.queue for verdict in verdicts} == set(world.queues.facts)
    for verdict in verdicts:
        assert len(verdict.findings) == len(RULES)
        assert all(finding.tag and finding.words for finding in verdict.refused)
        assert verdict.passed == (verdict.weight > 0)
    choice = explain_choice(verdicts)
    passing = [verdict for verdict in verdicts if verdict.passed]
    assert bool(choice.queue) == bool(passing)
    if passing:
        assert choice.queue == min(passing, key=lambda verdict: (-verdict.weight, verdict.queue)).queue
    else:
        assert choice.words


@settings(max_examples=60, deadline=None)
@given(worlds.snapshots, worlds.jobs)
def test_the_first_job_of_many_goes_where_one_alone_would(world, job):
    assert Placement(world, POLICY).place(job).queue == explain_choice(judge_all(job, world, POLICY)).queue


@settings(max_examples=60, deadline=None)
@given(worlds.snapshots, worlds.jobs)
def test_every_placed_job_is_counted_once(world, job):
    placement = Placement(world, POLICY)
    found = Counter(placement.place(job).queue for _ in range(20))
    assert placement.placed == {name: n for name, n in found.items() if name}


@settings(max_examples=30, deadline=None)
@given(worlds.snapshots, worlds.jobs, worlds.jobs)
def test_each_of_many_jobs_goes_where_it_would_if_the_others_were_queued_already(world, one, other):
    placement = Placement(replace(world, users=snapshot().users), POLICY)
    for job in [one, other] * 5:
        loads = {
            name: replace(
                world.loads.facts.get(name, Load()), queued=_queued(world, name) + placement.placed.get(name, 0)
            )
            for name in world.queues.facts
        }
        seen = replace(world, loads=replace(world.loads, facts=loads), users=snapshot().users)
        assert placement.place(job).queue == best(job, seen)


def _queued(world, name):
    return world.loads.facts.get(name, Load()).queued
