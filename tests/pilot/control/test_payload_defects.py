"""Defects seen in PanDA's pilot 3 that this one must not have, as far as payloads go; numbers as in our notes on it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pilot.contract.codes import ErrorCode
from pilot.control.lifecycle import Effect, Event
from pilot.job import PayloadCommand
from pilot.runtime import process
from pilot.runtime.limits import LimitedBy, Limits

MB = 2**20


def alive(pid):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    return False


def running(bench, spec, **more):
    """Start a payload in a thread, and wait until it says that it is up."""
    place = bench.make(spec)
    control = bench.payload(**more)
    thread = threading.Thread(target=control.run, args=(bench.work(Effect.RUN_PAYLOAD, spec, step=2),))
    thread.start()
    end = time.monotonic() + 10
    while not (place / "up").exists():
        assert thread.is_alive()
        assert time.monotonic() < end
        time.sleep(0.01)
    return place, control, thread


def test_peer_defect_1_a_failed_payload_is_told_at_once(bench):
    """There: 115 s of waiting after each failed job."""
    spec = bench.spec("/bin/sh", "-c", "exit 7")
    bench.make(spec)
    begun = time.monotonic()
    bench.payload().run(bench.work(Effect.RUN_PAYLOAD, spec))
    assert bench.told[0].problem.code is ErrorCode.PAYLOAD_FAILED
    assert time.monotonic() - begun < 30


def test_peer_defect_2_a_cgroup_keeps_nobody_waiting(bench):
    """There: a thread for cgroups that sleeps for 60 s, also where none are used."""
    spec = bench.spec("true", memory=64 * MB)
    bench.make(spec)
    before = threading.active_count()
    begun = time.monotonic()
    bench.payload().run(bench.work(Effect.RUN_PAYLOAD, spec))
    assert bench.told[0].event is Event.PAYLOAD_OK
    assert time.monotonic() - begun < 30
    assert threading.active_count() == before


ORPHAN = "import os, sys, time\nif os.fork(): os._exit(0)\nprint(os.getpid(), flush=True)\ntime.sleep(600)\n"


@pytest.fixture
def strangers():
    """A sibling in the pilot's own session, and an orphan that anybody of this user may have left."""
    sibling = subprocess.Popen(["sleep", "600"])
    orphan = subprocess.Popen([sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, start_new_session=True)
    pid = int(orphan.stdout.readline())
    orphan.wait()
    orphan.stdout.close()
    yield sibling.pid, pid
    sibling.kill()
    sibling.wait()
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("ending", ["stopped", "by itself", "its keeper killed"])
def test_peer_defect_4_no_process_of_anybody_else_is_ended(bench, strangers, ending):
    """There: every orphan of the same user is killed."""
    script = "sleep 600 & setsid sleep 600 & touch up; " + ("wait" if ending != "by itself" else "exit 0")
    spec = bench.spec("/bin/sh", "-c", script, memory=64 * MB)
    if ending == "its keeper killed":
        command = PayloadCommand(("/bin/sh", "-c", script), {"PATH": "/usr/bin:/bin"}, bench.make(spec))
        payload = process.start(
            command, stdout=bench.base / "o", stderr=bench.base / "e", limits=Limits(memory=64 * MB)
        )
        os.kill(payload._keeper.pid, signal.SIGKILL)
        with pytest.raises(process.JobFailed):
            payload.wait()
    elif ending == "by itself":
        bench.make(spec)
        bench.payload().run(bench.work(Effect.RUN_PAYLOAD, spec))
    else:
        _, control, thread = running(bench, spec)
        control.stop(bench.work(Effect.STOP_PAYLOAD, spec, step=3))
        thread.join(10)
    assert [alive(pid) for pid in strangers] == [True, True]


def test_peer_defect_26_every_experiments_payload_has_a_limit_of_memory_without_a_monitor_program(bench):
    """There: only one experiment's plugin enforces one, and only while its monitor program runs."""
    eater = "food = []\nfor _ in range(500): food.append(bytearray(b'x' * 2**20))\n"
    spec = bench.spec(sys.executable, "-I", "-S", "-c", eater)
    bench.make(spec)
    bench.queue = {"maxrss": 40, "params": {"pilot_rss_grace": 50}}
    bench.payload().run(bench.work(Effect.RUN_PAYLOAD, spec))
    outcome = bench.told[0].outcome
    assert outcome.memory_limit == 60 * MB
    if not outcome.memory_peak:
        pytest.skip("not tested: no cgroup limits memory here")
    assert bench.told[0].problem.code is ErrorCode.PAYLOAD_EXCEEDED_MEMORY


def test_peer_defect_31_payloads_at_once_have_nothing_in_common(bench):
    """There: some forty environment variables and lists of errors belong to the process, so to one job at a time."""
    before = dict(os.environ)
    threads = []
    control = bench.payload()
    for number in range(1, 5):
        spec = bench.spec("/bin/sh", "-c", f"echo $PANDAID $TMPDIR; sleep 0.1; exit {number}", id=number, cores=number)
        bench.make(spec)
        work = bench.work(Effect.RUN_PAYLOAD, spec)
        threads.append(threading.Thread(target=control.run, args=(work,)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    by_job = {answer.key[0]: answer for answer in bench.told}
    for number in range(1, 5):
        outcome = by_job[number].outcome
        assert outcome.status == number
        assert outcome.stdout.read_text().split() == [str(number), f"{outcome.workdir}/tmp"]
        assert f"status {number}" in by_job[number].problem.detail
    assert dict(os.environ) == before
    assert control.roots == {}


BOMB = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for generation in range(6):
    try:
        if not os.fork(): os.setsid()
    except OSError:
        pass
open(f"pid-{os.getpid()}", "w").close()
open("up", "w").close()
time.sleep(600)
"""


def test_a_payload_that_multiplies_and_heeds_nothing_is_gone_after_its_grace(bench):
    spec = bench.spec(sys.executable, "-I", "-S", "-c", BOMB)
    place, control, thread = running(bench, spec, grace=0.3, limits={"processes": 200})
    end = time.monotonic() + 10
    while len(list(place.glob("pid-*"))) < 64 and time.monotonic() < end:
        time.sleep(0.01)
    begun = time.monotonic()
    control.stop(bench.work(Effect.STOP_PAYLOAD, spec, step=3))
    thread.join(60)
    assert 0.3 <= time.monotonic() - begun < 30
    many = [int(path.name[4:]) for path in place.glob("pid-*")]
    assert len(many) == 64
    assert not any(map(alive, many))


def test_a_payload_that_heeds_sigterm_is_gone_at_once(bench):
    spec = bench.spec("/bin/sh", "-c", "touch up; exec sleep 600")
    _, control, thread = running(bench, spec, grace=90.0)
    begun = time.monotonic()
    control.stop(bench.work(Effect.STOP_PAYLOAD, spec, step=3))
    thread.join(120)
    assert time.monotonic() - begun < 60


def test_it_is_said_what_holds_a_payload_to_its_memory(bench):
    spec = bench.spec("true")
    command = PayloadCommand(("/bin/true",), {}, bench.make(spec))
    payload = process.start(command, stdout=bench.base / "o", stderr=bench.base / "e", limits=Limits(memory=64 * MB))
    payload.wait()
    assert payload.limited_by in (LimitedBy.CGROUP_1, LimitedBy.CGROUP_2, LimitedBy.SAMPLING)
    assert bool(payload.groups.why) == (payload.limited_by is LimitedBy.SAMPLING)
