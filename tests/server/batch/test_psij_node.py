"""What runs on a node for a system that psij speaks with, as its batch script starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from server.batch import psij_node
from server.batch.slurm_files import node_program
from tests.kits.batch import script


@pytest.fixture
def start(tmp_path):
    """Start the program for the first job of a submission, as psij's script does."""
    home = tmp_path / "key"
    home.mkdir()
    (home / "node.pyz").write_bytes(node_program())
    (home / "psij_node.py").write_bytes(Path(psij_node.__file__).read_bytes())

    def begin(text, environment, **more):
        order = {"argv": script(text), "environment": {"PATH": "/usr/bin:/bin"}, "grace": 600.0, **more}
        (home / "order.json").write_text(json.dumps(order))
        words = [sys.executable, "-I", "-S", str(home / "psij_node.py"), str(home), "LSB_JOBID", "0"]
        return subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True)

    begin.home = home
    return begin


def test_a_job_knows_its_id_and_what_its_system_says_of_it(start):
    told = "import os; print(os.environ['COMPASS_BATCH_ID'], os.environ['LSB_HOSTS'], 'SECRET' in os.environ)"
    with start(told, {"LSB_JOBID": "77", "LSB_HOSTS": "n1 n1", "SECRET": "x"}) as process:
        assert process.wait(60) == 0
    assert (start.home / "0/stdout").read_text() == "key/0 n1 n1 False\n"
    assert (start.home / "part-0").read_text() == "77"
    assert json.loads((start.home / "0/identity.json").read_text())["job"] == "77"


def test_a_job_whose_system_names_it_nowhere_runs_all_the_same(start):
    with start("pass", {}) as process:
        assert process.wait(60) == 0
    assert (start.home / "part-0").read_text() == psij_node.UNNAMED


def test_a_job_that_was_given_up_does_nothing(start):
    (start.home / "part-0").touch()
    with start("pass", {"LSB_JOBID": "77"}) as process:
        assert process.wait(60) == 1
        assert process.stderr.read() == "key/0 does not start: it was given up before\n"
    assert not (start.home / "0").exists()


def test_a_job_never_starts_twice(start):
    for status in (0, 1):
        with start("print('ran')", {"LSB_JOBID": "77"}) as process:
            assert process.wait(60) == status
    assert (start.home / "0/stdout").read_text() == "ran\n"


def test_a_job_that_was_cancelled_before_does_not_start(start):
    (start.home / "0").mkdir()
    (start.home / "0/stop").touch()
    with start("print('ran')", {"LSB_JOBID": "77"}) as process:
        assert process.wait(60) == 1
    assert json.loads((start.home / "0/exit.json").read_text())["words"] == "cancelled before it started"
    assert not (start.home / "0/stdout").exists()


@pytest.mark.parametrize(
    ("order", "words", "heard"),
    [
        (signal.SIGTERM, "stopped by order", signal.SIGTERM),
        (signal.SIGINT, "stopped by order", signal.SIGTERM),
        (signal.SIGUSR1, "stopped before its wall time was over", signal.SIGUSR1),
        (signal.SIGUSR2, "stopped before its wall time was over", signal.SIGUSR1),
    ],
)
def test_each_order_to_end_that_a_system_may_send_reaches_the_job(start, tmp_path, order, words, heard):
    up = tmp_path / "up"
    os.mkfifo(up)
    # It may hear the order before it waits for it.
    text = (
        f"import os, signal; signal.pthread_sigmask(signal.SIG_BLOCK, [{int(heard)}]); open({str(up)!r}, 'w').close(); "
    )
    text += f"signal.sigwait([{int(heard)}]); os._exit(9)"
    with start(text, {"LSB_JOBID": "77"}) as process:
        up.read_text()  # until the job has opened it
        process.send_signal(order)
        assert process.wait(60) == 9
    assert json.loads((start.home / "0/exit.json").read_text())["words"] == words


def test_an_order_that_the_system_gives_to_all_processes_comes_to_the_job_once(start, tmp_path):
    up, told = tmp_path / "up", tmp_path / "told"
    for pipe in (up, told):
        os.mkfifo(pipe)
    text = "import os, signal; signal.pthread_sigmask(signal.SIG_BLOCK, [15]); "
    text += f"open({str(up)!r}, 'w').write(str(os.getpid())); signal.sigwait([15]); open({str(told)!r}).read(); "
    text += "os._exit(9 if not signal.sigpending() else 8)"
    with start(text, {"LSB_JOBID": "77"}, delay=300.0) as process:
        job = int(up.read_text())
        process.send_signal(signal.SIGTERM)
        os.kill(job, signal.SIGTERM)
        told.write_text("x")
        assert process.wait(60) == 9


def test_an_order_that_comes_to_the_first_process_alone_is_passed_on_after_a_while(start, tmp_path):
    up = tmp_path / "up"
    os.mkfifo(up)
    text = f"import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [15]); open({str(up)!r}, 'w').close(); "
    text += "signal.sigwait([15]); raise SystemExit(9)"
    with start(text, {"LSB_JOBID": "77"}, delay=0.1) as process:
        up.read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 9


def test_a_job_has_its_grace_though_the_order_is_passed_on_late(start, tmp_path):
    """A busy machine stops the first process for longer than all of the grace."""
    up = tmp_path / "up"
    os.mkfifo(up)
    text = "import signal, time; signal.pthread_sigmask(signal.SIG_BLOCK, [15]); "
    text += f"open({str(up)!r}, 'w').close(); signal.sigwait([15]); time.sleep(0.05); raise SystemExit(9)"
    with start(text, {"LSB_JOBID": "77"}, grace=1.0, delay=0.2) as process:
        up.read_text()
        process.send_signal(signal.SIGTERM)
        while "ShdPnd:\t0000000000004000" in Path(f"/proc/{process.pid}/status").read_text():
            time.sleep(0.005)
        process.send_signal(signal.SIGSTOP)
        time.sleep(1.1)
        process.send_signal(signal.SIGCONT)
        assert process.wait(60) == 9
