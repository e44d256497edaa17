"""The lane for real-time logging, with real files and a real syslog-ng, or nobody at the other end."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from pathlib import Path

import pytest

from pilot import plugins
from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.contract.queue import QueueData
from pilot.control.component import END, Budget
from pilot.control.job_secrets import JobSecrets
from pilot.control.news import Follow, Site
from pilot.control.realtime import Means, RealtimeLane
from pilot.control.tails import masking
from pilot.errors import JobFailed
from pilot.hookspecs import hookimpl
from pilot.job import Job, LogStream, Phase
from pilot.runtime import workdir
from pilot.settings import Settings
from pilot.settings.harvester import Harvester
from pilot.settings.realtime import Realtime

SPEC = JobSpec(id=7, attempt=1, transformation="x", task_id=3)


class Bench:
    def __init__(self, folder, **settings):
        self.base, self.secrets = folder, JobSecrets()
        chosen = Settings(realtime=Realtime(**settings), harvester=Harvester(id="CERN", worker=12))
        self.plugins = plugins.load("generic")
        means = Means(chosen, self.plugins, folder, self.secrets, masking(self.secrets.seen))
        self.lane = RealtimeLane(Budget(3), means)
        self.thread = threading.Thread(target=self.lane.run, daemon=True)
        self.place = workdir.create(folder, SPEC)

    def move(self, phase=Phase.RUNNING, catchall="", debug=False, spec=SPEC):
        if self.thread.ident is None:
            self.thread.start()
        site = Site(QueueData("Q", catchall=catchall))
        self.lane.inbox.put(Follow(Job(spec, phase=phase), site, debug))

    def write(self, text):
        with self.place.stdout.open("a") as file:
            file.write(text)

    def follow_none(self):
        until = time.monotonic() + 10
        while self.lane._follower.followed():
            assert time.monotonic() < until
            threading.Event().wait(0.01)

    def end(self):
        self.lane.inbox.put(END)
        self.thread.join(20)
        assert not self.thread.is_alive()


@pytest.fixture
def out(tmp_path):
    return tmp_path / "lines.jsonl"


@pytest.fixture
def bench(tmp_path, out):
    return Bench(tmp_path / "base", server=f"file;file://{out}", wait=0.05)


def held():
    """Name everything that is open in this process."""
    found = set()
    for descriptor in list(Path("/proc/self/fd").iterdir()):
        with contextlib.suppress(OSError):
            found.add(str(descriptor.readlink()))
    return found


def lines_of(out, count=None):
    """Answer the records; wait for so many."""
    until = time.monotonic() + 10
    while count is not None and (not out.exists() or len(out.read_text().splitlines()) < count):
        assert time.monotonic() < until
        threading.Event().wait(0.02)
    return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


def test_lines_go_to_a_real_log_service_while_the_payload_runs(tmp_path, syslog_ng):
    server = f"logstash;tls://localhost:{syslog_ng.tls}"
    bench = Bench(tmp_path / "base", use=True, server=server, authorities=str(syslog_ng.authority.file), wait=0.05)
    bench.move()
    bench.write("begun\n")
    (first,) = map(json.loads, syslog_ng.lines(1))  # nothing has ended
    assert (first["message"], first["Harvester_ID"], first["Harvester_WorkerID"]) == ("begun", "CERN", 12)
    bench.write("working\nand the end")
    bench.move(Phase.STOPPING)
    bench.move(Phase.STAGING_LOG)
    assert [json.loads(line)["message"] for line in syslog_ng.lines(2)] == ["working", "and the end"]
    bench.end()


def test_debug_mode_begins_it_and_ends_it(bench, out):
    bench.write("before\n")
    bench.move()
    bench.move(debug=True)
    assert [record["message"] for record in lines_of(out, 1)] == ["before"]
    bench.move(debug=False)
    bench.follow_none()  # what is written before the lane has heard of it may still be sent
    bench.write("after\n")
    bench.end()
    assert len(lines_of(out)) == 1


def test_a_plugin_may_ask_for_it_and_is_asked_once(bench, out):
    asked = []

    class Asking:
        @hookimpl
        def realtime_logging(self, spec, queue):
            asked.append((spec.id, queue.name))
            return LogStream(files=("own.log",))

    bench.plugins.register(Asking())
    (bench.place.root / "own.log").write_text("own\n")
    bench.move()
    bench.move()
    assert lines_of(out, 1)[0]["file"] == "own.log"
    bench.end()
    assert asked == [(7, "Q")]


def test_a_plugin_that_breaks_is_told_and_other_jobs_go_on(bench, out, caplog):
    class Breaking:
        @hookimpl
        def realtime_logging(self, spec):
            if spec.id == 7:
                raise JobFailed(ErrorCode.PLUGIN_FAILED, "no beam")
            return LogStream()

    bench.plugins.register(Breaking())
    other = JobSpec(id=8, attempt=1, transformation="x")
    workdir.create(bench.base, other).stdout.write_text("eight\n")
    bench.write("seven\n")
    bench.move()
    bench.move(spec=other)
    assert [record["message"] for record in lines_of(out, 1)] == ["eight"]
    bench.end()
    assert "real-time logging:" in caplog.text


def test_a_queue_with_a_wrong_address_is_told_once(bench, out, caplog):
    bench.move(catchall="logging=splunk;tls://logs")
    bench.move(catchall="logging=splunk;tls://logs")
    bench.end()
    assert caplog.text.count("queue Q: catchall: logging: 'splunk;tls://logs' is no log service") == 1
    assert lines_of(out) == []


def test_a_login_that_came_with_the_job_is_used_and_masked(tmp_path, caplog):
    from tests.pilot.realtime.services.standing_in import over_http

    with over_http(lambda _: (200, b"ok")) as (port, heard):
        bench = Bench(tmp_path / "base", use=True, server=f"logstash;http://127.0.0.1:{port}", wait=0.05)
        bench.secrets.learn({(7, 1): {"logstash_login": "pilot", "logstash_password": "of-logstash"}})
        bench.write("the password is of-logstash, pilot\n")
        bench.move()
        bench.move(Phase.STAGING_OUT)
        bench.end()
    assert heard[0].headers["Authorization"].startswith("Basic ")
    assert heard[0].said[0]["message"] == "the password is ********, pilot"
    assert "of-logstash" not in caplog.text


def test_a_login_from_a_file_that_others_may_read_is_refused(tmp_path, caplog):
    login = tmp_path / "login"
    login.write_text("pilot\nsesame\n")
    login.chmod(0o644)
    bench = Bench(tmp_path / "base", use=True, server="loki;https://127.0.0.1:9", credentials_file=str(login))
    bench.write("one\n")
    bench.move()
    bench.end()
    assert "its mode has to be 0600" in caplog.text
    assert "sesame" not in caplog.text


def test_a_service_that_takes_nothing_holds_the_end_up_for_one_wait_only(tmp_path):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = f"fluent;tcp://127.0.0.1:{silent.getsockname()[1]}"  # it waits for an acknowledgement
        bench = Bench(tmp_path / "base", use=True, server=server, timeout=0.3, at_end=0.3, wait=0.05)
        bench.write("one\n")
        bench.move()
        bench.move(Phase.STAGING_OUT)
        began = time.monotonic()
        bench.end()
        assert time.monotonic() - began < 10


def test_a_lane_that_has_ended_holds_no_descriptor(bench, out):
    bench.write("one\n")
    bench.move(debug=True)
    lines_of(out, 1)
    its = {str(bench.place.stdout), str(Path(f"/proc/self/fd/{bench.lane._waking._read}").readlink())}
    assert its <= held()
    bench.end()
    assert not its & held()


def test_a_lane_that_follows_a_silent_payload_uses_no_processor(bench, out):
    bench.write("one\n")
    bench.move(debug=True)
    lines_of(out, 1)
    before = time.process_time()
    threading.Event().wait(0.5)
    assert time.process_time() - before < 0.1
    bench.end()


def test_an_item_that_breaks_ends_nothing_but_its_jobs_lines(bench, out, monkeypatch):
    bench.move(debug=True)
    bench.lane.broke(Follow(Job(SPEC, phase=Phase.RUNNING), Site(QueueData("Q"))), ValueError("x"))
    bench.lane.broke(object(), ValueError("x"))
    bench.move(debug=True)
    bench.write("one\n")
    assert lines_of(out, 1)
    bench.end()


def test_passwords_are_known_as_such_and_logins_are_not():
    secrets = JobSecrets()
    secrets.learn({(7, 1): {"logstash_login": "pilot", "logstash_password": "sesame", "empty": ""}})
    assert secrets.of((7, 1))["logstash_login"] == "pilot"
    assert secrets.of((8, 1)) == {}
    assert secrets.seen() == ("sesame",)
    secrets.learn({(number, 1): {} for number in range(2000)})
    assert secrets.of((7, 1)) == {}
    assert secrets.seen() == ("sesame",)
