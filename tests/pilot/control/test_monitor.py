from __future__ import annotations

import queue

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, Role
from pilot.control.component import Budget
from pilot.control.monitor import CheckLane, Looks, MonitorControl
from pilot.control.news import Look, Matter, Progress, Shown
from pilot.errors import JobFailed
from pilot.hookspecs import hookimpl
from pilot.job import Job, Phase
from pilot.runtime import workdir


def look(bench, matter=Matter.HEARTBEAT, phase=Phase.RUNNING, argv=(), inputs=()):
    spec = bench.spec(inputs=tuple(FileSpec(name, Role.INPUT) for name in inputs))
    if not workdir.of(bench.base, spec).root.exists():
        bench.make(spec)
    monitor = MonitorControl(queue.Queue(), Budget(1), bench.told.append, bench.plugins, bench.base)
    item = Look(Job(spec, phase=phase), matter, bench.site, argv)
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
    look(bench)
    assert bench.told == [Progress((7, 1), *told)]


@pytest.mark.parametrize(
    "told", [5, (5,), (5, 10, 15), ("5", 10), (5.0, 10), (-1, 10), (5, -1), (True, 1), (10**18, None)]
)
def test_what_are_no_numbers_of_events_is_left_out_of_a_heartbeat_and_ends_nothing(bench, caplog, told):
    class Strange:
        @hookimpl
        def payload_progress(self):
            return told

    bench.plugins.register(Strange())
    look(bench)
    assert bench.told == [Progress((7, 1))]
    assert f"payload_progress told {told!r}" in caplog.text


@pytest.mark.parametrize("error", [RuntimeError("boom"), JobFailed(ErrorCode.GENERAL_ERROR, "boom")])
def test_a_plugin_that_breaks_does_not_keep_a_heartbeat_back(bench, error):
    class Broken:
        @hookimpl
        def payload_progress(self):
            raise error

    bench.plugins.register(Broken())
    look(bench)
    assert bench.told == [Progress((7, 1))]


def test_a_heartbeat_brings_the_last_lines_of_the_output(bench):
    place = workdir.Workdir(bench.make(bench.spec()))
    place.stdout.write_text("".join(f"event {number}\n" for number in range(1000)))
    look(bench)
    assert bench.told[0].lines.splitlines() == [f"event {number}" for number in range(980, 1000)]


def test_a_heartbeat_during_stage_in_says_how_much_has_arrived(bench):
    root = bench.make(bench.spec())
    (root / "a").write_bytes(b"x" * 5)
    (root / "b.part").write_bytes(b"x" * 3)
    look(bench, phase=Phase.STAGING_IN, inputs=("a", "b", "c"))
    assert bench.told == [Progress((7, 1), fetched=(1, 8))]


def test_a_debug_command_is_answered(bench):
    (bench.make(bench.spec()) / "payload.stdout").write_text("here\n")
    look(bench, Matter.SHOW, argv=("tail", "payload.stdout"))
    assert bench.told == [Shown((7, 1), "here", ("tail", "payload.stdout"))]


def test_a_fault_of_the_monitor_keeps_neither_a_heartbeat_nor_an_answer_back(bench):
    monitor, item = look(bench)
    monitor.broke(item, RuntimeError("boom"))
    monitor.broke(item._replace(matter=Matter.SHOW, argv=("ls", "-l")), RuntimeError("boom"))
    assert bench.told[1:] == [Progress((7, 1)), Shown((7, 1), "ls: RuntimeError: boom", ("ls", "-l"))]


def test_a_look_goes_to_the_lane_that_it_is_for(bench):
    checks, others = queue.Queue(), queue.Queue()
    looks = Looks(checks, others)
    for matter in (Matter.CHECK, Matter.HEARTBEAT, Matter.SHOW):
        looks.put(Look(Job(bench.spec()), matter, bench.site))
    assert [checks.get_nowait().matter] == [Matter.CHECK]
    assert [others.get_nowait().matter for _ in range(2)] == [Matter.HEARTBEAT, Matter.SHOW]


def test_what_checks_need_is_made_when_the_first_is_due_and_once(bench):
    made, looked = [], []

    class Checking:
        def __init__(self):
            made.append(self)

        def look(self, item):
            looked.append(item)

    lane = CheckLane(queue.Queue(), Budget(1), Checking)
    assert made == []
    item = Look(Job(bench.spec()), Matter.CHECK, bench.site)
    lane.handle(item)
    lane.handle(item)
    assert (len(made), looked) == (1, [item, item])
