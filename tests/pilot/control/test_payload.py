from __future__ import annotations

import json
import os
import sys
import threading
import time
from dataclasses import replace

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, Program, Role
from pilot.control.lifecycle import Effect, Event
from pilot.errors import JobFailed, PluginFailed
from pilot.hookspecs import hookimpl
from pilot.job import Problem, Utility, When
from pilot.runtime import limits
from pilot.settings import sections

MB = 2**20
#: What `Bench.payload` takes; the rest of what a test gives belongs to the job.
OF_THE_PILOT = ("grace", "also", "container", "payload", "limits")


def run(bench, *argv, **more):
    spec = bench.spec(*argv, **{name: value for name, value in more.items() if name not in OF_THE_PILOT})
    bench.make(spec)
    control = bench.payload(**{name: value for name, value in more.items() if name in OF_THE_PILOT})
    control.run(bench.work(Effect.RUN_PAYLOAD, spec))
    (answer,) = bench.told
    bench.told.clear()
    return answer


def test_a_payload_that_ends_well_is_told_with_its_outcome_and_figures(bench):
    answer = run(bench, "true")
    assert (answer.event, answer.problem, answer.outcome.status) == (Event.PAYLOAD_OK, None, 0)
    assert "cpuEfficiency" in answer.metrics


def test_a_payload_that_fails_is_told_with_a_code_and_its_last_words(bench):
    answer = run(bench, "/bin/sh", "-c", "echo the disk is on fire >&2; exit 3")
    assert (answer.event, answer.outcome.status) == (Event.FAIL, 3)
    assert answer.problem.code is ErrorCode.PAYLOAD_FAILED
    assert "the disk is on fire" in answer.problem.detail


def test_a_payload_that_a_signal_ended_has_its_own_code(bench):
    answer = run(bench, "/bin/sh", "-c", "kill -9 $$")
    assert (answer.outcome.signal, answer.problem.code) == (9, ErrorCode.PAYLOAD_SIGNALLED)


def test_a_plugin_may_doubt_a_payload_that_ended_well(bench):
    class Doubting:
        @hookimpl
        def diagnose_payload(self, outcome):
            return Problem(ErrorCode.OUTPUT_MISSING, "no histograms", payload_code=1238)

    bench.plugins.register(Doubting())
    answer = run(bench, "true")
    assert (answer.event, answer.problem.payload_code) == (Event.FAIL, 1238)


def test_without_a_plugins_verdict_the_status_speaks(bench):
    class Silent:
        @hookimpl(tryfirst=True, wrapper=True)
        def diagnose_payload(self):
            yield
            return None

    bench.plugins.register(Silent())
    assert run(bench, "false").problem.detail == "the payload ended with status 1"


def test_figures_of_several_plugins_are_merged_and_the_later_plugin_wins(bench):
    class Counting:
        @hookimpl
        def job_metrics(self):
            return {"nEvents": 5, "cpuEfficiency": 1.0}

    bench.plugins.register(Counting())
    assert run(bench, "true").metrics == {"nEvents": 5, "cpuEfficiency": 1.0}


def test_a_payload_gets_what_plugins_and_the_settings_add_and_no_token(bench, monkeypatch):
    monkeypatch.setenv("COMPASS_PILOT_TOKEN", "secret")
    monkeypatch.setenv("WANTED", "yes")

    class Adding:
        @hookimpl
        def payload_environment(self):
            return {"PANDAID": "mine"}

    bench.plugins.register(Adding())
    answer = run(bench, "env", also=("WANTED", "ABSENT"))
    lines = answer.outcome.stdout.read_text().splitlines()
    assert {"WANTED=yes", "PANDAID=mine"} <= set(lines)
    assert "secret" not in answer.outcome.stdout.read_text()


def test_a_job_that_no_plugin_can_run_is_a_wrong_definition(bench):
    class Refusing:
        @hookimpl(tryfirst=True, wrapper=True)
        def payload_command(self):
            yield
            return None

    bench.plugins.register(Refusing())
    with pytest.raises(JobFailed, match="no plugin knows how to run 'true'") as caught:
        run(bench, "true")
    assert caught.value.code is ErrorCode.BAD_JOB_DEFINITION


def test_a_plugin_that_breaks_is_named(bench):
    class Broken:
        @hookimpl
        def payload_environment(self):
            raise RuntimeError("boom")

    bench.plugins.register(Broken(), name="broken")
    with pytest.raises(PluginFailed, match="plugin 'broken' broke in payload_environment: RuntimeError: boom"):
        run(bench, "true")


