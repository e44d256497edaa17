from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.control.lifecycle import Effect, Event
from pilot.control.news import Answer, Progress, Shown
from pilot.control.reporting import Reporting
from pilot.control.reports import Facts
from pilot.control.slot import Slot
from pilot.control.tails import last_lines, masking
from pilot.control.timers import Timers
from pilot.job import Job, PayloadOutcome, Phase, Problem
from tests.pilot.control.simulation import SITE, World

SEEN = Progress((7, 1), 5, 10, lines="event 5\ntok-secret")


def scene(tmp_path, announced=False, **more):
    means = World(0, tmp_path / "journal").conductor.means
    means = means._replace(mask=masking(lambda: ("tok-secret",)), announced=lambda: announced)
    spec = JobSpec(id=7, attempt=1, transformation="x", debug=more.pop("debug", False))
    timers = Timers()
    return Reporting(means, timers), Slot(Job(spec, **more), SITE, "r1", 1e9, 0.0), timers


@pytest.mark.parametrize(
    ("announced", "debug", "told"), [(False, False, None), (True, False, "event 5"), (False, True, "event 5")]
)
def test_the_last_lines_go_to_our_server_and_to_any_other_in_debug_mode_only(tmp_path, announced, debug, told):
    reporting, slot, _ = scene(tmp_path, announced, debug=debug, phase=Phase.RUNNING)
    report = reporting.running(slot, SEEN)
    stdout = json.loads(report.text).get("stdout")
    assert stdout == (None if told is None else "event 5\n********")
    assert report.progress == "5/10"


def test_what_was_asked_for_is_shown_to_any_server_cut_and_without_secrets(tmp_path):
    reporting, slot, _ = scene(tmp_path, phase=Phase.RUNNING)
    stdout = json.loads(reporting.running(slot, shown=Shown((7, 1), "x" * 5000 + "tok-secret")).text)["stdout"]
    assert len(stdout) == 2048
    assert stdout.endswith("x********")


def test_a_failed_job_is_reported_with_its_payloads_last_words_without_secrets(tmp_path):
    outcome = PayloadOutcome(3, None, Path(), Path(), Path(), words="Segmentation fault tok-secret")
    problem = Problem(ErrorCode.PAYLOAD_FAILED, "no")
    reporting, slot, _ = scene(tmp_path, outcome=outcome, problem=problem, phase=Phase.REPORTING)
    reporting.write_final(slot)
    assert json.loads(slot.final)["pilot_log"] == "Segmentation fault ********"
    slot.job = slot.job.evolve(problem=None)
    before = slot.final
    reporting.write_final(slot)
    assert slot.final == before, "it is written once"


def test_a_finished_job_is_reported_without_words(tmp_path):
    outcome = PayloadOutcome(0, None, Path(), Path(), Path(), words="done")
    reporting, slot, _ = scene(tmp_path, outcome=outcome, phase=Phase.REPORTING)
    reporting.write_final(slot)
    assert "pilot_log" not in json.loads(slot.final)


@pytest.mark.parametrize("effect", Effect)
def test_only_reports_have_one(tmp_path, effect):
    reporting, slot, _ = scene(tmp_path)
    assert (reporting.of(slot, effect) is not None) is (effect in (Effect.REPORT, Effect.FINAL_REPORT))


def test_a_report_that_was_not_taken_is_offered_sooner_when_the_pilot_ends_soon(tmp_path):
    reporting, slot, timers = scene(tmp_path, phase=Phase.REPORTING)
    slot.refusals = 20
    reporting.later(slot, None, end_at=8.0)
    assert timers.next() == 2.0
    assert timers.due(2.0) == Answer((7, 1), 0, Event.OVERDUE)


def test_no_part_of_a_secret_is_left_where_the_last_lines_are_cut(tmp_path):
    reporting, slot, _ = scene(tmp_path, announced=True, phase=Phase.RUNNING)
    reporting._means = reporting._means._replace(mask=masking(lambda: ("S" * 100,)))
    lines = last_lines("x" * 5000 + "\nSSSS" + "S" * 96 + " " + "y" * 2000)
    stdout = json.loads(reporting.running(slot, Progress((7, 1), lines=lines)).text)["stdout"]
    assert "S" not in stdout
    assert len(stdout) == 2048


def test_what_a_plugin_quotes_of_the_payload_is_told_without_secrets(tmp_path):
    problem = Problem(ErrorCode.PAYLOAD_FAILED, "it wrote: cannot use tok-secret", payload_code=7)
    reporting, slot, _ = scene(tmp_path, problem=problem, phase=Phase.REPORTING)
    reporting.write_final(slot)
    assert json.loads(slot.final)["pilot_error_diag"] == "it wrote: cannot use ********"
    assert "tok-secret" not in slot.final


@pytest.mark.parametrize(("ran_on", "told"), [("", "here"), ("here", "here"), ("there", "there")])
def test_reports_name_the_node_on_which_the_payload_ran(tmp_path, ran_on, told):
    reporting, slot, _ = scene(tmp_path, phase=Phase.REPORTING)
    reporting._means = reporting._means._replace(facts=Facts("here", cpu_model="fast"))
    slot.node = ran_on
    reporting.write_final(slot)
    assert json.loads(slot.final)["node"] == json.loads(reporting.running(slot).text)["node"] == told
    assert ("fast" in slot.final) is (told == "here")


@pytest.mark.parametrize(("announced", "told"), [(True, 1137), (False, -1137)])
def test_a_server_that_is_ours_is_told_numbers_as_they_are(tmp_path, announced, told):
    reporting, slot, _ = scene(
        tmp_path, announced, phase=Phase.REPORTING, problem=Problem(ErrorCode.STAGE_OUT_FAILED, "no")
    )
    slot.job = slot.job.evolve(spec=replace(slot.job.spec, transformation="https://panda.example/trf/run"))
    reporting.write_final(slot)
    assert json.loads(slot.final)["pilot_error_code"] == told
