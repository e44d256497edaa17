"""What a payload may take, and that the kernel holds it to that."""

from __future__ import annotations

import os
import resource
import signal
import sys
from pathlib import Path

import pytest

from pilot.contract.job import JobSpec
from pilot.contract.queue import QueueData
from pilot.errors import JobFailed
from pilot.job import PayloadCommand
from pilot.runtime import cgroup, limits, process
from pilot.runtime.limits import LimitedBy, Limits
from pilot.settings import PayloadLimits

MB = 2**20
FREE = (-1, -1)


def job(**more):
    return JobSpec(id=1, attempt=1, transformation="true", **more)


@pytest.mark.parametrize(
    ("word", "asked", "queue", "limit"),
    [
        ("job", 100, 300, 150),
        ("job", 0, 300, 450),
        ("queue", 100, 300, 450),
        ("queue", 100, 0, 0),
        ("none", 100, 300, 0),
        ("job", 0, 0, 0),
    ],
)
def test_the_limit_of_memory_is_the_word_of_whom_the_settings_name(word, asked, queue, limit):
    chosen = PayloadLimits(memory=word, memory_margin=1.5)
    assert limits.memory_limit(job(memory=asked * MB), QueueData("Q", memory=queue * MB), chosen) == limit * MB


def test_a_job_with_fewer_cores_than_the_slot_gets_its_share_of_the_queues_memory():
    queue = QueueData("Q", memory=800 * MB, cores=8)
    assert limits.memory_limit(job(cores=2), queue, PayloadLimits(memory_margin=1.0)) == 200 * MB


def test_the_queue_has_the_last_word_on_the_margin():
    queue = QueueData("Q", memory=100 * MB, params={"pilot_rss_grace": 200})
    assert limits.memory_limit(job(), queue, PayloadLimits()) == 300 * MB


def of(spec=None, had=FREE, **chosen):
    found = limits.of(spec or job(), QueueData("Q"), PayloadLimits(**chosen), lambda number: had)
    return {number: (soft, hard) for number, soft, hard in found.resources}


def test_by_default_there_are_no_core_dumps_and_nothing_else_changes():
    assert of() == {resource.RLIMIT_CORE: (0, 0)}
    assert of(had=(0, 0)) == {}


def test_a_job_in_debug_mode_may_leave_a_core_dump():
    assert of(job(debug=True), had=(0, -1)) == {resource.RLIMIT_CORE: (-1, -1)}
    assert of(job(debug=True), core=10**6, had=(0, 10**9)) == {resource.RLIMIT_CORE: (10**9, 10**9)}


def test_core_dumps_may_be_left_to_the_node():
    assert of(core=-1) == {}


def test_each_limit_of_the_settings_is_set():
    found = of(core=-1, file_size=1, open_files=2, stack=3, address_space=4)
    numbers = (resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE, resource.RLIMIT_STACK, resource.RLIMIT_AS)
    assert found == {number: (value, value) for number, value in zip(numbers, (1, 2, 3, 4))}


def test_no_limit_rises_above_what_the_node_allows():
    assert of(core=-1, open_files=4096, had=(100, 1024)) == {resource.RLIMIT_NOFILE: (1024, 1024)}


def test_cpu_time_is_that_of_the_job_with_a_margin_and_a_minute_for_last_words():
    assert of(job(max_cpu_time=1000), core=-1, cpu_margin=2.0) == {resource.RLIMIT_CPU: (2000, 2060)}
    assert of(job(max_cpu_time=1000), core=-1) == {}
    assert of(job(), core=-1, cpu_margin=2.0) == {}


def run(folder, *argv, **limited):
    command = PayloadCommand(argv, {"PATH": "/usr/bin:/bin"}, folder)
    payload = process.start(command, stdout=folder / "out", stderr=folder / "err", limits=Limits(**limited))
    return payload, payload.wait()


def row(number, value):
    return (number, value, value)


