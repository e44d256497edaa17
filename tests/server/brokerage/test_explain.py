"""What clients and pages are told of a job and its queues."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from server.brokerage.explain import PARTS, explanation, pilot_explanation
from server.brokerage.order import Offer, Standing, tiers
from server.brokerage.rules import RULES
from server.brokerage.shares import Running
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


@dataclass(frozen=True)
class Kind:
    pk: int
    share: str = ""
    cores: int = 1
    queue: str = "Q"
    label: str = "managed"
    memory: int = 0
    walltime: int = 0
    disk: int = 0
    working_group: str = ""
    country: str = ""


STANDING = Standing(
    Running({"MC": 8, "Data": 2}), {"MC": 0.5, "Data": 0.5}, {"/eve": "user: eve is banned: mined coins"}
)


def told_of_pilot(*kinds, queued=None, standing=STANDING, **offer):
    wanted = Offer("Q", frozenset({"managed"}), **{"cores": 4, **offer})
    return pilot_explanation(kinds, wanted, standing, dict.fromkeys([kind.pk for kind in kinds], 5) | (queued or {}))


def test_a_pilot_is_told_the_kinds_of_its_queue_in_their_order_and_why_it_has_no_others():
    found = told_of_pilot(
        Kind(1, "MC"), Kind(2, "Data"), Kind(3, "Data", cores=8), Kind(4, "/eve"), Kind(5, "MC"), queued={5: 0}
    )
    assert [(kind["share"], kind["cores"], kind["fits"], kind["words"]) for kind in found["kinds"]] == [
        ("Data", 1, True, ""),
        ("MC", 1, True, ""),
        ("Data", 8, False, "cores: 8 needed, 4 offered"),
        ("/eve", 1, False, "user: eve is banned: mined coins"),
    ]
    assert [kind["running_cores"] for kind in found["kinds"]] == [2, 8, 2, 0]
    assert (found["queued"], found["fitting"], found["without_jobs"]) == (20, 10, 1)
    assert found["words"] == "it is given a job of share Data: 10 queued jobs fit"


def test_a_pilot_that_gets_nothing_is_told_whether_anything_is_queued():
    assert told_of_pilot(Kind(1), queued={1: 0})["words"] == "no job is queued for it"
    words = told_of_pilot(Kind(1, cores=8), standing=Standing())["words"]
    assert words.startswith("5 jobs are queued for its queue, and it may have none of them")


_SHARES, _LABELS = st.sampled_from(["", "MC", "Data", "/eve"]), st.sampled_from(["managed", "user"])
_KINDS = st.lists(st.builds(Kind, st.just(0), _SHARES, st.integers(1, 8), label=_LABELS), max_size=6)


@given(_KINDS, st.integers(1, 8), st.lists(st.integers(0, 3), min_size=6, max_size=6))
def test_what_a_pilot_is_told_is_what_it_is_given(kinds, cores, numbers):
    kinds = [replace(kind, pk=at) for at, kind in enumerate(kinds)]
    found = told_of_pilot(*kinds, queued=dict(enumerate(numbers[: len(kinds)])), cores=cores)
    filled = [kind for kind in kinds if numbers[kind.pk]]
    given_out = [tier.share for tier in tiers(filled, Offer("Q", frozenset({"managed"}), cores), STANDING)]
    shown = [kind for kind in found["kinds"] if kind["fits"]]
    assert list(dict.fromkeys(kind["share"] for kind in shown)) == given_out
    assert len(found["kinds"]) == len(filled)
    assert all(bool(kind["words"]) != kind["fits"] for kind in found["kinds"])
    assert found["fitting"] == sum(kind["queued"] for kind in shown)
