from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from pilot.contract.codes import ErrorCode
from pilot.control.lifecycle import Effect, Event
from pilot.errors import JobFailed, PluginFailed
from pilot.hookspecs import hookimpl
from pilot.job import Problem
from pilot.settings import sections


def run(bench, *argv, **more):
    spec = bench.spec(*argv)
    bench.make(spec)
    bench.payload(**more).run(bench.work(Effect.RUN_PAYLOAD, spec))
    (answer,) = bench.told
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
    spec = bench.spec("/bin/sh", "-c", "trap '' TERM; while :; do sleep 0.01; done")
    bench.make(spec)
    payload = bench.payload()
    payload.ask(bench.work(Effect.ASK_PAYLOAD, spec, seconds=0.2))
    payload.run(bench.work(Effect.RUN_PAYLOAD, spec))
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
