from __future__ import annotations

import queue

import pytest

from pilot.contract.codes import ErrorCode
from pilot.control.checks import disk
from pilot.control.component import Budget
from pilot.control.lifecycle import Event
from pilot.control.monitor import MonitorControl
from pilot.control.news import Look, Matter, Progress
from pilot.errors import JobFailed
from pilot.hookspecs import hookimpl
from pilot.job import Job, Phase


def look(bench, matter, free_disk=0):
    spec = bench.spec()
    bench.make(spec)
    monitor = MonitorControl(queue.Queue(), Budget(1), bench.told.append, bench.plugins, bench.base, free_disk)
    item = Look(Job(spec, phase=Phase.RUNNING), matter, bench.site)
    monitor.handle(item)
    return monitor, item


@pytest.mark.parametrize(("answer", "told"), [((5, 10), (5, 10)), ((5, None), (5, None)), (None, (None, None))])
def test_a_plugin_says_how_far_a_payload_is(bench, answer, told):
    class Watching:
        @hookimpl
        def payload_progress(self, stdout):
            assert stdout.name == "payload.stdout"
            return answer

    bench.plugins.register(Watching())
    look(bench, Matter.HEARTBEAT)
    assert bench.told == [Progress((7, 1), *told)]


@pytest.mark.parametrize("error", [RuntimeError("boom"), JobFailed(ErrorCode.GENERAL_ERROR, "boom")])
def test_a_plugin_that_breaks_does_not_keep_a_heartbeat_back(bench, error):
    class Broken:
        @hookimpl
        def payload_progress(self):
            raise error

    bench.plugins.register(Broken())
    look(bench, Matter.HEARTBEAT)
    assert bench.told == [Progress((7, 1))]


def test_a_fault_of_the_monitor_does_not_keep_a_heartbeat_back(bench):
    monitor, item = look(bench, Matter.CHECK)
    monitor.broke(item._replace(matter=Matter.HEARTBEAT), RuntimeError())
    monitor.broke(item, RuntimeError())
    assert bench.told == [Progress((7, 1))]


def test_a_full_disk_ends_the_job(bench):
    look(bench, Matter.CHECK, free_disk=10**18)
    (order,) = bench.told
    assert (order.key, order.event, order.problem.code) == ((7, 1), Event.CHECK, ErrorCode.NO_LOCAL_SPACE)


def test_a_disk_with_room_is_no_matter(bench, tmp_path):
    look(bench, Matter.CHECK)
    assert bench.told == []
    assert disk.check(tmp_path, 1) is None
