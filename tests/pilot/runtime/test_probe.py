"""Folders asked by a real program, one that hangs among them."""

from __future__ import annotations

import time

from pilot.runtime.probe import answers


def test_a_folder_that_answers_has_nothing_wrong(tmp_path):
    assert answers([str(tmp_path), "/"], 10) == {str(tmp_path): "", "/": ""}


def test_a_folder_that_is_not_there_is_told_in_the_systems_words(tmp_path):
    gone = str(tmp_path / "nothing")
    assert "No such file" in answers([gone], 10)[gone]


def test_what_hangs_hangs_nobody_else(tmp_path):
    began = time.monotonic()
    found = answers(["60", "0"], 1.5, program=("sleep",))
    assert found == {"60": "does not answer within 1.5 s", "0": ""}
    assert time.monotonic() - began < 30


def test_all_are_asked_at_the_same_time(tmp_path):
    names = [str(tmp_path / name) for name in "abc"]
    waits_for_all = f'touch "$0"; until [ -e {" ] && [ -e ".join(names)} ]; do sleep 0.02; done'
    assert set(answers(names, 60, program=("sh", "-c", waits_for_all)).values()) == {""}


def test_a_program_that_says_nothing_is_told_by_its_status():
    assert answers(["x"], 10, program=("false",)) == {"x": "status 1"}


def test_a_program_that_is_not_there_is_told():
    assert answers(["x"], 10, program=("/no/such/program",)) == {"x": "/no/such/program: No such file or directory"}