def test_a_payload_that_runs_is_stopped_and_then_gone(bench):
    spec = bench.spec("/bin/sh", "-c", "echo up; exec sleep 60")
    place = bench.make(spec)
    control = bench.payload()
    thread = threading.Thread(target=control.run, args=(bench.work(Effect.RUN_PAYLOAD, spec, step=2),))
    thread.start()
    waited = threading.Event()
    for _ in range(1000):
        if (place / "payload.stdout").exists() and (place / "payload.stdout").stat().st_size:
            break
        waited.wait(0.01)
    control.stop(bench.work(Effect.STOP_PAYLOAD, spec, step=3))
    thread.join(10)
    events = [answer.event for answer in bench.told]
    assert sorted(events) == sorted([Event.FAIL, Event.GONE])
    assert next(answer for answer in bench.told if answer.event is Event.FAIL).outcome.signal == 15


def test_a_payload_that_was_stopped_before_it_began_does_not_begin(bench):
    spec = bench.spec("touch", "began")
    place = bench.make(spec)
    control = bench.payload()
    control.stop(bench.work(Effect.STOP_PAYLOAD, spec, step=3))
    with pytest.raises(JobFailed):
        control.run(bench.work(Effect.RUN_PAYLOAD, spec, step=2))
    assert not (place / "began").exists()


def test_what_does_not_stop_is_told(bench):
    with bench.occupied.doing(bench.work(Effect.STAGE_IN, step=1)):
        control = bench.payload(grace=-29.9)
        with pytest.raises(JobFailed) as caught:
            control.stop(bench.work(Effect.CANCEL_COPIES, step=2))
    assert caught.value.code is ErrorCode.DEADLINE_PASSED


def test_a_payload_that_is_asked_to_end_may_finish_what_it_does(bench):
    script = "trap 'echo the end; exit 0' TERM; echo ready; while :; do :; done"
    spec = bench.spec("/bin/sh", "-c", script)
    place = bench.make(spec)
    payload = bench.payload()
    thread = threading.Thread(target=payload.run, args=(bench.work(Effect.RUN_PAYLOAD, spec),))
    thread.start()
    while not (place / "payload.stdout").exists() or not (place / "payload.stdout").read_text():
        assert thread.is_alive()
    payload.ask(bench.work(Effect.ASK_PAYLOAD, spec, seconds=20.0))
    thread.join(20)
    (answer,) = bench.told
    assert (answer.event, answer.outcome.status, answer.outcome.words) == (Event.PAYLOAD_OK, 0, "ready\nthe end")


def test_a_payload_that_does_not_end_when_it_is_asked_is_killed_after_its_time(bench):
    spec = bench.spec("/bin/sh", "-c", "trap '' TERM; touch deaf; while :; do sleep 0.01; done")
    place = bench.make(spec)
    payload = bench.payload()
    thread = threading.Thread(target=payload.run, args=(bench.work(Effect.RUN_PAYLOAD, spec),))
    thread.start()
    while not (place / "deaf").exists():
        assert thread.is_alive()
    payload.ask(bench.work(Effect.ASK_PAYLOAD, spec, seconds=0.2))
    thread.join(20)
    (answer,) = bench.told
    assert (answer.event, answer.outcome.signal) == (Event.FAIL, 9)


def test_the_last_words_of_a_payload_are_its_errors(bench):
    assert run(bench, "/bin/sh", "-c", "echo event 7; echo it broke >&2; exit 3").outcome.words == "it broke"


def test_a_plugin_may_put_the_command_into_something_of_its_own(bench):
    class Wrapping:
        @hookimpl
        def wrap_command(self, spec, queue, command):
            return replace(command, argv=("/bin/sh", "-c", 'echo "in $0"; exec "$@"', queue.name, *command.argv))

    bench.plugins.register(Wrapping())
    answer = run(bench, "echo", "hello")
    assert answer.outcome.stdout.read_text() == "in TEST\nhello\n"


def test_a_plugin_is_told_the_image_that_the_command_will_run_in(bench, tmp_path):
    told = []

    class Listening:
        @hookimpl
        def payload_command(self, image):
            told.append(image)

    program = tmp_path / "apptainer"
    program.write_text(
        '#!/bin/sh\nwhile [ "$1" != IMAGE ]; do shift; done\nshift; exec "$@"\n'.replace("IMAGE", str(tmp_path))
    )
    program.chmod(0o755)
    bench.queue = {"container_type": "apptainer:pilot"}
    bench.plugins.register(Listening())
    answer = run(bench, "echo", "hello", container=sections.Container(image=str(tmp_path), program=str(program)))
    assert (answer.outcome.stdout.read_text(), told) == ("hello\n", [str(tmp_path)])


