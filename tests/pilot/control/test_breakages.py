"""What breaks: any hook of a plugin, anything that a lane is given. A real agent in this process, a real dispatcher."""

from __future__ import annotations

import inspect

import pytest

from pilot import hookspecs
from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.control.agent import Agent
from pilot.hookspecs import hookimpl
from tests.pilot.control.test_agent import bench, dispatcher

__all__ = ["bench", "dispatcher"]

HOOKS = {
    name
    for name, found in vars(hookspecs).items()
    if inspect.isfunction(found) and found.__module__ == hookspecs.__name__
}
#: Asked at the start, before there is any job: the pilot does not begin.
AT_START = {"register_copytools"}
#: They only look on: what they raise is written to the log, and a job that runs well runs on.
LOOK_ON = {"job_moved", "payload_progress", "quiet_files", "monitor_checks", "realtime_logging"}
#: Asked by a pilot that gathers jobs for an allocation, and by no other.
FOR_ALLOCATIONS = {"hpc_resource", "node_services"}


THREADS = ("ask", "report", "stage-in", "payload", "stage-out", "log", "stop", "monitor", "checks")


@pytest.fixture(autouse=True)
def storage(tmp_path):
    (tmp_path / "storage").mkdir()


def broken(hook):
    def raising(self):
        raise RuntimeError("boom")

    return type("Broken", (), {hook: hookimpl(raising)})()


def spec():
    return JobSpec(
        id=7,
        attempt=1,
        transformation="/bin/sleep",
        arguments=("0.3",),
        log=FileSpec("job.log.tgz", Role.LOG, dataset="ds"),
    )


@pytest.mark.parametrize("hook", sorted(HOOKS - AT_START - LOOK_ON - FOR_ALLOCATIONS))
def test_a_plugin_that_breaks_in_a_hook_fails_its_job_and_both_are_named(bench, dispatcher, hook):
    bench.plugins.register(broken(hook), name="mine")
    dispatcher.jobs = [spec()]
    ending = bench.run()
    assert [problem.code for problem in ending.problems] == [ErrorCode.PLUGIN_FAILED]
    (final,) = dispatcher.finals()
    assert (final["job_status"], final["pilot_error_code"]) == ("failed", ErrorCode.PLUGIN_FAILED)
    assert f"plugin 'mine' broke in {hook}: RuntimeError: boom" in final["pilot_error_diag"]
    assert ending.left == ()


@pytest.mark.parametrize("hook", sorted(LOOK_ON))
def test_a_plugin_that_breaks_while_it_looks_on_harms_no_job(bench, dispatcher, hook):
    bench.settings(monitor={"free_disk_at_start": 0, "heartbeat": 0.1, "checks": 0.1})
    bench.plugins.register(broken(hook), name="mine")
    dispatcher.jobs = [spec()]
    ending = bench.run()
    assert ending.problems == ()
    assert ending.finished == 1


@pytest.mark.parametrize("hook", sorted(AT_START))
def test_a_plugin_that_breaks_at_the_start_is_named(bench, hook):
    bench.plugins.register(broken(hook), name="mine")
    with pytest.raises(Exception, match=f"plugin 'mine' broke in {hook}: RuntimeError: boom"):
        bench.run()


def test_every_thread_goes_on_after_something_that_it_cannot_handle(bench, dispatcher):
    bench.settings(log={"breakages": 3})
    dispatcher.jobs = [spec()]
    agent = Agent(bench.parts, bench.words)
    names = {component.name for component in agent._components}
    assert {
        "ask",
        "report",
        "stage-in",
        "payload",
        "stage-out",
        "log",
        "stop",
        "monitor",
        "checks",
        "recovery",
    } <= names
    for component in (agent._conductor, *agent._components):
        if component.name != "recovery":  # whatever it is given, it settles
            component.inbox.put("nonsense")
    ending = agent.run()
    assert ending.problems == ()
    assert (ending.finished, ending.left) == (1, ())


@pytest.mark.parametrize(
    "name", ["ask", "report", "stage-in", "payload", "stage-out", "log", "stop", "monitor", "checks"]
)
def test_a_thread_that_breaks_beyond_its_budget_ends_the_pilot_in_order(bench, dispatcher, name):
    bench.settings(log={"breakages": 1}, job={"ask_wait": 60.0})  # it has not ended for want of work before
    agent = Agent(bench.parts, bench.words)
    component = next(found for found in agent._components if found.name == name)
    for _ in range(2):
        component.inbox.put("nonsense")
    ending = agent.run()
    assert (ending.problems[0].code, ending.problems[0].detail) == (ErrorCode.INTERNAL_ERROR, f"{name} kept breaking")
    assert ending.left == ()
