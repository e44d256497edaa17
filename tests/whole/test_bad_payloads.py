"""Payloads that fail in the middle of a task: what the production makes of each, and what a person is told."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from pilot.contract.payload_codes import MEANINGS, PayloadCode
from tests.server.manage.running import command

pytestmark = pytest.mark.one_python

#: The program, but chunk 1 finds no events, chunk 2 finds no database, and chunk 3 is killed the first time.
PROGRAM = """#!/bin/sh
case "$*" in
    *--chunk\\ 1*) set -- "$@" --fail no-events ;;
    *--chunk\\ 2*) set -- "$@" --fail cdb ;;
    *--chunk\\ 3*) if mkdir "{folder}/killed" 2>/dev/null; then set -- "$@" --fail killed; fi ;;
esac
exec "{program}" "$@"
"""


@pytest.mark.campaign
def test_a_failed_payload_goes_to_a_person_or_is_tried_again_and_the_demo_says_no(local_system, tmp_path):
    system, programs = local_system(), tmp_path / "programs"
    programs.mkdir()
    text = PROGRAM.format(folder=tmp_path, program=Path(sys.executable).with_name("compass-mc"))
    (programs / "compass-mc").write_text(text)
    (programs / "compass-mc").chmod(0o755)
    assert system.up()[0] == 0
    words = ["init", "--local-queue", "LOCAL", "--storage", str(system.home / "storage"), "--programs", str(programs)]
    assert command(system.home / "server", *words).returncode == 0
    status, out, said = system.call(*system.demo_words(chunks=3))
    summary = json.loads(out)
    assert (status, summary["verdict"]) == (1, "no"), said
    chunks = "SELECT number, state, words FROM production_chunk WHERE events_ordered IS NOT NULL"
    rows = {number: rest for number, *rest in system.rows.read(chunks)}
    no_events, no_database = MEANINGS[PayloadCode.NO_EVENTS], MEANINGS[PayloadCode.NO_CALIBRATION_DB]
    assert rows[1][0] == "manual_check"
    assert no_events.words in rows[1][1]
    assert no_events.advice in rows[1][1]
    assert rows[2][0] == "failed"
    assert no_database.words in rows[2][1]
    assert rows[3][0] == "finished"
    assert system.rows.count("SELECT MAX(attempt) FROM taskbuffer_job WHERE state = 'finished'") == 2
    for number in (1, 2):
        assert any(f"chunk {number}: " in trouble and rows[number][1] in trouble for trouble in summary["troubles"])
