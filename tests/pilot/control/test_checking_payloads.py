"""Each check once on a real payload that does what it objects to."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, Role
from pilot.control.credentials import CredentialReader
from pilot.control.lifecycle import Event
from pilot.job import PayloadCommand
from pilot.runtime import process
from pilot.runtime.processes import Root, members, tree
from pilot.settings import Server, Settings
from pilot.site.features import FeatureSource
from tests.pilot.control.looking import Looking
from tests.pilot.runtime.test_process import wait_until
from tests.pilot.site.certificates import make

MB = 2**20


@contextmanager
def payload(bench, text, spec=None, *, ready="ready", **more):
    """Run a script as a payload, until it has printed ``ready``; answers who looks at it."""
    spec = spec or bench.spec()
    root = bench.make(spec)
    command = PayloadCommand((sys.executable, "-I", "-S", "-u", "-c", text), {"PATH": "/usr/bin:/bin"}, root)
    stdout = root / "payload.stdout"
    running = process.start(command, stdout=stdout, stderr=root / "payload.stderr")
    try:
        wait_until(lambda: ready in stdout.read_text())
        yield Looking(bench, spec, running.root, **more)
    finally:
        running.stop(0)
        running.wait()


#: In one piece: several processes may say it at the same time.
WAITING = "import os, time; os.write(1, b'ready\\n'); time.sleep(60)"


def codes(looking):
    return [(order.event, order.problem.code) for order in looking.orders]


def test_a_payload_that_hangs_is_ended_and_the_log_says_where(bench, caplog):
    with payload(bench, WAITING) as looking:
        for _ in range(24):
            looking.look(300.0)
        assert codes(looking) == []
        looking.look(300.0)
    assert codes(looking) == [(Event.CHECK, ErrorCode.PAYLOAD_LOOPING)]
    assert "wchan: " in caplog.text
    assert "State: S (sleeping)" in caplog.text


def test_a_payload_that_writes_now_and_then_is_not(bench):
    with payload(bench, WAITING) as looking:
        for turn in range(40):
            (bench.base / "PanDA_Pilot-7-1" / "events.root").write_text(str(turn))
            looking.look(300.0)
    assert codes(looking) == []


def test_a_payload_that_was_stopped_is_not_looping(bench):
    with payload(
        bench, "import os, signal; print('ready', os.getpid()); os.kill(os.getpid(), signal.SIGSTOP)"
    ) as looking:
        looking.look()
        wait_until(lambda: looking.checking._watches[(7, 1)].reader._sampler.sample().tree.stopped)
        for _ in range(40):
            looking.look(300.0)
    assert codes(looking) == []


def test_a_directory_that_grows_past_the_queues_limit_ends_the_job(bench):
    text = f"open('core.raw', 'wb').write(b'x' * 3 * {MB}); {WAITING}"
    with payload(bench, text, queue={"max_workdir": MB}) as looking:
        looking.look()
    assert codes(looking) == [(Event.CHECK, ErrorCode.WORKDIR_TOO_LARGE)]
    assert looking.measured[-1].workdir >= 3 * MB


def test_a_full_disk_ends_the_job(bench):
    looking = Looking(bench, bench.spec(), monitor={"free_disk": 10**18})
    looking.look()
    assert codes(looking) == [(Event.CHECK, ErrorCode.NO_LOCAL_SPACE)]


def test_an_output_that_grows_too_large_ends_the_job(bench):
    spec = bench.spec(outputs=(FileSpec("a.root", Role.OUTPUT), FileSpec("not-yet", Role.OUTPUT)))
    text = f"open('a.root', 'wb').write(b'x' * 3000); {WAITING}"
    with payload(bench, text, spec, monitor={"output_size": 2000}) as looking:
        looking.look()
    assert codes(looking) == [(Event.CHECK, ErrorCode.OUTPUT_TOO_LARGE)]


def test_a_payload_that_prints_too_much_is_ended(bench):
    with payload(bench, f"print('x' * 3000); {WAITING}", monitor={"stdout_size": 2000}) as looking:
        looking.look()
    assert codes(looking) == [(Event.CHECK, ErrorCode.STDOUT_TOO_BIG)]


def test_memory_of_all_processes_together_is_limited_and_written_down_as_prmon_does(bench):
    text = f"import os; held = bytearray(os.urandom(60 * {MB})); os.fork(); {WAITING}"
    with payload(bench, text, bench.spec(memory=25 * MB), ready="ready\nready") as looking:
        looking.look()
        assert codes(looking) == []
        looking.look()
    assert codes(looking) == [(Event.CHECK, ErrorCode.PAYLOAD_EXCEEDED_MEMORY)]
    usage = looking.measured[-1]
    assert 60 * MB < usage.peak.pss < 90 * MB < usage.peak.rss
    assert usage.processes == 2
    folder = bench.base / "PanDA_Pilot-7-1"
    assert len((folder / "memory_monitor_output.txt").read_text().splitlines()) == 3
    assert '"Max"' in (folder / "memory_monitor_summary.json").read_text()


def test_what_processes_share_ends_no_job_however_often_it_is_resident(bench):
    text = f"import os; held = bytearray(os.urandom(40 * {MB})); [os.fork() for _ in range(2)]; {WAITING}"
    with payload(bench, text, bench.spec(memory=35 * MB), ready="ready\n" * 4) as looking:
        for _ in range(3):
            looking.look()
    assert codes(looking) == []
    assert looking.measured[-1].peak.rss > 70 * MB * 2


def test_processor_time_of_processes_that_have_ended_counts(bench):
    burn = "import os\nif not os.fork():\n    sum(range(6_000_000)); os._exit(0)\nos.wait()\n"
    with payload(bench, burn + WAITING, bench.spec(max_cpu_time=1), monitor={"cpu_grace": 0.03}) as looking:
        looking.look()
    assert codes(looking) == [(Event.CHECK, ErrorCode.CPU_TIME_EXCEEDED)]


def test_too_many_processes_end_the_job_and_zombies_are_some(bench):
    text = "import os, time\nfor _ in range(3):\n    if not os.fork(): os._exit(0)\nprint('ready'); time.sleep(60)"
    with payload(bench, text, monitor={"processes": 3, "zombies": 2}) as looking:
        looking.look()
    assert codes(looking) == [(Event.CHECK, ErrorCode.TOO_MANY_PROCESSES)]


def test_a_process_that_has_left_its_parents_counts(bench):
    text = f"import os\nif not os.fork():\n    os.setsid()\n    if os.fork(): os._exit(0)\nelse: os.wait()\n{WAITING}"
    with payload(bench, text, ready="ready\nready") as looking:
        wait_until(lambda: (looking.look(), looking.measured[-1].processes == 2)[1])
    assert codes(looking) == []


def test_a_payloads_cgroup_names_the_same_processes_as_its_descent(bench):
    text = f"import os; os.fork(); {WAITING}"
    with payload(bench, text, ready="ready\nready") as looking:
        root = looking.root
        if not root.cgroup:
            pytest.skip("not tested: no cgroup can be made here")
        wait_until(lambda: len(list(members(root.cgroup))) == 2)
        by_descent = {one.pid for one in tree(Root(root.pid)).processes}
        assert {one.pid for one in tree(root).processes} == by_descent


def test_a_slot_that_is_taken_back_ends_all_jobs_in_time(bench, tmp_path):
    features = FeatureSource({"MACHINEFEATURES": str(tmp_path)})
    looking = Looking(bench, bench.spec(), features=features.read)
    looking.look()
    assert codes(looking) == []
    (tmp_path / "shutdowntime").write_text(str(looking.wall + 300))
    looking.look()
    assert [(order.key, order.event, order.problem.code) for order in looking.orders] == [
        (None, Event.DEADLINE, ErrorCode.REACHED_MAX_TIME)
    ]


@pytest.mark.programs("openssl")
def test_a_proxy_that_expires_ends_the_job_unless_somebody_renews_it(bench, tmp_path):
    path = make(tmp_path, 1)
    settings = Settings(server=Server(certificate=str(path)))
    reader = CredentialReader(settings, str, issuer=None, now=lambda: looking.wall)
    looking = Looking(bench, bench.spec(), credential=reader.renewed)
    looking.wall = time.time()
    looking.look(600.0)
    looking.look(90000.0)  # now it has expired
    make(tmp_path, 9)
    looking.look(600.0)
    assert codes(looking) == []
    looking.look(8 * 86400.0)
    looking.look(600.0)
    assert codes(looking) == [(Event.CHECK, ErrorCode.CERTIFICATE_EXPIRED)]


def test_a_file_system_that_is_lost_ends_the_job(bench, tmp_path):
    mounted = tmp_path / "cvmfs"
    mounted.mkdir()
    looking = Looking(bench, bench.spec(), monitor={"mounts": (str(mounted),)})
    looking.look(600.0)
    mounted.rmdir()
    looking.look(600.0)
    assert codes(looking) == []
    looking.look(600.0)
    assert codes(looking) == [(Event.CHECK, ErrorCode.CVMFS_NOT_ALIVE)]


def test_a_good_payload_passes_every_check(bench):
    with payload(bench, WAITING, bench.spec(memory=500 * MB, max_cpu_time=100)) as looking:
        for _ in range(11):
            looking.look(600.0)
    assert codes(looking) == []
    assert looking.measured[-1].cpu_time < 10
