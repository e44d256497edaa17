"""The worker's lane: begins at once, beats, hears, and ends."""

from __future__ import annotations

import queue
import threading

from pilot.control.component import END, Budget
from pilot.control.worker import WorkerLane


class Told:
    """Writes down what it is called for."""

    def __init__(self, beats=True, wants=None):
        self.beats, self.wants = beats, wants
        self.calls = queue.Queue()

    def begin(self):
        self.calls.put("begin")

    def beat(self):
        self.calls.put("beat")
        return self.wants

    def end(self):
        self.calls.put("end")


def run(worker, beat=0.01):
    ended = queue.Queue()
    lane = WorkerLane([worker], Budget(3), beat, ended.put)
    thread = threading.Thread(target=lane.run, daemon=True)
    thread.start()
    return lane, thread, ended


def test_it_begins_beats_and_ends():
    worker = Told()
    lane, thread, _ = run(worker)
    assert [worker.calls.get(timeout=60) for _ in range(4)] == ["begin", "beat", "beat", "beat"]
    lane.inbox.put(END)
    thread.join(60)
    assert not thread.is_alive()
    assert list(worker.calls.queue)[-1] == "end"


def test_a_reason_to_end_is_passed_on():
    worker = Told(wants="enough")
    lane, thread, ended = run(worker)
    assert ended.get(timeout=60) == "enough"
    lane.inbox.put(END)
    thread.join(60)


def test_who_only_begins_and_ends_is_not_called_in_between():
    worker = Told(beats=False)
    lane, thread, _ = run(worker, beat=0.001)
    thread.join(0.05)
    lane.inbox.put(END)
    thread.join(60)
    assert list(worker.calls.queue) == ["begin", "beat", "end"]


def test_a_worker_that_breaks_does_not_keep_the_lane_from_ending():
    worker = Told(beats=False)
    worker.begin = lambda: 1 / 0
    lane, thread, _ = run(worker)
    lane.inbox.put(END)
    thread.join(60)
    assert not thread.is_alive()
