"""A file system that hangs holds up nobody who fills in a form."""

from __future__ import annotations

import threading

from server.production.wizard.folders import is_folder


def test_a_folder_is_there_or_not(tmp_path):
    (tmp_path / "file").touch()
    found = [is_folder(str(path)) for path in (tmp_path, tmp_path / "file", tmp_path / "none", f"{tmp_path}/\0")]
    assert found == [True, False, False, False]


def test_one_that_hangs_is_given_up_and_asked_a_bounded_number_of_times_until_it_answers(tmp_path):
    answers, asked = threading.Event(), []

    def hangs(path: str) -> bool:
        asked.append(path)
        return answers.wait(30)

    assert [is_folder("/cvmfs", look=hangs, patience=0.01) for _ in range(20)] == [None] * 20
    assert len(asked) <= 4
    answers.set()
    assert is_folder(str(tmp_path), patience=10) is True