EATER = "food = []\nfor _ in range(500): food.append(bytearray(b'x' * 2**20))\n"


def test_a_payload_that_takes_more_memory_than_it_may_is_told_with_the_numbers(bench):
    """PanDA's pilot 3 has such a limit for one experiment only, and only where its memory monitor runs."""
    if limits.describe()[0].why:
        pytest.skip("not tested: no cgroup limits memory here")
    answer = run(
        bench, sys.executable, "-I", "-S", "-c", EATER, memory=32 * MB, limits={"memory": "job", "memory_margin": 2.0}
    )
    assert (answer.event, answer.problem.code) == (Event.FAIL, ErrorCode.PAYLOAD_EXCEEDED_MEMORY)
    assert "for want of memory, when it had 64 MB of the 64 MB that it may have" in answer.problem.detail


def test_a_payload_that_is_merely_killed_is_not_said_to_have_taken_too_much(bench):
    answer = run(bench, "/bin/sh", "-c", "kill -KILL $$", memory=64 * MB)
    assert answer.problem.code is ErrorCode.PAYLOAD_SIGNALLED


def test_a_core_dump_is_told_with_where_it_lies(bench):
    answer = run(bench, "/bin/sh", "-c", "kill -SEGV $$", limits={"core": -1}, debug=True)
    if not answer.outcome.dumped:
        pytest.skip("not tested: this node writes no core dumps")
    assert answer.problem.code is ErrorCode.CORE_DUMP
    assert "SIGSEGV" in answer.problem.detail
    assert "core dump" in answer.problem.detail


def test_by_default_no_core_is_dumped(bench):
    answer = run(bench, "/bin/sh", "-c", "ulimit -c; kill -SEGV $$")
    assert (answer.problem.code, answer.outcome.dumped) == (ErrorCode.PAYLOAD_SIGNALLED, False)
    assert answer.outcome.stdout.read_text() == "0\n"


SHOW = """
import json, os, sys
print(json.dumps({
    "environment": dict(os.environ),
    "files": sorted(int(name) for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")),
    "stdin": sys.stdin.read(),
    "umask": os.umask(0),
    "folder": os.getcwd(),
    "nice": os.nice(0),
    "session": os.getsid(0) == os.getpid(),
}))
"""


def test_a_payload_sees_what_it_is_meant_to_see_and_nothing_of_the_pilot(bench, monkeypatch):
    for name in ("X509_USER_PROXY", "BEARER_TOKEN", "COMPASS_PILOT_TOKEN", "PANDA_AUTH_TOKEN", "KRB5CCNAME"):
        monkeypatch.setenv(name, f"secret-{name}")
    monkeypatch.setenv("CMS_PATH", "/cms")
    with (bench.base.parent / "token").open("w"):
        answer = run(bench, sys.executable, "-I", "-c", SHOW, also=("*",))
    text = answer.outcome.stdout.read_text()
    seen = json.loads(text)
    assert "secret" not in text
    assert (seen["environment"]["PANDAID"], seen["environment"]["CMS_PATH"]) == ("7", "/cms")
    assert (seen["files"], seen["stdin"]) == ([0, 1, 2], "")
    mask = os.umask(0o077)
    os.umask(mask)
    assert (seen["umask"], seen["nice"], seen["session"]) == (mask, os.nice(0), True)
    assert seen["folder"] == seen["environment"]["PWD"] == str(answer.outcome.workdir)


def test_the_proxy_is_given_where_the_settings_or_the_queue_say_so(bench, monkeypatch):
    monkeypatch.setenv("X509_USER_PROXY", "/tmp/x509up")
    assert "X509_USER_PROXY" not in run(bench, "env").outcome.stdout.read_text()
    by_settings = run(bench, "env", attempt=2, payload={"proxy": True})
    assert "X509_USER_PROXY=/tmp/x509up" in by_settings.outcome.stdout.read_text()
    bench.queue = {"params": {"payload_environment": ["X509_USER_PROXY"]}}
    by_queue = run(bench, "env", attempt=3)
    assert "X509_USER_PROXY=/tmp/x509up" in by_queue.outcome.stdout.read_text()


def program(text):
    return Program("/bin/sh", ("-c", text))


