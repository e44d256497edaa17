"""Tests of the lane that sends traces: nothing waits for it, and nothing fails because of it."""

from __future__ import annotations

import threading
from types import SimpleNamespace

from pilot.api.traces import NotTaken
from pilot.contract.job import JobSpec
from pilot.contract.queue import QueueData
from pilot.control.component import END
from pilot.control.side_lanes import tracer
from pilot.control.tracing import MOST_WAITING, TraceLane, Tracing
from pilot.copytool.trace import Trace
from pilot.settings.everything import Settings
from pilot.settings.rucio import Rucio

SPEC, QUEUE = JobSpec(id=7, attempt=1, transformation="true"), QueueData("Q")
WHERE = Settings(rucio=Rucio(traces="http://127.0.0.1:1/traces/"))


class Sent:
    """A lane, what was sent, and the time; ``wrong`` is raised instead."""

    def __init__(self, pause=60.0):
        self.heard, self.wrong, self.now = [], None, 0.0
        self.lane = TraceLane(self.send, pause, lambda: self.now)

    def send(self, trace):
        if self.wrong is not None:
            raise self.wrong
        self.heard.append(trace["filename"])

    def run(self, *names):
        for name in names:
            self.lane.offer({"filename": name})
        self.lane.inbox.put(END)
        assert self.lane.run()
        return self.heard


def test_traces_are_sent_in_their_order_to_the_last_one():
    assert Sent().run("a", "b", "c") == ["a", "b", "c"]


def test_after_one_that_is_not_taken_rucio_is_left_alone_for_a_while(caplog):
    sent = Sent()
    sent.wrong = NotTaken("HTTP 500")
    assert sent.run("a", "b") == []
    assert caplog.text.count("Rucio took no trace, and gets none for 60 s: HTTP 500") == 1
    sent.wrong, sent.now = None, 59.0
    assert sent.run("c") == []
    sent.now = 60.0
    assert sent.run("d") == ["d"]


def test_of_too_many_traces_the_new_ones_are_let_go():
    sent = Sent()
    for number in range(MOST_WAITING + 5):
        sent.lane.offer({"filename": number})
    assert sent.lane.inbox.qsize() == MOST_WAITING
    assert sent.run() == list(range(MOST_WAITING))


def test_the_lane_begins_with_the_first_try_however_many_come_at_once():
    added = []
    tracing = Tracing(WHERE, added.append, str)
    assert added == []
    threads = [threading.Thread(target=tracing, args=(SPEC, QUEUE, Trace(f"f{n}", "in"))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (lane,) = added
    assert sorted(lane.inbox.get()["filename"] for _ in range(8)) == [f"f{n}" for n in range(8)]


def test_secrets_are_masked_in_what_went_wrong():
    added = []
    Tracing(WHERE, added.append, lambda words: words.replace("secret", "***"))(
        SPEC, QUEUE, Trace("f", "in", error="it said secret")
    )
    assert added[0].inbox.get()["stateReason"] == "it said ***"


def test_traces_are_sent_when_it_is_said_whereto_and_not_forbidden():
    def made(**rucio):
        parts = SimpleNamespace(settings=Settings(rucio=Rucio(**rucio)) if rucio else Settings(), secrets=tuple)
        return isinstance(tracer(parts, [].append), Tracing)

    assert made(traces="https://rucio/traces/")
    assert not made(traces="https://rucio/traces/", send_traces=False)
    assert not made(send_traces=True)
    assert not made()
