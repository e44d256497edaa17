"""A task goes on to its end whatever is killed; the rows and files are audited when it is over."""

from __future__ import annotations

import json
import os
import random
import signal

import psutil
import pytest

from client.local.processes import Identity
from tests.whole.audit import complaints
from tests.whole.local_system import PATIENCE, ticks

pytestmark = pytest.mark.one_python

RUNNING = "SELECT COUNT(*) FROM taskbuffer_live WHERE state = 'running'"
LOST = "SELECT COUNT(*) FROM taskbuffer_attempt WHERE dispatcher_error <> 0"

#: Looks in a row that must agree.
SETTLED = 10


def kill(process: psutil.Process) -> None:
    found = Identity.of(process.pid)
    process.kill()
    assert found.gone(10)


def kill_all_pilots(system) -> int:
    """Kill the pilots while at least one runs a job; answer how many jobs were left without one."""
    for _ in ticks(PATIENCE):
        pilots = system.pilots() if system.rows.count(RUNNING) else []
        for pilot in pilots:
            kill(pilot)
        if pilots and (left := settled(system)):
            return left
    raise AssertionError(f"no pilot was caught with a job\n{system.said()}")


def settled(system) -> int:
    """Count the running jobs when the server has done with what dead pilots had sent it before they died."""
    left, since = system.rows.count(RUNNING), 0
    for _ in ticks(PATIENCE):
        now = system.rows.count(RUNNING)
        left, since = now, since + 1 if now == left else 0
        if since == SETTLED:
            break
    return left


def end_of(demo, system):
    """Wait for the demo's end; answer its summary, after everything else was looked at."""
    out, said = demo.communicate(timeout=PATIENCE * 2)
    assert demo.returncode == 0, f"{out}\n{said}\n{system.said()}"
    assert complaints(system.rows) == [], f"{out}\n{said}\n{system.said()}"
    assert system.commands() == []
    return json.loads(out)


def test_a_task_is_done_once_although_server_services_pilots_and_supervisor_are_killed(local_system):
    system = local_system().with_tables()
    demo = system.start(*system.demo_words())
    system.wait_for(lambda: system.rows.count(RUNNING), "a job runs")
    kill(system.part("server"))
    system.wait_for(lambda: system.rows.jobs("finished"), "a job is finished")
    kill(system.part("services"))
    lost = kill_all_pilots(system)
    kill(system.supervisor())
    status, out, said = system.up()
    assert status == 0, out + said
    summary = end_of(demo, system)
    assert summary["verdict"] == "yes"
    assert summary["events"]["generated"] == 40
    assert system.rows.count(LOST) >= lost


@pytest.mark.campaign
def test_jobs_that_run_while_the_supervisor_dies_are_not_lost(local_system):
    system = local_system().with_tables()
    demo = system.start(*system.demo_words(events=3000))
    system.wait_for(lambda: system.rows.count(RUNNING), "a job runs")
    kill(system.supervisor())
    kill(system.part("server"))
    kill(system.part("services"))
    status, out, said = system.up()
    assert status == 0, out + said
    assert end_of(demo, system)["verdict"] == "yes"
    assert system.rows.count("SELECT MAX(attempt) FROM taskbuffer_job") == 1


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(3))
def test_a_task_is_done_once_although_something_is_killed_every_second(local_system, seed):
    system, luck = local_system().with_tables(), random.Random(seed)
    demo = system.start(*system.demo_words(chunks=4))
    system.wait_for(lambda: system.rows.count(RUNNING), "a job runs")
    for _ in ticks(40, pause=1.5):
        victims = [process for process in system.processes() if process.pid != demo.pid and not _is_supervisor(process)]
        if not victims or demo.poll() is not None:
            break
        luck.choice(victims).kill()
    assert end_of(demo, system)["verdict"] == "yes"


def _is_supervisor(process: psutil.Process) -> bool:
    try:
        return "client.local.supervisor" in process.cmdline()
    except psutil.NoSuchProcess:
        return True


def interrupted(system, demo, number=signal.SIGINT):
    """Send a signal as the terminal does, to all of the foreground; nothing may be left, and it works again."""
    os.killpg(demo.pid, number)
    _, said = demo.communicate(timeout=PATIENCE * 2)
    assert demo.returncode == 130, said
    assert "Traceback" not in said
    assert system.commands() == []
    assert not (system.home / "run" / "system.json").exists()


STAGES = {
    "bringing up": lambda system: (system.home / "run").is_dir(),
    "server starting": lambda system: (system.home / "run" / "system.json").exists(),
    "generating": lambda system: system.rows.count(RUNNING),
    "merging": lambda system: system.rows.count("SELECT COUNT(*) FROM production_mergegroup WHERE job_id > 0"),
    "plotting": lambda system: any("plot" in words for words in system.commands()),
}


LATE = ("server starting", "merging", "plotting")


@pytest.mark.parametrize(
    "stage", [pytest.param(stage, marks=pytest.mark.campaign if stage in LATE else ()) for stage in STAGES]
)
def test_ctrl_c_ends_everything_and_a_second_demo_can_begin(local_system, stage):
    system = local_system()
    if stage != "bringing up":
        system.with_tables()
    demo = system.start(*system.demo_words())
    system.wait_for(lambda: STAGES[stage](system), f"the demo is {stage}")
    interrupted(system, demo)
    again = system.start(*system.demo_words())
    system.wait_for((system.home / "run" / "system.json").exists, "it begins again")
    interrupted(system, again, signal.SIGTERM)


def test_what_a_killed_demo_and_a_killed_supervisor_leave_is_ended_by_down(local_system):
    system = local_system().with_tables()
    demo = system.start(*system.demo_words())
    system.wait_for(lambda: system.rows.count(RUNNING), "a job runs")
    demo.kill()
    demo.communicate()
    kill(system.supervisor())
    assert any("services" in words for words in system.commands())
    status, out, said = system.call("down", "--json")
    assert (status, json.loads(out)) == (0, {"was_up": True}), said
    assert system.commands() == []
    assert system.call("down", "--json")[1] == '{\n  "was_up": false\n}\n'
