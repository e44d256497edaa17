"""The agent put together, in this process, with a real dispatcher."""

from __future__ import annotations

import queue
import signal
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from pilot import plugins
from pilot.api.communicator import Communicator
from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.control.agent import Agent, GaveUp, Parts, Sharded
from pilot.control.reports import Facts
from pilot.errors import JobFailed
from pilot.hookspecs import hookimpl
from pilot.job import Phase
from pilot.settings import load
from pilot.site.node import Node
from tests.pilot.dispatcher import QUEUE, serving


@pytest.fixture
def dispatcher(tmp_path):
    with serving(tmp_path / "storage") as found:
        yield found


class Bench:
    def __init__(self, folder: Path, dispatcher):
        self.words = queue.SimpleQueue()
        self.plugins = plugins.load("generic")
        self.own = folder / "compass-pilot-own"
        self.own.mkdir()
        settings = load(
            [
                (
                    "test",
                    {
                        "server": {"url": dispatcher.url, "read_timeout": 5.0},
                        "queue": {"name": QUEUE},
                        "job": {"ask_wait": 0.02},
                        "monitor": {"free_disk_at_start": 0},
                        "stop": {"within": 5, "within_again": 0.2},
                        "log": {"breakages": 0},
                    },
                )
            ]
        ).settings
        self.parts = Parts(
            settings,
            self.plugins,
            Communicator(settings.server),
            Node("node", "CPU", 1.0, 2**30, 1),
            Facts("node"),
            folder,
            self.own,
            {"PATH": "/usr/bin:/bin"},
        )

    def settings(self, **sections):
        """Change some settings."""
        chosen = {name: replace(getattr(self.parts.settings, name), **more) for name, more in sections.items()}
        self.parts = self.parts._replace(settings=replace(self.parts.settings, **chosen))

    def run(self):
        return Agent(self.parts, self.words).run()


@pytest.fixture
def bench(tmp_path, dispatcher):
    return Bench(tmp_path, dispatcher)


class Watching:
    def __init__(self):
        self.seen = []

    @hookimpl
    def job_moved(self, job):
        self.seen.append((job.phase.value, threading.current_thread().name))


def test_an_observer_sees_each_move_of_a_job_in_the_conductors_thread(bench, dispatcher):
    watching = Watching()
    bench.plugins.register(watching)
    dispatcher.jobs = [JobSpec(id=7, attempt=1, transformation="true")]
    assert bench.run().finished == 1
    assert [phase for phase, _ in watching.seen] == [
        "staging-in",
        "running",
        "staging-out",
        "staging-log",
        "reporting",
        "done",
    ]
    assert {thread for _, thread in watching.seen} == {"conductor"}


@pytest.mark.parametrize(("memory", "together"), [(0, 1), (2**31, 2)])
def test_jobs_at_once_share_the_nodes_memory_or_what_the_settings_say(bench, dispatcher, memory, together):
    watching = Watching()
    bench.plugins.register(watching)
    bench.settings(job={"at_once": 2, "cores": 2, "memory": memory, "time_floor": 60.0, "requests": 1})
    asked = {"transformation": "/bin/sleep", "arguments": ("0.3",), "memory": 600 * 2**20}
    dispatcher.jobs = [JobSpec(id=number, attempt=1, **asked) for number in (7, 8)]
    assert bench.run().finished == 2
    running, most = 0, 0
    for phase, _ in watching.seen:
        running += {"running": 1, "staging-out": -1}.get(phase, 0)
        most = max(most, running)
    assert most == together


@pytest.mark.parametrize("error", [RuntimeError("boom"), JobFailed(ErrorCode.GENERAL_ERROR, "boom")])
def test_an_observer_that_breaks_harms_nothing(bench, dispatcher, error):
    class Broken:
        @hookimpl
        def job_moved(self):
            raise error

    bench.plugins.register(Broken())
    dispatcher.jobs = [JobSpec(id=7, attempt=1, transformation="true")]
    ending = bench.run()
    assert (ending.finished, ending.problems, ending.left) == (1, (), ())


def test_no_thread_is_left_when_it_ends(bench):
    ending = bench.run()
    assert [problem.code for problem in ending.problems] == [ErrorCode.NO_JOBS]
    assert ending.left == ()
    assert not {thread.name for thread in threading.enumerate()} & {"conductor", "ask", "report", "log", "recovery"}


def test_a_signal_that_came_before_the_start_counts(bench, dispatcher):
    dispatcher.jobs = [JobSpec(id=7, attempt=1, transformation="/bin/sleep", arguments=("60",))]
    bench.words.put(signal.SIGTERM.value)
    assert bench.run().signal == signal.SIGTERM


def test_a_component_that_gives_up_ends_the_pilot_in_order(bench):
    bench.words.put(GaveUp("monitor"))
    ending = bench.run()
    assert (ending.problems[0].code, ending.problems[0].detail) == (ErrorCode.INTERNAL_ERROR, "monitor kept breaking")


def test_without_a_conductor_there_is_no_order_to_end_in(bench):
    class Deaf:
        @hookimpl
        def job_moved(self):
            """Nothing; the conductor is broken by a word that it does not know."""

    bench.plugins.register(Deaf())
    agent = Agent(bench.parts, bench.words)
    agent._news.put("nonsense")
    ending = agent.run()
    assert ending.problems[0].detail == "conductor kept breaking"
    assert ending.left


def test_what_hangs_is_left_when_the_time_is_over(bench, dispatcher):
    let_go = threading.Event()

    def hang(path, count):
        let_go.wait(20)

    dispatcher.misbehave = hang
    for _ in range(2):
        bench.words.put(signal.SIGTERM.value)
    ending = bench.run()
    let_go.set()
    assert "ask" in ending.left
    assert ending.signal == signal.SIGTERM


def test_a_server_that_is_slow_is_told_the_newest_and_the_end_and_not_all_that_was_between(bench, dispatcher):
    reporting, beats = threading.Event(), threading.Semaphore(0)

    class Ended:
        @hookimpl
        def job_moved(self, job):
            if job.phase is Phase.REPORTING:
                reporting.set()

        @hookimpl
        def payload_progress(self):
            beats.release()

    def slow(path, count):
        if path.endswith("update_job") and count == 0:
            assert reporting.wait(20)

    bench.plugins.register(Ended())
    bench.settings(monitor={"free_disk_at_start": 0, "heartbeat": 0.05})
    dispatcher.misbehave = slow
    dispatcher.jobs = [JobSpec(id=7, attempt=1, transformation="/bin/sleep", arguments=("0.8",))]
    assert bench.run().finished == 1
    assert sum(beats.acquire(blocking=False) for _ in range(100)) > 5
    states = [update["job_status"] for update in dispatcher.updates]
    assert (states[0], states[-1]) == ("starting", "finished")
    assert len(states) <= 3


def test_what_concerns_one_job_stays_in_order():
    inboxes = [queue.Queue(), queue.Queue()]
    sharded = Sharded(inboxes)
    for number in range(6):
        sharded.put(SimpleNamespace(key=(number % 2, 1), number=number))
    told = {}
    for inbox in inboxes:
        while not inbox.empty():
            item = inbox.get()
            told.setdefault(item.key, []).append(item.number)
    assert sorted(told.values()) == [[0, 2, 4], [1, 3, 5]]
