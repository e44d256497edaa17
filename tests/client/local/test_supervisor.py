"""The supervisor with real processes: a part announces each of its lives by a line in its log."""

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from client.local.processes import Identity
from client.local.supervisor import LONGEST_PAUSE, PROVED, Supervisor, pause_after

LIVE = "import os, signal; print(os.getpid(), flush=True); signal.pause()"
DIE = "print('dying', flush=True); raise SystemExit(3)"


class System:
    """A supervisor process over some parts, and what it says."""

    def __init__(self, folder, *, afterwards=None, **codes):
        self.folder, self.record = folder, folder / "parts.json"
        parts = [
            {"name": name, "argv": [sys.executable, "-c", code], "environment": {}, "log": str(folder / name)}
            for name, code in codes.items()
        ]
        if afterwards:
            parts[-1]["afterwards"] = [sys.executable, "-c", afterwards]
        (folder / "plan.json").write_text(json.dumps({"parts": parts, "record": str(self.record)}))
        argv = [sys.executable, "-m", "client.local.supervisor", str(folder / "plan.json")]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        self.said = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.said.put(line.rstrip())
        self.said.put(None)

    def until(self, words, within=20.0):
        """Read what the supervisor says until a line holds ``words``."""
        seen = []
        while (line := self.said.get(timeout=within)) is not None:
            seen.append(line)
            if words in line:
                return seen
        raise AssertionError(f"{words!r} was not said: {seen}")

    def pids(self):
        return {name: pid for name, (pid, _) in json.loads(self.record.read_text()).items()}

    def stop(self):
        """Stop the supervisor and answer what it said since it was last listened to."""
        self.process.terminate()
        self.process.wait(timeout=30)
        self.reader.join()
        return list(iter(self.said.get_nowait, None))


@pytest.fixture
def start(tmp_path):
    started = []

    def begin(**codes):
        started.append(System(tmp_path, **codes))
        return started[-1]

    yield begin
    for system in started:
        if system.process.poll() is None:
            system.stop()
        system.process.stdout.close()


def test_a_part_that_is_killed_is_started_again_and_the_others_go_on(start):
    system = start(server=LIVE, services=LIVE)
    system.until("services started")
    before = system.pids()
    os.kill(before["server"], signal.SIGKILL)
    system.until("server started")
    after = system.pids()
    assert after["server"] != before["server"]
    assert after["services"] == before["services"]


def test_parts_are_stopped_last_to_first_and_nothing_is_left(start):
    system = start(server=LIVE, services=LIVE)
    system.until("services started")
    pids = system.pids()
    said = [line.split(" ", 1)[1] for line in system.stop()]
    assert said == ["stop: SIGTERM", "services stopped", "server stopped"]
    assert system.process.returncode == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids.values())
    assert not system.record.exists()


def test_what_a_part_leaves_is_cleaned_up_while_the_parts_before_it_still_run(start, tmp_path):
    clean = f"import json, os; os.kill(json.load(open({str(tmp_path / 'parts.json')!r}))['server'][0], 0)"
    system = start(afterwards=clean, server=LIVE, services=LIVE)
    system.until("services started")
    said = [line.split(" ", 1)[1] for line in system.stop()]
    assert said == [
        "stop: SIGTERM",
        "services stopped",
        "services: what it left behind is ended",
        "server stopped",
    ]


def test_a_clean_up_that_fails_is_told_with_its_log(start):
    system = start(afterwards="raise SystemExit(1)", server=LIVE)
    system.until("server started")
    assert any("not ended; see" in line for line in system.stop())


def test_all_parts_are_stopped_even_when_the_systems_folder_was_removed(start, tmp_path):
    system = start(afterwards="raise SystemExit(1)", server=LIVE, services=LIVE)
    system.until("services started")
    pids = system.pids()
    shutil.rmtree(tmp_path)
    said = [line.split(" ", 1)[1] for line in system.stop()]
    assert said[-1] == "server stopped"
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids.values())


def test_what_a_killed_supervisor_left_is_ended_by_the_next_one(start):
    first = start(server=LIVE)
    first.until("server started")
    left = Identity.of(first.pids()["server"])
    first.process.kill()
    first.process.wait()
    assert left.process() is not None
    second = start(server=LIVE)
    second.until("server started")
    assert left.process() is None
    assert second.pids()["server"] != left.pid


def test_a_part_that_keeps_dying_is_started_less_and_less_often(start):
    system = start(server=DIE)
    said = "".join(system.until("again in 2 s"))
    assert said.count("again in 0 s") == 1
    assert said.count("again in 1 s") == 1


@pytest.mark.parametrize(
    ("deaths", "lived", "pause"),
    [(1, 0.1, 0), (2, 0.1, 1), (3, 0.1, 2), (4, 0.1, 4), (40, 0.1, LONGEST_PAUSE), (40, PROVED, 0)],
)
def test_the_pause_doubles_up_to_a_limit_and_is_forgotten_by_a_long_life(deaths, lived, pause):
    assert pause_after(deaths, lived) == pause


def test_a_signal_that_comes_while_something_is_written_is_only_noted(tmp_path):
    said = []
    supervisor = Supervisor([], tmp_path / "record.json", said.append)
    supervisor._asked(signal.SIGTERM, None)
    assert (said, supervisor.asked_by) == ([], signal.SIGTERM)
