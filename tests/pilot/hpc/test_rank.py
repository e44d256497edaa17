"""A rank as a process: what it does with its line, and what it leaves behind whatever happens."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest

from pilot.contract.codes import ErrorCode
from pilot.hpc import worklist
from pilot.hpc.rank import USELESS
from tests.pilot.hpc.lists import Allocation

#: A payload that says by a pipe that it runs, and then waits for ever.
WAITING = "echo here > {fifo}; exec sleep 600"


@pytest.fixture
def fifo(tmp_path):
    path = tmp_path / "reached"
    os.mkfifo(path)
    return path


def reached(fifo, seconds=20):
    """Wait until a payload has said that it runs."""
    with os.fdopen(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK), "rb", 0) as pipe:
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        assert poll.poll(seconds * 1000)
        assert pipe.read(100)


def test_a_rank_runs_its_own_line_and_reports_how_that_ended(tmp_path):
    allocation = Allocation(tmp_path, "exit 9", "echo $OWN; echo last words >&2; exit 3")
    status, said = allocation.run(1, 2)
    assert (status, said) == (0, "")
    found = allocation.report(1)
    assert (found.job, found.attempt, found.rank, found.status, found.code) == (2, 1, 1, 3, 0)
    assert found.words == "last words"
    assert found.host == os.uname().nodename
    assert 0 < found.started <= found.ended
    assert found.wall_time > 0
    assert found.max_rss > 0
    assert (allocation.places[1] / "payload.stdout").read_text() == "from the job\n"
    assert allocation.report(0) is None


def test_what_a_report_says_is_an_outcome_like_any_other(tmp_path):
    allocation = Allocation(tmp_path, "kill -9 $$")
    allocation.run()
    outcome = allocation.report(0).outcome(tmp_path)
    assert (outcome.status, outcome.signal, outcome.stdout) == (None, 9, tmp_path / "payload.stdout")
    assert not outcome.well


@pytest.mark.parametrize("ranks", [1, 3])
def test_nothing_runs_when_lines_and_ranks_differ_and_every_rank_says_so(tmp_path, ranks):
    allocation = Allocation(tmp_path, "touch ran", "touch ran")
    for number in range(ranks):
        status, said = allocation.run(number, ranks)
        assert status == USELESS
        assert f"2 lines, the launcher started {ranks} ranks" in said
    for number in range(2):
        assert allocation.report(number).problem.code is ErrorCode.RANKS_MISMATCH
        assert not (allocation.places[number] / "ran").exists()


def test_a_program_that_no_launcher_has_started_runs_nothing(tmp_path):
    allocation = Allocation(tmp_path, "touch ran")
    status, said = allocation.run(COMPASS_RANK="", COMPASS_RANKS="")
    assert status == USELESS
    assert "no launcher" in said
    assert allocation.report(0).problem.code is ErrorCode.RANKS_MISMATCH
    assert not (allocation.places[0] / "ran").exists()


@pytest.mark.parametrize("text", [None, "", "not a work list\n", '{"name": "x"}\n'])
def test_a_rank_without_a_work_list_does_nothing(tmp_path, text):
    allocation = Allocation(tmp_path, "touch ran")
    worklist.withdraw(allocation.folder)
    if text is not None:
        allocation.path.write_text(text)
    status, said = allocation.run()
    assert (status, "nothing to do" in said) == (USELESS, True)


def test_a_work_list_that_a_shared_disk_shows_late_is_waited_for(tmp_path):
    allocation = Allocation(tmp_path, "exit 4")
    unseen = allocation.path.rename(tmp_path / "unseen")
    with allocation.start() as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        unseen.rename(allocation.path)
        process.communicate(timeout=30)
    assert allocation.report(0).status == 4


def wait_until_it_hears(process, number, seconds=60.0):
    """Wait until a process has a handler for a signal: until then it dies of it."""
    end = time.monotonic() + seconds
    while (
        not int(re.search(r"SigCgt:\s*(\w+)", Path(f"/proc/{process.pid}/status").read_text())[1], 16) >> number - 1 & 1
    ):
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.02)


def test_a_rank_that_waits_for_a_work_list_ends_when_it_is_told_to(tmp_path):
    allocation = Allocation(tmp_path, "exit 4")
    allocation.path.unlink()
    with allocation.start() as process:
        wait_until_it_hears(process, signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.2)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, "SIGTERM" in said) == (USELESS, True)


def test_no_payload_runs_twice_whoever_starts_its_rank_again(tmp_path):
    allocation = Allocation(tmp_path, "echo run >> ran; exit 5", "exit 6", turns=True)
    worklist.WorkList(allocation.path).begin(1)  # by a rank that is no more
    for _ in range(2):
        status, said = allocation.run()
        assert (status, "was begun before" in said) == (USELESS, True)
    assert allocation.run(0, 3)[0] == USELESS  # not even when ranks and lines do not fit any more
    assert (allocation.places[0] / "ran").read_text() == "run\n"
    assert allocation.report(0).status == 5
    assert allocation.report(1) is None


def test_where_they_take_turns_a_rank_runs_each_so_many_th_line(tmp_path):
    allocation = Allocation(tmp_path, *(f"exit {number}" for number in range(5)), turns=True)
    allocation.run(1, 2)
    assert [allocation.report(number) and allocation.report(number).status for number in range(5)] == [
        None,
        1,
        None,
        3,
        None,
    ]


def test_a_rank_that_is_told_to_end_ends_its_payload_and_reports(tmp_path, fifo):
    allocation = Allocation(tmp_path, WAITING.format(fifo=fifo), "touch ran", turns=True)
    with allocation.start() as process:
        reached(fifo)
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        process.stderr.read()
    found = allocation.report(0)
    assert (found.signal, found.late) == (signal.SIGTERM, True)
    assert found.problem.code is ErrorCode.ALLOCATION_LOST
    assert "SIGTERM" in found.detail
    assert allocation.report(1).problem.code is ErrorCode.ALLOCATION_LOST
    assert not (allocation.places[1] / "ran").exists()


@pytest.mark.parametrize("together", [True, False])
def test_a_payload_that_hears_first_what_ends_its_rank_is_told_from_one_that_is_ended_alone(tmp_path, fifo, together):
    allocation = Allocation(tmp_path, f"echo here > {fifo}; kill -TERM $$; exec sleep 600")
    with allocation.start() as process:
        reached(fifo)
        if together:
            process.send_signal(signal.SIGTERM)
        process.wait(30)
        process.stderr.read()
    found = allocation.report(0)
    assert found.signal == signal.SIGTERM
    assert found.code == (ErrorCode.ALLOCATION_LOST if together else 0)


def test_a_payload_that_does_not_listen_is_killed_after_its_grace(tmp_path, fifo):
    script = f"trap '' TERM; echo here > {fifo}; while :; do sleep 600; done"
    allocation = Allocation(tmp_path, script, grace=0.1)
    with allocation.start() as process:
        reached(fifo)
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        process.stderr.read()
    assert allocation.report(0).signal == signal.SIGKILL


def test_a_payload_is_ended_when_its_own_time_is_over(tmp_path):
    allocation = Allocation(tmp_path, "exec sleep 600", seconds=0.2)
    allocation.run()
    found = allocation.report(0)
    assert (found.problem.code, found.late) == (ErrorCode.REACHED_MAX_TIME, True)


def test_a_payload_is_ended_before_the_allocations_time_is_over(tmp_path):
    allocation = Allocation(tmp_path, "exec sleep 600", "exit 0", wall_time=10.0, reserve=9.8, turns=True)
    allocation.run()
    assert [allocation.report(number).problem.code for number in range(2)] == [ErrorCode.ALLOCATION_TIMED_OUT] * 2


def test_one_payload_is_ended_that_somebody_wants_ended(tmp_path, fifo):
    allocation = Allocation(tmp_path, WAITING.format(fifo=fifo))
    with allocation.start() as process:
        reached(fifo)
        (allocation.folder / worklist.STOPS / "0").touch()
        process.wait(30)
        process.stderr.read()
    assert allocation.report(0).problem.code is ErrorCode.ORDERED_STOP


def test_a_payload_that_somebody_wants_ended_before_does_not_begin(tmp_path):
    allocation = Allocation(tmp_path, "touch ran")
    (allocation.folder / worklist.STOPS / "0").touch()
    allocation.run()
    assert allocation.report(0).problem.code is ErrorCode.ORDERED_STOP
    assert allocation.report(0).outcome(tmp_path) is None
    assert not (allocation.places[0] / "ran").exists()


def test_a_program_that_cannot_be_started_is_reported(tmp_path):
    allocation = Allocation(tmp_path, "exit 0")
    allocation.places[0].rmdir()
    allocation.run()
    assert allocation.report(0).problem.code is ErrorCode.FILE_HANDLING


def test_a_lost_keeper_is_reported(tmp_path, fifo):
    allocation = Allocation(tmp_path, WAITING.format(fifo=fifo))
    with allocation.start() as process:
        reached(fifo)
        for keeper in children(process.pid):
            os.kill(keeper, signal.SIGKILL)
        process.wait(30)
        process.stderr.read()
    assert allocation.report(0).problem.code is ErrorCode.KEEPER_LOST


def children(parent):
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if int((entry / "stat").read_bytes().rpartition(b")")[2].split()[1]) == parent:
                    yield int(entry.name)


def test_a_killed_rank_leaves_no_report_and_no_payload(tmp_path, fifo):
    allocation = Allocation(tmp_path, f"echo $$ > pid; {WAITING.format(fifo=fifo)}")
    with allocation.start() as process:
        reached(fifo)
        payload = os.pidfd_open(int((allocation.places[0] / "pid").read_text()))
        process.kill()
        process.wait(30)
        process.stderr.read()
    poll = select.poll()
    poll.register(payload, select.POLLIN)
    assert poll.poll(20_000)
    os.close(payload)
    assert allocation.report(0) is None


def test_the_pilot_of_the_same_node_hears_of_a_report_at_once(tmp_path):
    allocation = Allocation(tmp_path, "exit 0")
    os.mkfifo(allocation.folder / worklist.POKE)
    with os.fdopen(os.open(allocation.folder / worklist.POKE, os.O_RDWR | os.O_NONBLOCK), "r+b", 0) as poke:
        allocation.run()
        assert poke.read(100) == b"0\n"


def test_the_launcher_for_one_machine_runs_all_ranks(tmp_path):
    allocation = Allocation(tmp_path, *(f"exit {number}" for number in range(4)))
    assert allocation.launch(4) == 0
    assert [allocation.report(number).status for number in range(4)] == [0, 1, 2, 3]


def test_a_rank_is_told_what_it_needs(tmp_path):
    allocation = Allocation(tmp_path, "exit 0")
    allocation.path = Path("/dev/null")
    status, said = allocation.run()
    assert status == USELESS
    assert "/dev/null" in said
