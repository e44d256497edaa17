from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pilot.api.staged import FileResult, Progress, State
from pilot.api.staging import Item, Staging
from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, Role

HERE = Path("/here")


def items(*names, size=10):
    return [Item(FileSpec(name, Role.INPUT, size=size), HERE) for name in names]


def at_once(item, cancel):
    return FileResult(item.file, State.DONE, size=item.file.size or 0)


class Held:
    """Moves files when the gate is opened; whoever cancels, opens it."""

    def __init__(self):
        self.gate, self.begun = threading.Event(), threading.Semaphore(0)

    def __call__(self, item, cancel):
        self.begun.release()
        with cancel.doing(self.gate.set):
            assert self.gate.wait(30)
        if cancel:
            return FileResult(item.file, State.CANCELLED, int(ErrorCode.COPY_CANCELLED), "given up")
        return at_once(item, cancel)


def test_results_come_in_the_order_in_which_files_were_given():
    results = Staging(items("a", "b", "c"), at_once, at_once=3).result(30)
    assert [result.file.lfn for result in results] == ["a", "b", "c"]
    assert results.well
    assert results.failed == ()


def test_one_that_fails_hides_no_other():
    def move(item, cancel):
        return FileResult(item.file, State.FAILED, 1331, "gone") if item.file.lfn == "b" else at_once(item, cancel)

    results = Staging(items("a", "b", "c"), move, at_once=1).result(30)
    assert [result.state for result in results] == [State.DONE, State.FAILED, State.DONE]
    assert not results.well
    assert [result.words for result in results.failed] == ["gone"]


def test_whatever_a_copy_tool_raises_is_that_files_failure():
    def move(item, cancel):
        if item.file.lfn == "b":
            raise KeyError("no such thing")
        return at_once(item, cancel)

    results = Staging(items("a", "b"), move, at_once=2).result(30)
    assert results[0].well
    assert (results[1].code, results[1].words) == (1301, "KeyError: 'no such thing'")


def test_progress_is_a_snapshot_of_what_has_ended_and_what_is_on_its_way():
    held = Held()
    staging = Staging(items("a", "b", "c"), held, at_once=2, arriving=lambda item: 4)
    for _ in range(2):
        assert held.begun.acquire(timeout=30)
    now = staging.progress()
    assert (now.files_total, now.files_done, now.bytes_total, now.bytes_done) == (3, 0, 30, 8)
    assert sorted(now.current) == ["a", "b"]
    assert not now.over
    assert not staging.done()
    held.gate.set()
    staging.result(30)
    then = staging.progress()
    assert (then.files_done, then.files_failed, then.bytes_done, then.current) == (3, 0, 30, ())
    assert then.over
    assert staging.done()
    assert then.seconds >= now.seconds > 0


def test_the_total_is_not_known_while_a_size_is_not():
    staging = Staging(items("a", size=None), at_once, at_once=1)
    staging.result(30)
    assert staging.progress().bytes_total is None


def test_to_wait_too_short_is_told_and_changes_nothing():
    held = Held()
    staging = Staging(items("a", "b"), held, at_once=1)
    with pytest.raises(TimeoutError, match="2 of 2 files are still on their way"):
        staging.result(0.01)
    held.gate.set()
    assert staging.result(30).well


def test_cancelled_the_ones_on_their_way_are_given_up_and_the_others_not_begun():
    held = Held()
    staging = Staging(items("a", "b", "c"), held, at_once=1)
    assert held.begun.acquire(timeout=30)
    staging.cancel()
    results = staging.result(30)
    assert {result.state for result in results} == {State.CANCELLED}
    assert [result.words for result in results] == ["given up", "it was not begun", "it was not begun"]
    assert {result.code for result in results} == {1912}


def test_a_block_that_is_left_early_gives_up_and_waits():
    held = Held()
    with Staging(items("a", "b"), held, at_once=1) as staging:
        assert held.begun.acquire(timeout=30)
    assert staging.done()
    assert not staging.result().well


def test_a_block_that_is_left_at_the_end_gives_nothing_up():
    with Staging(items("a"), at_once, at_once=1) as staging:
        staging.result(30)
    assert staging.result().well