def test_a_payload_runs_under_its_limits_and_the_pilot_does_not(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    rows = (row(resource.RLIMIT_NOFILE, 77), row(resource.RLIMIT_CORE, 0), row(resource.RLIMIT_STACK, MB))
    _, outcome = run(tmp_path, "/bin/sh", "-c", "ulimit -n; ulimit -c; ulimit -s", resources=rows)
    assert outcome.stdout.read_text().split() == ["77", "0", "1024"]
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before


def test_a_file_that_grows_too_large_ends_its_payload(tmp_path):
    _, outcome = run(
        tmp_path, "/bin/dd", "if=/dev/zero", "of=big", "bs=1M", "count=3", resources=(row(resource.RLIMIT_FSIZE, MB),)
    )
    assert outcome.signal == signal.SIGXFSZ
    assert (tmp_path / "big").stat().st_size == MB


def test_cpu_time_ends(tmp_path):
    rows = ((resource.RLIMIT_CPU, 1, 61),)
    _, outcome = run(tmp_path, "/bin/sh", "-c", "while :; do :; done", resources=rows, cpu_time=1)
    assert (outcome.signal, outcome.cpu_limit) == (signal.SIGXCPU, 1)


# Eats memory in small bites, so that nothing but the kernel ends it.
EATER = "import sys\nfood = []\nfor _ in range({mb}): food.append(bytearray(b'x' * 2**20))\nprint('full')\n"


def held_by_a_cgroup(payload):
    if payload.limited_by is LimitedBy.SAMPLING:
        pytest.skip(f"not tested: no cgroup limits memory here: {payload.groups.why}")


def test_a_payload_that_eats_more_memory_than_it_may_is_ended_by_the_kernel_which_counts_it(tmp_path):
    eater = (sys.executable, "-I", "-S", "-c", EATER.format(mb=500))
    payload, outcome = run(tmp_path, *eater, memory=64 * MB)
    held_by_a_cgroup(payload)
    assert (outcome.status, outcome.signal) == (None, signal.SIGKILL)
    assert (outcome.memory_kills, outcome.memory_limit) == (1, 64 * MB)
    assert 60 * MB < outcome.memory_peak <= 64 * MB
    assert (tmp_path / "out").read_text() == ""


def test_a_limit_counts_the_whole_tree_and_not_one_process(tmp_path):
    eaters = (
        "import os, signal\n"
        "for _ in range(3):\n"
        "    if not os.fork():\n"
        "        food = bytearray(b'x' * 40 * 2**20)\n"
        "        signal.pause()\n"
        "os.wait()\n"
        "os.killpg(0, signal.SIGKILL)\n"
    )
    payload, outcome = run(tmp_path, sys.executable, "-I", "-S", "-c", eaters, memory=100 * MB)
    held_by_a_cgroup(payload)
    assert outcome.memory_kills >= 1


def test_a_payload_within_its_limit_is_left_alone(tmp_path):
    payload, outcome = run(tmp_path, sys.executable, "-I", "-S", "-c", EATER.format(mb=20), memory=64 * MB)
    held_by_a_cgroup(payload)
    assert (outcome.status, outcome.memory_kills) == (0, 0)
    assert 20 * MB < outcome.memory_peak < 64 * MB


def test_a_payload_killed_by_somebody_is_not_taken_for_one_without_memory(tmp_path):
    _, outcome = run(tmp_path, "/bin/sh", "-c", "kill -KILL $$", memory=64 * MB)
    assert (outcome.signal, outcome.memory_kills) == (signal.SIGKILL, 0)


def test_without_a_cgroup_it_is_said_that_samples_limit(caplog):
    caplog.set_level("INFO")
    payload = process.Payload(None, 7, cgroup.Groups(why="no controller"), Limits(memory=MB, processes=5), ())
    assert payload.limited_by is LimitedBy.SAMPLING
    process._log_limits(payload)
    assert "held to it by samples of its size (no controller)" in caplog.text
    assert "is not held to 5 processes" in caplog.text


def test_without_a_limit_nothing_limits(tmp_path):
    payload, outcome = run(tmp_path, "/bin/true")
    assert (payload.limited_by, outcome.memory_limit) == (LimitedBy.NOTHING, 0)


def test_a_fork_bomb_is_bounded_by_the_limit_of_processes(tmp_path):
    bomb = (
        "import os, signal\nstarted = 0\ntry:\n    for _ in range(60):\n"
        "        if not os.fork():\n            signal.pause()\n        started += 1\n"
        "except OSError as wrong:\n    print(started, wrong.strerror, flush=True)\nos.killpg(0, signal.SIGTERM)\n"
    )
    payload, outcome = run(tmp_path, sys.executable, "-I", "-S", "-c", bomb, processes=20)
    if not payload.groups.processes:
        pytest.skip("not tested: no cgroup counts processes here")
    assert outcome.stdout.read_text() == "19 Resource temporarily unavailable\n"


def test_a_payload_is_what_the_kernel_ends_first_when_memory_is_short(tmp_path):
    _, outcome = run(tmp_path, "/bin/cat", "/proc/self/oom_score_adj")
    own = int(Path("/proc/self/oom_score_adj").read_text())
    assert int(outcome.stdout.read_text()) == min(1000, own + 100)


def test_what_a_node_allows_is_told_to_its_admin():
    told = limits.describe()
    assert [held.what for held in told] == ["limits of memory", "limits of processes", "ending payloads"]
    assert all(("cgroups" in held.how) != bool(held.why) for held in told)
    assert not [path for path in cgroup.here().values() if Path(f"{path}/compass-{os.getpid()}").exists()]


def test_a_queue_may_say_how_many_files_may_be_open_where_the_node_does_not():
    queue = QueueData("Q", catchall="a,nopenfiles=4096")
    (row_of_files,) = limits.of(job(), queue, PayloadLimits(core=-1), lambda number: FREE).resources
    assert row_of_files == (resource.RLIMIT_NOFILE, 4096, 4096)
    chosen = PayloadLimits(core=-1, open_files=100)
    assert limits.of(job(), queue, chosen, lambda number: FREE).resources == ((resource.RLIMIT_NOFILE, 100, 100),)
    assert limits.open_files_of(QueueData("Q", catchall="other")) == 0
    with pytest.raises(JobFailed, match="nopenfiles in catchall of queue Q: 'many' is not a number of files"):
        limits.open_files_of(QueueData("Q", catchall="nopenfiles=many"))
