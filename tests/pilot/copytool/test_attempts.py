"""Which way is taken next, and for how long: decided without anything being copied."""

from __future__ import annotations

import pytest

from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.contract.messages import StoredFile
from pilot.copytool.attempts import Attempts, Policy, Standing, Wish, still_open, summary
from pilot.copytool.base import Cancel, CopyCancelled, CopyFailed, Deadline, FailureKind
from pilot.copytool.failures import PASSING, Direction
from pilot.copytool.local import Copy, Local
from pilot.copytool.routes import Route
from pilot.copytool.together import Turns

LOCAL, COPY = Local(), Copy()
NEAR, FAR, SAME = (
    Route(LOCAL, "file:///a/f", "A", "file:///a", "read_lan"),
    Route(LOCAL, "file:///b/f", "B", "file:///b", "read_wan", far=True),
    Route(COPY, "file:///a/f", "A", "file:///a", "read_lan"),
)
FILE = FileSpec("f", Role.INPUT, "scope", "data/set", guid="G")
QUICK = Policy(3, 0.001)
WISH = Wish(JobSpec(id=7, attempt=1, transformation="true"), FILE, Direction.IN, 6.0)


def failed(kind, words="no"):
    return CopyFailed(kind, words)


class Scene:
    """Tries that come out as it was said, by address or tool."""

    def __init__(self, outcomes, policy=QUICK):
        self.outcomes = {place: list(many) for place, many in outcomes.items()}
        self.traces, self.taken, self.deadlines = [], [], []
        self.attempts = Attempts(policy, Turns(1), self.traces.append, luck=lambda: 0.0)

    def once(self, one):
        place = f"{one.route.endpoint}/{one.route.tool.name}"
        self.taken.append(place)
        self.deadlines.append(one.deadline.left())
        outcome = self.outcomes[place].pop(0)
        if outcome is not None:
            raise outcome
        one.watch.copied(10)
        return StoredFile("f", 10, None, "G", one.route.url, one.route.endpoint)

    def take(self, *routes, seconds=30.0, cancel=None):
        return self.attempts.take(WISH, routes, self.once, Deadline(seconds), cancel or Cancel())


def test_the_ways_are_taken_in_their_order():
    scene = Scene({"A/local": [failed(FailureKind.TIMEOUT)], "B/local": [None]})
    assert scene.take(NEAR, FAR).endpoint == "B"
    assert scene.taken == ["A/local", "B/local"]


@pytest.mark.parametrize("kind", [kind for kind in FailureKind if kind not in PASSING])
def test_a_way_whose_failure_lasts_is_taken_once(kind):
    outcomes = {"A/local": [failed(kind, "never")], "B/local": [failed(FailureKind.TIMEOUT)] * 3}
    scene = Scene(outcomes)
    with pytest.raises(CopyFailed, match="never; and by another way: no"):
        scene.take(NEAR, FAR)
    assert scene.taken == ["A/local", "B/local", "B/local", "B/local"]


@pytest.mark.parametrize("kind", [*sorted(PASSING - {None}), None])
def test_a_failure_that_passes_is_tried_as_often_as_is_said(kind):
    scene = Scene({"A/local": [failed(kind)] * 3})
    with pytest.raises(CopyFailed) as caught:
        scene.take(NEAR)
    assert caught.value.kind is kind
    assert len(scene.taken) == 3


@pytest.mark.parametrize("kind", [FailureKind.NO_SUCH_FILE, FailureKind.EXISTS])
def test_what_is_wrong_with_an_address_is_wrong_for_every_tool(kind):
    scene = Scene({"A/local": [failed(kind)], "B/local": [None]})
    assert scene.take(NEAR, SAME, FAR).endpoint == "B"
    assert scene.taken == ["A/local", "B/local"]


@pytest.mark.parametrize("kind", [FailureKind.AUTHENTICATION, FailureKind.PERMISSION, FailureKind.NO_SPACE])
def test_what_one_tool_may_not_do_another_may(kind):
    assert still_open((NEAR, SAME), [(NEAR, failed(kind))]) == [SAME]


def test_of_several_failures_that_of_the_best_way_is_told():
    failures = [(NEAR, failed(None, "first")), (FAR, failed(None, "far")), (NEAR, failed(FailureKind.TIMEOUT, "late"))]
    assert str(summary((NEAR, FAR), failures)) == "late; and by another way: late"
    assert summary((NEAR, FAR), failures).kind is FailureKind.TIMEOUT
    assert str(summary((NEAR, SAME, FAR), [(SAME, failed(None, "x"))])) == "x"


def test_a_storage_that_does_not_answer_is_asked_last_for_the_next_file():
    standing = Standing()
    standing.note(NEAR, failed(FailureKind.TIMEOUT))
    assert standing.sorted((NEAR, SAME, FAR)) == [SAME, FAR, NEAR]
    standing.note(NEAR, None)
    assert standing.sorted((NEAR, FAR)) == [NEAR, FAR]
    standing.note(NEAR, failed(FailureKind.NO_SUCH_FILE))
    assert standing.sorted((NEAR, FAR)) == [NEAR, FAR]


def test_a_copy_may_take_longer_when_there_is_more_to_copy():
    policy = Policy(base_time=400, rate=1e6)
    assert policy.seconds_for(0) == 400
    assert policy.seconds_for(10**9) == 1400
    assert policy.seconds_for(None) == float("inf")


def test_the_waits_grow_and_are_never_the_same_for_all():
    policy = Policy(backoff=2)
    assert [policy.wait_after(tries, 1.0) for tries in (1, 2, 3)] == [2, 4, 8]
    assert [policy.wait_after(tries, 0.0) for tries in (1, 2, 3)] == [1, 2, 4]


def test_each_try_has_its_own_time_and_no_more_than_there_is():
    scene = Scene({"A/local": [failed(None), None]})
    scene.take(NEAR, seconds=100)
    assert all(5 < seconds <= 6 for seconds in scene.deadlines)
    scene = Scene({"A/local": [None]})
    scene.take(NEAR, seconds=2)
    assert scene.deadlines[0] <= 2


def test_each_try_leaves_a_trace():
    scene = Scene({"A/local": [failed(FailureKind.TIMEOUT, "late")], "B/local": [None]})
    scene.take(NEAR, FAR)
    first, second = scene.traces
    assert (first.lfn, first.scope, first.dataset, first.guid) == ("f", "scope", "data/set", "G")
    assert (first.direction, first.tool, first.protocol, first.endpoint) == ("in", "local", "file", "A")
    assert (first.source, first.target, first.activity, first.attempt) == ("file:///a/f", "f", "read_lan", 1)
    assert (first.kind, first.error, first.size, first.well) == ("time-out", "late", 0, False)
    assert (second.endpoint, second.activity, second.size, second.well) == ("B", "read_wan", 10, True)
    assert second.began >= first.began > 1e9
    assert second.copying >= 0 <= second.verifying


def test_a_copy_that_is_given_up_leaves_a_trace_too():
    scene = Scene({"A/local": [CopyCancelled()]})
    with pytest.raises(CopyCancelled):
        scene.take(NEAR)
    assert scene.traces[0].error == "given up"


def test_a_failure_of_no_known_kind_says_so_in_its_trace():
    scene = Scene({"A/local": [failed(None, "x" * 1000)] * 3})
    with pytest.raises(CopyFailed):
        scene.take(NEAR)
    assert [(trace.kind, len(trace.error), trace.attempt) for trace in scene.traces] == [
        ("unknown", 300, n) for n in (1, 2, 3)
    ]
