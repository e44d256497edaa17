"""The broker's lane: messages become news, and whatever happens to the broker happens to the broker alone."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time

import pytest

from pilot.broker.place import Place
from pilot.contract.job import JobSpec
from pilot.control.broker import BrokerLane
from pilot.control.component import END, Budget
from pilot.control.lifecycle import Event
from pilot.control.news import Called, Listening, TaskOrder
from pilot.settings.broker import Broker
from pilot.site.login import Login
from tests.services.rabbitmq import PASSWORD, USER

TOPIC = "/topic/panda.pilot"


class Relay:
    """Between lane and broker: can take the connection away, and refuse new ones."""

    def __init__(self, port: int, there: bool) -> None:
        self._port, self._held = port, []
        self.there, self.tries, self.fourth = there, 0, threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                self.tries += 1
                if self.tries == 4:
                    self.fourth.set()
                if not self.there:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self._port))
                self._held += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while content := one.recv(4096):
                other.sendall(content)
        for each in (one, other):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        held, self._held = self._held, []
        for each in held:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.cut()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


class Bench:
    def __init__(self, port: int, there: bool = True, **settings) -> None:
        self.news: queue.Queue = queue.Queue()
        self.relay = Relay(port, there)
        chosen = Broker(pause=0.05, **settings)
        place = Place("localhost", self.relay.port, False, TOPIC, "/", Login(USER, PASSWORD), "", "", 5.0, chosen.beat)
        self.lane = BrokerLane(Budget(3), chosen, place, self.news.put, luck=lambda: 0.5)
        self.thread = threading.Thread(target=self.lane.run, daemon=True)
        self.thread.start()

    def next(self):
        return self.news.get(timeout=20)

    def end(self) -> None:
        self.lane.inbox.put(END)
        self.thread.join(10)
        assert not self.thread.is_alive()
        self.relay.close()


@pytest.fixture
def bench(rabbitmq):
    made = Bench(rabbitmq.plain)
    yield made
    made.end()


def test_messages_become_news_and_strange_ones_are_told_once(bench, rabbitmq, caplog):
    assert bench.next() == Listening(True)
    for body in (b"?", b"?", b'{"msg_type": "get_job"}', b'{"msg_type": "kill_task", "taskid": 3}'):
        rabbitmq.send(TOPIC, body)
    rabbitmq.send(TOPIC, b'{"msg_type": "finish_task", "taskid": 3, "jobid": 7}')
    assert bench.next() == Called()
    kill, finish = bench.next(), bench.next()
    assert (kill.task_id, kill.job_id, kill.event) == (3, None, Event.KILL)
    assert (finish.task_id, finish.job_id, finish.event) == (3, 7, Event.SOFT_KILL)
    assert "kill_task" in kill.problem.detail
    told = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert told == ["a message is passed over: it is not JSON"]


def test_an_order_for_a_task_concerns_its_jobs_or_the_one_that_is_named():
    specs = [
        JobSpec(id=number, attempt=1, transformation="x", task_id=task) for number, task in ((7, 3), (8, 3), (9, 4))
    ]
    of_task = TaskOrder(3, None, Event.KILL, None)
    assert [spec.id for spec in specs if of_task.concerns(spec)] == [7, 8]
    assert [spec.id for spec in specs if of_task._replace(job_id=8).concerns(spec)] == [8]
    assert not of_task.concerns(JobSpec(id=1, attempt=1, transformation="x"))


def test_a_lost_connection_is_told_and_made_anew(bench, rabbitmq, caplog):
    assert bench.next() == Listening(True)
    bench.relay.cut()
    assert bench.next() == Listening(False)
    assert bench.next() == Listening(True)
    rabbitmq.send(TOPIC, b'{"msg_type": "get_job"}')
    assert bench.next() == Called()
    assert "the pilot works on without it" in caplog.text


def test_a_broker_that_is_away_is_tried_again_and_again_with_growing_pauses(rabbitmq, caplog):
    began = time.monotonic()
    bench = Bench(rabbitmq.plain, there=False)
    assert bench.relay.fourth.wait(20)
    assert time.monotonic() - began >= 0.05 + 0.1 + 0.2
    bench.relay.there = True
    assert bench.next() == Listening(True)  # and that nobody listens was not told before
    warnings = [record for record in caplog.records if "works on without it" in record.message]
    assert len(warnings) == 1
    bench.end()


def test_the_lane_ends_at_once_while_a_connection_is_being_made():
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it takes connections, and says nothing
        bench = Bench(silent.getsockname()[1])
        threading.Event().wait(0.1)
        began = time.monotonic()
        bench.end()
        assert time.monotonic() - began < 2


def test_an_idle_lane_uses_no_processor(bench):
    assert bench.next() == Listening(True)
    before = time.process_time()
    threading.Event().wait(0.5)
    assert time.process_time() - before < 0.1


def test_signs_of_life_keep_a_connection(rabbitmq):
    bench = Bench(rabbitmq.plain, beat=1.0)
    assert bench.next() == Listening(True)
    with pytest.raises(queue.Empty):  # RabbitMQ ends connections without a sign of life for 2 s
        bench.news.get(timeout=3.5)
    bench.end()
