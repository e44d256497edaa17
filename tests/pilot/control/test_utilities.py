"""Programs before, beside and after a payload, as real processes."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import pytest

from pilot.contract.codes import ErrorCode
from pilot.control import verdicts
from pilot.control.utilities import RESTARTS, Means, Utilities, with_prmon
from pilot.errors import JobFailed
from pilot.job import PayloadCommand, Utility, When
from pilot.runtime.limits import NO_LIMITS
from pilot.runtime.workdir import Workdir

PATH = {"PATH": "/usr/bin:/bin"}


@pytest.fixture
def means(tmp_path):
    return Means(
        place=Workdir(tmp_path),
        limits=NO_LIMITS,
        seconds=30.0,
        grace=0.2,
        command_of=lambda utility: PayloadCommand(utility.argv, {**PATH, **utility.environment}, tmp_path),
        judge=verdicts.of_status,
        started=lambda payload: None,
        restart_wait=0.001,
    )


def shell(text, when, name="tool", **more):
    return Utility(name, ("/bin/sh", "-c", text), when, **more)


def test_what_comes_before_runs_in_order_each_with_its_output(means, tmp_path):
    many = [shell(f"echo {name} >> order; echo {name}", When.BEFORE, name) for name in ("b", "a", "c")]
    assert Utilities(many, means).before()
    assert (tmp_path / "order").read_text().split() == ["b", "a", "c"]
    assert (tmp_path / "a.stdout").read_text() == "a\n"
    assert (tmp_path / "a.stderr").read_text() == ""


def test_a_utility_has_variables_of_its_own(means, tmp_path):
    assert Utilities([shell('echo "$TOOL"', When.BEFORE, environment={"TOOL": "mine"})], means).before()
    assert (tmp_path / "tool.stdout").read_text() == "mine\n"


@pytest.mark.parametrize("status", [160, 161, 162])
def test_one_that_comes_before_may_say_that_there_is_nothing_to_do(means, status):
    first = shell(f"exit {status}", When.BEFORE, needed=True, nothing_to_do=(160, 161, 162))
    assert not Utilities([first, shell("touch second", When.BEFORE)], means).before()
    assert not (means.place.root / "second").exists()


def test_a_needed_one_that_fails_before_fails_the_job(means):
    failing = shell("exit 3", When.BEFORE, "preprocess", needed=True)
    with pytest.raises(JobFailed, match="preprocess: it ended with status 3") as caught:
        Utilities([failing], means).before()
    assert caught.value.code is ErrorCode.PREPROCESS_FAILED


def test_one_that_nobody_needs_may_fail(means, caplog):
    assert Utilities([shell("exit 3", When.BEFORE)], means).before()
    assert Utilities([shell("exit 3", When.AFTER)], means).after(well=True) is None
    assert caplog.text.count("tool: it ended with status 3") == 2


def test_one_that_takes_too_long_is_ended(means):
    slow = shell("sleep 60", When.BEFORE, "preprocess", needed=True, seconds=0.1)
    begun = time.monotonic()
    with pytest.raises(JobFailed, match="preprocess: it ran longer than the 0.1 s it may"):
        Utilities([slow], means).before()
    assert time.monotonic() - begun < 30


def test_a_needed_one_that_fails_after_a_payload_is_told(means):
    problem = Utilities([shell("exit 4", When.AFTER, "postprocess", needed=True)], means).after(well=True)
    assert problem.code is ErrorCode.POSTPROCESS_FAILED
    assert "postprocess: it ended with status 4" in problem.detail


def test_after_a_payload_that_failed_only_what_is_not_needed_runs(means, tmp_path):
    both = [shell("touch needed", When.AFTER, "a", needed=True), shell("touch other", When.AFTER, "b")]
    assert Utilities(both, means).after(well=False) is None
    assert [path.name for path in tmp_path.iterdir() if "." not in path.name] == ["other"]


def wait_until(true):
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_runs_beside_begins_and_ends_with_the_payload(means, tmp_path):
    tool = Utility("tool", ("/bin/sh", "-c", "echo $0 $$ > up; exec sleep 60", "{pid}"), When.BESIDE)
    with Utilities([tool], means).beside(4711):
        wait_until(lambda: (tmp_path / "up").exists() and (tmp_path / "up").read_text().endswith("\n"))
        payload, pid = (tmp_path / "up").read_text().split()
        assert payload == "4711"
        assert Path(f"/proc/{pid}").exists()
    assert not Path(f"/proc/{pid}").exists()


def test_one_beside_that_heeds_nothing_is_killed_after_its_grace(means, tmp_path):
    deaf = shell("trap '' TERM; touch up; while :; do sleep 0.05; done", When.BESIDE)
    with Utilities([deaf], means).beside(1):
        wait_until((tmp_path / "up").exists)
        begun = time.monotonic()
    assert 0.2 <= time.monotonic() - begun < 30


def test_one_beside_that_ends_is_started_again_five_times_and_no_more(means, tmp_path, caplog):
    with Utilities([shell("echo once >> times; exit 1", When.BESIDE)], means).beside(1):
        wait_until(lambda: "is not started again" in caplog.text)
    assert (tmp_path / "times").read_text().count("once") == RESTARTS + 1


def test_one_beside_that_cannot_be_started_does_not_harm_the_payload(means, caplog):
    with Utilities([Utility("tool", ("/no/such/tool",), When.BESIDE)], means).beside(1):
        wait_until(lambda: "is not started again" in caplog.text)
    assert "/no/such/tool: No such file or directory" in caplog.text


def test_what_runs_before_can_be_stopped(means):
    stopping = means._replace(started=lambda payload: threading.Thread(target=payload.stop, args=(5,)).start())
    with pytest.raises(JobFailed, match=f"signal {signal.SIGTERM.value}"):
        Utilities([shell("exec sleep 60", When.BEFORE, needed=True)], stopping).before()


def test_prmon_runs_beside_when_the_settings_name_it():
    assert with_prmon([], "") == []
    (prmon,) = with_prmon([], "/opt/prmon")
    assert (prmon.when, prmon.needed) == (When.BESIDE, False)
    assert prmon.argv[:3] == ("/opt/prmon", "--pid", "{pid}")
