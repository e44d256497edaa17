"""Checks in a whole pilot: a process that watches real payloads, and what its reports and logs say of them."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job_wire import to_panda
from pilot.contract.routes import RESOURCE_TYPES_V1
from tests.pilot.dispatcher import serving
from tests.pilot.site.certificates import make
from tests.pilot.test_end_to_end import ACQUIRE, Stage, job, log_member, shell

pytestmark = pytest.mark.one_python

OFTEN = {
    **{"monitor__checks": 0.2, "monitor__heartbeat": 0.3},
    **dict.fromkeys(("monitor__looping_every", "monitor__memory_every"), 0.2),
}
MB = 2**20


@pytest.fixture
def watched(tmp_path):
    with serving(tmp_path / "storage") as dispatcher:
        made = Stage(tmp_path, dispatcher)
        yield made
        made.close()


def python(text, **more):
    return job(sys.executable, "-I", "-S", "-c", text, **more)


def test_a_payload_that_takes_too_much_memory_is_ended_with_its_figures_in_report_and_log(watched):
    text = f"import os, time; held = bytearray(os.urandom(60 * {MB})); time.sleep(60)"
    watched.dispatcher.jobs = [python(text, memory=10 * MB)]
    watched.run(**OFTEN, limits__memory="none")  # the kernel would be faster
    final = watched.final()
    assert final["pilot_error_code"] == ErrorCode.PAYLOAD_EXCEEDED_MEMORY
    assert "the job's limit and its grace" in final["pilot_error_diag"]
    assert final["max_pss"] > 20 * 1024
    assert final["max_rss"] >= final["avg_rss"] > 0
    summary = json.loads(log_member(watched, "memory_monitor_summary.json"))
    assert summary["Max"]["pss"] == final["max_pss"]
    assert log_member(watched, "memory_monitor_output.txt").startswith("Time\twtime\t")


def test_a_resource_type_limits_memory_and_the_server_is_asked_for_it_once(watched):
    types = [{"resource_name": "SCORE", "maxrampercore": 10}]
    answer = json.dumps({"success": True, "message": "", "data": types}).encode()
    watched.dispatcher.misbehave = lambda path, count: (200, answer) if path == RESOURCE_TYPES_V1 else None
    watched.dispatcher.queue["maxrss"] = 4000
    text = f"import os, time; held = bytearray(os.urandom(60 * {MB})); time.sleep(60)"
    watched.dispatcher.jobs = [python("pass"), python(text, id=8, memory=2000 * MB, resource_type="SCORE")]
    watched.run(**OFTEN, limits__memory="none", job__time_floor=60.0)
    final = watched.dispatcher.finals()[-1]
    assert (final["job_id"], final["pilot_error_code"]) == (8, ErrorCode.PAYLOAD_EXCEEDED_MEMORY)
    assert "its resource type's limit" in final["pilot_error_diag"]
    assert watched.dispatcher.counts[RESOURCE_TYPES_V1] == 1


def test_a_good_payload_is_measured_in_each_report_and_finishes(watched):
    text = "import time; open('out.txt', 'w').write('x' * 10**6); time.sleep(1.5)"
    watched.dispatcher.jobs = [python(text, outputs=["out.txt"])]
    assert watched.run(**OFTEN)[0] == 0
    final = watched.final()
    assert RESOURCE_TYPES_V1 not in watched.dispatcher.counts  # the job has no resource type
    assert final["job_status"] == "finished"
    assert final["max_pss"] > 1000
    assert final["tot_wchar"] >= 10**6
    said = dict(pair.split("=") for pair in final["job_metrics"].split())
    assert int(said["workDirSize"]) >= 10**6
    assert int(said["nProcesses"]) == 1
    assert final["cpu_consumption_unit"].startswith("s+")
    assert final["n_input_files"] == 0
    beats = [update for update in watched.dispatcher.updates if update["job_status"] == "running"]
    assert beats[-1]["avg_pss"] > 0


def test_memory_that_grows_is_told_in_the_reports_metrics(watched):
    text = "import os, time\nheld = []\nfor _ in range(400): held.append(os.urandom(2**20)); time.sleep(0.05)"
    watched.dispatcher.jobs = [python(text)]
    pilot = watched.start(**{**OFTEN, "monitor__checks": 0.1, "monitor__memory_every": 0.1})
    metrics = [""]

    def told():
        metrics[0] = watched.dispatcher.updates[-1].get("job_metrics", "") if watched.dispatcher.updates else ""
        return "leak=" in metrics[0]

    watched.dispatcher.wait_for(told)
    watched.dispatcher.commands[7] = "tobekilled"
    assert pilot.wait(30) == 91
    said = dict(pair.split("=") for pair in metrics[0].split())
    assert 100 < float(said["leak"]) < 40_000  # kB per second; 20 MB in each on a machine that does nothing else
    assert float(said["chi2"]) >= 0
    assert float(said["intersect"]) < 60_000


def test_a_payload_that_hangs_is_ended_and_the_log_says_where_it_did(watched):
    watched.dispatcher.jobs = [shell("echo begun; sleep 60")]
    watched.run(**OFTEN, monitor__looping=0.5)
    final = watched.final()
    assert final["pilot_error_code"] == ErrorCode.PAYLOAD_LOOPING
    log = log_member(watched, "pilotlog.txt")
    assert "cmdline: sleep 60" in log
    assert "wchan: " in log


def test_time_in_which_the_pilot_was_stopped_makes_no_payload_looping_and_loses_no_job(watched):
    """As when a batch system freezes a slot; more than two seconds, because the payload must be silent for longer."""
    watched.dispatcher.jobs = [shell("echo begun; sleep 3.5")]
    pilot = watched.start(**OFTEN, monitor__looping=2.5, monitor__standstill=1, server__lost_after=2)
    watched.dispatcher.wait_for(lambda: any("max_pss" in one for one in watched.dispatcher.updates))
    pilot.send_signal(signal.SIGSTOP)
    time.sleep(2.2)
    pilot.send_signal(signal.SIGCONT)
    pilot.communicate(timeout=30)
    assert watched.final()["job_status"] == "finished"
    assert "standstill: the pilot was stopped for 2 s" in log_member(watched, "pilotlog.txt")


def test_a_slot_that_ends_soon_gets_no_job(watched):
    (watched.folder / "shutdowntime").write_text(str(time.time() + 60))
    watched.environment["MACHINEFEATURES"] = str(watched.folder)
    watched.dispatcher.jobs = [job()]
    status, said = watched.run()
    assert status != 0
    assert "REACHED_MAX_TIME" in said
    assert ACQUIRE not in watched.dispatcher.counts


@pytest.mark.programs("openssl")
def test_a_proxy_that_lives_too_short_gets_no_job_and_its_own_exit_status(watched):
    proxy = make(watched.folder, 2)
    watched.dispatcher.jobs = [job()]
    status, said = watched.run(server__certificate=proxy, credentials__at_start=864000)
    assert (status, ACQUIRE in watched.dispatcher.counts) == (80, False)
    assert "PROXY_TOO_SHORT" in said


def test_a_slot_that_is_taken_back_ends_its_job_with_time_to_store_the_log(watched):
    watched.environment["MACHINEFEATURES"] = str(watched.folder)
    watched.dispatcher.jobs = [shell("sleep 60")]
    pilot = watched.start(**OFTEN, monitor__slot_every=0.2)
    watched.dispatcher.wait_for(lambda: any(one["job_status"] == "running" for one in watched.dispatcher.updates))
    (watched.folder / "shutdowntime").write_text(str(time.time() + 60))
    pilot.communicate(timeout=30)
    assert watched.final()["pilot_error_code"] == ErrorCode.REACHED_MAX_TIME
    assert "takes the slot back" in watched.final()["pilot_error_diag"]
    assert log_member(watched, "pilotlog.txt")


def test_peer_defect_25_heartbeats_and_fast_looks_are_on(watched):
    """PanDA's pilot has switched both off in its code, whatever its configuration says."""
    watched.dispatcher.jobs = [shell("sleep 60")]
    pilot = watched.start(**OFTEN)
    watched.dispatcher.wait_for(lambda: sum("max_pss" in one for one in watched.dispatcher.updates) >= 2)
    assert {one["job_status"] for one in watched.dispatcher.updates[1:]} == {"running"}
    pilot.terminate()
    pilot.communicate(timeout=30)


def test_peer_defect_30_a_request_number_that_is_a_number_warns_of_nothing(watched):
    """PanDA's pilot expects a list, and logs a failed conversion for every job."""
    watched.dispatcher.raw_jobs = [{**to_panda(job()), "reqID": 12345}]
    assert watched.run()[0] == 0
    assert "WARNING" not in log_member(watched, "pilotlog.txt")


def test_peer_defect_27_a_pilot_that_watches_a_payload_waits_and_does_not_poll(watched):
    """PanDA's pilot wakes every half second to look at its queues."""
    text = "import os, time; time.sleep(2.5); print(open(f'/proc/{os.getppid()}/stat').read())"
    watched.dispatcher.jobs = [python(text)]
    pilot = watched.start(monitor__checks=60)
    watched.dispatcher.wait_for(lambda: any(one["job_status"] == "running" for one in watched.dispatcher.updates))
    time.sleep(0.5)  # until what the report has set going has come to rest
    before = wakes(pilot.pid)
    time.sleep(1.5)
    assert wakes(pilot.pid) == before
    assert pilot.wait(30) == 0


def wakes(pid):
    """How often the threads of a process have been waked so far."""
    counts = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        counts += int(lines["voluntary_ctxt_switches"])
    return counts