def test_programs_of_the_job_run_before_beside_and_after_its_payload(bench):
    answer = run(
        bench,
        "./made.sh",
        preprocess=program("printf '#!/bin/sh\\necho payload >> order\\n' > made.sh; echo before >> order"),
        coprocess=program("echo $PANDAID; exec sleep 60"),
        postprocess=program("echo after >> order"),
    )
    folder = answer.outcome.workdir
    assert (answer.event, answer.problem) == (Event.PAYLOAD_OK, None)
    assert (folder / "order").read_text().split() == ["before", "payload", "after"]
    assert (folder / "preprocess.stderr").read_text() == ""


def test_a_preprocess_that_fails_fails_the_job_before_its_payload(bench):
    with pytest.raises(JobFailed, match=r"preprocess: it ended with status 3; last words: no points") as caught:
        run(bench, "touch", "began", preprocess=program("echo no points >&2; exit 3"))
    assert caught.value.code is ErrorCode.PREPROCESS_FAILED
    assert not list(bench.base.glob("*/began"))


def test_a_preprocess_that_finds_nothing_to_do_ends_the_payloads_part_well(bench):
    answer = run(bench, "touch", "began", preprocess=program("exit 160"))
    assert (answer.event, answer.problem, answer.outcome) == (Event.PAYLOAD_OK, None, None)
    assert not list(bench.base.glob("*/began"))


def test_a_postprocess_that_fails_fails_the_job_with_the_payloads_own_status_kept(bench):
    answer = run(bench, "true", postprocess=program("exit 4"))
    assert (answer.event, answer.problem.code) == (Event.FAIL, ErrorCode.POSTPROCESS_FAILED)
    assert answer.outcome.status == 0


def test_a_payload_that_fails_has_no_postprocess(bench):
    answer = run(bench, "false", postprocess=program("touch after"))
    assert answer.problem.code is ErrorCode.PAYLOAD_FAILED
    assert not (answer.outcome.workdir / "after").exists()


def test_utilities_of_a_plugin_run_through_the_hook(bench):
    class Watching:
        @hookimpl
        def utility_commands(self, workdir):
            return [Utility("note", ("/bin/sh", "-c", f"echo hello from {workdir.name}"), When.AFTER)]

    bench.plugins.register(Watching())
    answer = run(bench, "false")
    folder = answer.outcome.workdir
    assert (folder / "note.stdout").read_text() == f"hello from {folder.name}\n"


def test_a_preprocess_that_runs_is_stopped_with_its_job(bench):
    spec = bench.spec("touch", "began", preprocess=program("touch up; exec sleep 60"))
    place = bench.make(spec)
    control = bench.payload()
    caught = []

    def running():
        try:
            control.run(bench.work(Effect.RUN_PAYLOAD, spec, step=2))
        except JobFailed as failed:
            caught.append(failed.code)

    thread = threading.Thread(target=running)
    thread.start()
    while not (place / "up").exists():
        assert thread.is_alive()
    begun = time.monotonic()
    control.stop(bench.work(Effect.STOP_PAYLOAD, spec, step=3))
    thread.join(60)
    assert time.monotonic() - begun < 30
    assert caught == [ErrorCode.PREPROCESS_FAILED]
    assert not (place / "began").exists()


def test_what_a_payload_writes_of_itself_is_kept_with_how_it_ended(bench):
    answer = run(bench, "/bin/sh", "-c", """echo '{"events": 5}' > jobReport.json; exit 3""")
    assert json.loads(answer.outcome.report) == {"events": 5}
    assert run(bench, "true", id=8).outcome.report == ""


def test_the_payload_is_told_the_addresses_of_inputs_that_it_reads_where_they_lie(bench):
    (bench.storage / "ds").mkdir()
    for name in ("a.root", "b.raw"):
        (bench.storage / "ds" / name).write_text("hello")
    bench.queue = {"direct_access_lan": True}
    inputs = tuple(FileSpec(name, Role.INPUT, dataset="ds") for name in ("a.root", "b.raw"))
    spec = bench.spec("echo", "--in=a.root,b.raw", inputs=inputs, direct=True)
    bench.data().stage_in(bench.work(Effect.STAGE_IN, spec))
    bench.payload().run(bench.work(Effect.RUN_PAYLOAD, spec))
    outcome = bench.told[-1].outcome
    assert outcome.stdout.read_text() == f"--in=file://{bench.storage}/ds/a.root,b.raw\n"
    assert (outcome.workdir / "b.raw").exists()
    assert not (outcome.workdir / "a.root").exists()
