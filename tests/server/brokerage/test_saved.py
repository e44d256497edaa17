"""A world of brokerage in a file."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.brokerage.policy import Policy
from server.brokerage.saved import BadWorld, World, read, write
from server.brokerage.snapshot import JobNeeds
from tests.server.brokerage import worlds
from tests.server.brokerage.worlds import POLICY, queue, snapshot

PLAIN = World(snapshot(queue()), POLICY, ((JobNeeds(), 2),))


@settings(max_examples=40, deadline=None)
@given(worlds.snapshots, st.lists(st.tuples(worlds.jobs, st.integers(1, 9)), max_size=3))
def test_what_is_written_is_read_again(found, jobs):
    world = World(found, Policy(failure_limit=0.5), tuple(jobs))
    assert read(write(world)) == world


def broken(**changes):
    return json.dumps({**json.loads(write(PLAIN)), **changes})


def with_queue(**changes):
    facts = json.loads(write(PLAIN))["queues"]["facts"]["GOOD"]
    return broken(queues={"taken": 0, "facts": {"GOOD": {**facts, **changes}}})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "it is no JSON"),
        ("[]", "format: it is no world of format 1"),
        (broken(format=2), "format: it is no world"),
        (broken(now="soon"), "now: a number is expected"),
        (broken(queues=[]), "queues: an object is expected"),
        (broken(loads={"taken": 0, "facts": {"A": 3}}), "loads.facts.A: an object is expected"),
        (broken(backlogs={"taken": 0, "facts": {"A": "many"}}), "backlogs.facts.A: a number is expected"),
        (broken(replicas={"taken": 0, "facts": {"d/f": [1]}}), "replicas.facts.d/f: a list of names is expected"),
        (broken(policy={"failure_limt": 1}), "policy: .*did you mean failure_limit"),
        (broken(jobs={}), "jobs: a list is expected"),
        (broken(jobs=[{"needs": {"corse": 1}}]), r"jobs\[0\].needs: corse is no field; did you mean cores"),
        (broken(jobs=[{"needs": {"inputs": {}}}]), r"jobs\[0\].needs.inputs: a list is expected"),
        (broken(jobs=[{"needs": {"inputs": [{"lfn": "a"}]}}]), r"jobs\[0\].inputs\[0\]: .*dataset"),
        (with_queue(cores="8"), "queues.facts.GOOD.cores: '8' is of another kind than int"),
        (with_queue(cores=True), "queues.facts.GOOD.cores: True is of another kind"),
        (with_queue(groups="exotic"), "queues.facts.GOOD.groups: a list of names"),
        (with_queue(colour="red"), "queues.facts.GOOD: colour is no field; "),
    ],
)
def test_what_cannot_be_meant_is_named_with_its_place(text, words):
    with pytest.raises(BadWorld, match=words):
        read(text)