def test_callbacks_are_told_one_at_a_time_and_to_the_end():
    files, moments, inside = [], [], threading.Lock()

    def on_file(result):
        assert inside.acquire(blocking=False)
        files.append(result.file.lfn)
        inside.release()

    names = [f"f{number}" for number in range(50)]
    Staging(items(*names), at_once, at_once=8, on_file=on_file, on_progress=moments.append).result(30)
    assert sorted(files) == sorted(names)
    assert len(moments) == 100
    assert [now.files_done for now in moments] == sorted(now.files_done for now in moments)
    assert moments[-1].over
    assert isinstance(moments[0], Progress)


def test_what_a_callback_raises_is_told_at_the_end_and_costs_no_file():
    seen = []

    def on_file(result):
        seen.append(result)
        raise RuntimeError("full")

    staging = Staging(items("a", "b"), at_once, at_once=1, on_file=on_file)
    with pytest.raises(RuntimeError, match="full"):
        staging.result(30)
    assert [result.state for result in seen] == [State.DONE, State.DONE]


def test_a_slow_callback_holds_up_no_copy():
    gate = threading.Event()
    staging = Staging(items("a", "b", "c"), at_once, at_once=1, on_file=lambda _: gate.wait(30))
    while not staging.done():
        assert not gate.wait(0.01)
    with pytest.raises(TimeoutError, match="all files have ended, a callback has not"):
        staging.result(0.05)
    assert staging.progress().over
    gate.set()
    assert staging.result(30).well


def test_no_more_files_than_were_asked_for_are_on_their_way():
    held = Held()
    staging = Staging(items(*"abcdef"), held, at_once=2)
    for _ in range(2):
        assert held.begun.acquire(timeout=30)
    assert not held.begun.acquire(timeout=0.1)
    assert len(staging.progress().current) == 2
    held.gate.set()
    assert staging.result(30).well


def program(words):
    """Run a program whose main thread ends, and only then let its other threads go on; answer what it has printed."""
    first = """
import os, sys, threading
from pathlib import Path
from pilot.api.staged import FileResult, State
from pilot.api.staging import Item, Staging
from pilot.contract.job import FileSpec, Role

items = [Item(FileSpec(name, Role.INPUT), Path("/here")) for name in "abc"]

def move(item, cancel):
    assert sys.stdin.readline()
    os.write(1, f"moved {item.file.lfn}\\n".encode())
    return FileResult(item.file, State.DONE)

def tell(result):
    os.write(1, f"told {result.file.lfn}\\n".encode())
"""
    script = [sys.executable, "-c", f"{first}{words}\nprint('ends', flush=True)"]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(script, text=True, **pipes) as process:
        said = [process.stdout.readline()]
        while said[-1] not in ("ends\n", ""):
            said.append(process.stdout.readline())
        out, errors = process.communicate("go on\n" * 10, timeout=60)
    return process.returncode, "".join([*said, out]).splitlines(), errors


def test_a_program_that_ends_waits_for_its_files_and_tells_of_all():
    status, lines, errors = program("Staging(items, move, at_once=1, on_file=tell, on_progress=lambda _: None)")
    assert (status, errors) == (0, "")
    assert [line for line in lines if line.startswith("moved")] == ["moved a", "moved b", "moved c"]
    assert [line for line in lines if line.startswith("told")] == ["told a", "told b", "told c"]


def test_a_thread_goes_on_when_the_main_thread_has_ended():
    status, lines, errors = program("""
def work():
    assert sys.stdin.readline()
    print(Staging(items, move, at_once=1, on_file=tell).result().well)

threading.Thread(target=work).start()
""")
    assert (status, errors) == (0, "")
    assert lines[-1] == "True"


def test_a_fork_neither_waits_for_files_of_another_process_nor_gives_them_up():
    status, lines, errors = program("""
with Staging(items, move, at_once=1) as staging:
    child = os.fork()
    if not child:
        for ask in (staging.result, staging.cancel):
            try:
                ask()
            except RuntimeError as wrong:
                print(wrong, flush=True)
        sys.exit(7)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    print("ends", flush=True)
    print(staging.result().well)
""")
    assert status == 0, errors
    assert ["from which this one was forked" in line for line in lines[:2]] == [True, True]
    assert lines[2] == "7"
    assert "True" in lines


def test_files_are_moved_by_as_many_threads_as_there_can_be(monkeypatch):
    start, begun = threading.Thread.start, []

    def few(thread):
        if len(begun) == 2:
            raise RuntimeError("can't start new thread")
        begun.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", few)
    assert Staging(items(*"abcdef"), at_once, at_once=6).result(30).well
    with pytest.raises(RuntimeError, match="can't start new thread"):
        Staging(items("a"), at_once, at_once=1)
