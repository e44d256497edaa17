"""What clients and pages are told of a job and its queues."""

from __future__ import annotations

import json

from server.brokerage.explain import PARTS, explanation
from server.brokerage.rules import RULES
from server.brokerage.snapshot import JobNeeds
from tests.server.brokerage.worlds import POLICY, queue, snapshot

WORLD = snapshot(queue("A", cores=1), queue("B"), age=5.0)


def test_every_queue_is_told_with_every_rule_and_the_best_comes_first():
    found = explanation(JobNeeds(cores=4), WORLD, POLICY)
    assert [one["queue"] for one in found["queues"]] == ["B", "A"]
    assert [len(one["findings"]) for one in found["queues"]] == [len(RULES)] * 2
    best, refused = found["queues"]
    assert best["passed"]
    assert [factor["name"] for factor in best["factors"]][-1] == "load"
    assert (refused["passed"], refused["tags"], refused["weight"]) == (False, ["-cpucore"], 0)
    assert found["choice"] == {"queue": "B", "words": "", "lasting": False}
    assert found["ages"] == dict.fromkeys(PARTS, 5.0)
    assert json.loads(json.dumps(found)) == found


def test_the_choice_is_among_all_queues_when_one_is_told():
    found = explanation(JobNeeds(), WORLD, POLICY, "A")
    assert [one["queue"] for one in found["queues"]] == ["A"]
    assert found["choice"]["queue"] == "A"
    assert explanation(JobNeeds(cores=4), WORLD, POLICY, "A")["choice"]["queue"] == "B"
