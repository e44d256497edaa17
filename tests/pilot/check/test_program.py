"""``pilot check`` as an admin runs it, against a real small server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pilot.check.program import examine
from pilot.contract.exit_codes import ExitCode
from tests.pilot.dispatcher import QUEUE, serving

ROOT = Path(__file__).parents[3]


@pytest.fixture
def dispatcher(tmp_path):
    (tmp_path / "storage").mkdir()
    with serving(tmp_path / "storage") as found:
        yield found


def check(*words, cwd, **variables):
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COMPASS_")}
    done = subprocess.run(
        [sys.executable, "-m", "pilot", "check", *words],
        env={**plain, "PYTHONPATH": str(ROOT), "COMPASS_PILOT_TOKEN": "tok", **variables},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout


def test_a_node_that_fits_is_told_line_by_line_and_the_status_is_0(dispatcher, tmp_path):
    status, said = check("-q", QUEUE, "--url", dispatcher.url, cwd=tmp_path)
    assert status == 0, said
    assert f"server               {dispatcher.url} answers" in said
    assert "FAIL" not in said
    for what in ("settings", "identity", "queue", "memory", "disk", "storage write_lan", "copy tool pl", "work folder"):
        assert f"\nok    {what} " in f"\n{said}", what
    assert dispatcher.updates == []
    assert "tok" not in said.replace("token", "")


def test_what_does_not_fit_gives_the_status_a_pilot_would_end_with(dispatcher, tmp_path):
    dispatcher.queue["status"] = "offline"
    dispatcher.queue["appdir"] = "/nowhere"
    status, said = check("-q", QUEUE, "--url", dispatcher.url, cwd=tmp_path)
    assert status == ExitCode.OFFLINE
    assert f"FAIL  queue                {QUEUE} is offline" in said
    assert "appdir of queue TEST: /nowhere is not there" in said


def test_json_is_for_programs(dispatcher, tmp_path):
    status, said = check("--json", "-q", "ATLANTIS", "--url", dispatcher.url, cwd=tmp_path)
    found = {entry["what"]: entry for entry in json.loads(said)}
    assert (status, found["queue"]["error"]) == (ExitCode.QUEUEDATA, "QUEUEDATA")
    assert found["server"]["level"] == "ok"


def test_without_a_server_the_node_is_looked_at_all_the_same(tmp_path):
    status, said = check(cwd=tmp_path)
    assert status == ExitCode.BAD_CONFIGURATION
    assert "server.url (--url) is not set" in said
    assert "ok    memory" in said


def test_settings_that_cannot_be_meant_are_the_first_finding(tmp_path):
    (tmp_path / "bad.yaml").write_text("monitor: {heartbeet: 3}\n")
    status, said = check("--config", "bad.yaml", cwd=tmp_path)
    assert status == ExitCode.BAD_CONFIGURATION
    assert said.startswith("FAIL  settings  bad.yaml: monitor.heartbeet is not a setting")


def test_an_allowed_address_that_is_none_is_a_setting_that_cannot_be_meant(tmp_path):
    status, said = check("-g", "nonsense", cwd=tmp_path)
    assert (status, "verify.transformation_urls: 'nonsense'" in said) == (ExitCode.BAD_CONFIGURATION, True)


def test_a_plugin_that_is_not_there_and_an_old_option_are_told(dispatcher, tmp_path):
    words = ("-q", QUEUE, "--url", dispatcher.url, "--pilotuser", "nobody", "-s", "SITE")
    status, said = check(*words, cwd=tmp_path)
    assert status == ExitCode.BAD_CONFIGURATION
    assert "FAIL  plugins" in said
    assert "warn  settings" in said


def test_a_file_of_settings_that_hangs_is_told_in_time(tmp_path):
    os.mkfifo(tmp_path / "site.yaml")  # whoever reads it waits for a writer
    (found,) = examine(["--config", str(tmp_path / "site.yaml")], patience=0.2)
    os.close(os.open(tmp_path / "site.yaml", os.O_WRONLY | os.O_NONBLOCK))
    assert (found.what, found.value) == ("settings", "no answer in 0.2 s")


def test_a_work_folder_on_a_dead_disk_hides_nothing_else(monkeypatch, tmp_path):
    alive, there = threading.Event(), Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: alive.wait(30) if path.name == "dead" else there(path))
    found = {one.what: one for one in examine(["-a", str(tmp_path / "dead")], patience=1.0)}
    alive.set()
    assert found["work folder"].value == "no answer in 1 s"
    assert found["memory"].value


def test_a_work_folder_that_is_gone_is_told_with_its_remedy(tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    program = "import os; from pilot.check import program; os.rmdir(os.getcwd()); exit(program.main([], print))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=here,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "the folder this was started in is gone; give another by -a" in done.stdout, done.stderr
    assert done.returncode == ExitCode.BAD_CONFIGURATION


def test_whoever_interrupts_it_sees_one_line(tmp_path):
    os.mkfifo(tmp_path / "site.yaml")
    asked = subprocess.Popen(
        [sys.executable, "-m", "pilot", "check", "--config", "site.yaml"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    opened = os.open(tmp_path / "site.yaml", os.O_WRONLY)  # returns when the settings are being read
    asked.send_signal(signal.SIGINT)
    words = asked.communicate(timeout=20)[1]
    os.close(opened)
    assert (asked.returncode, words) == (130, "pilot: interrupted (exit status 130)\n")
