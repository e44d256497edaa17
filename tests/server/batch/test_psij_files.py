"""The folder that a server shares with the nodes of a system that psij speaks with."""

from __future__ import annotations

import os

import pytest

from server.batch.base import BatchFailed, Template
from server.batch.psij_files import Shared, holding


@pytest.fixture
def shared(tmp_path):
    return Shared(tmp_path / "shared", tmp_path / "locks")


@pytest.fixture
def submission(shared):
    found = shared.submission("key")
    found.write(Template("key", ("/bin/true",), {}), 3)
    return found


def test_who_holds_a_submission_is_the_only_one(tmp_path):
    lock = tmp_path / "locks/key"
    still = pytest.raises(BatchFailed, match="key: is still being submitted")
    with holding(lock, "key"), still, holding(lock, "key"):
        pass
    with holding(lock, "key") as door:
        assert os.fstat(door).st_size == 0


def test_what_jobs_need_can_be_read_by_its_user_alone(shared, tmp_path):
    (tmp_path / "token").write_text("abc")
    (tmp_path / "program").write_text("#!/bin/sh")
    (tmp_path / "program").chmod(0o755)
    submission = shared.submission("key")
    files = {"token": tmp_path / "token", "run": tmp_path / "program"}
    submission.write(Template("key", ("/bin/true",), {}, files=files), 1)
    modes = {
        name: (submission.home / name).stat().st_mode & 0o777 for name in ("files/token", "files/run", "order.json")
    }
    assert modes == {"files/token": 0o600, "files/run": 0o700, "order.json": 0o600}
    assert submission.home.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".."])
def test_a_name_of_a_file_that_leads_elsewhere_is_refused_before_anything_is_written(shared, tmp_path, name):
    submission = shared.submission("key")
    with pytest.raises(BatchFailed, match="cannot be the name of a file"):
        submission.write(Template("key", ("/bin/true",), {}, files={name: tmp_path}), 1)
    assert not submission.home.exists()


def test_a_job_is_taken_given_up_or_open_for_ever(submission):
    assert submission.open_numbers() == [0, 1, 2]
    assert submission.accept(0, "7.server")
    submission.give_up()
    assert not submission.accept(1, "8.server")
    assert (submission.taken(), submission.open_numbers()) == ({0: "key/0"}, [])
    assert [submission.native(number) for number in (0, 1, 9)] == ["7.server", "", None]


def test_a_job_that_was_quicker_than_the_answer_is_known_by_the_answers_name(submission):
    (submission.home / "part-0").write_text("7.server.domain")
    assert submission.accept(0, "7.server")
    assert submission.native(0) == "7.server"


def test_only_answers_of_jobs_that_are_open_are_read(submission):
    for number, text in enumerate(("7.server\n", "", "9.server\n")):
        (submission.home / f"said-{number}").write_text(text)
    submission.accept(0, "7.server")
    assert submission.answers() == {2: "9.server\n"}


def test_files_go_with_the_last_job(submission, shared, tmp_path):
    for number in (0, 1):
        submission.accept(number, f"{number}.server")
    submission.give_up()
    (submission.home / "0").mkdir()
    (submission.home / "batch").mkdir()
    (submission.home / "batch/0.server.out").touch()
    submission.forget({0: "0.server"})
    assert not (submission.home / "0").exists()
    assert list((submission.home / "batch").iterdir()) == []
    submission.forget({1: "1.server"})
    assert not submission.home.exists()
    submission.forget({1: "1.server"})


def test_what_was_given_up_goes_after_a_day(submission, shared):
    submission.give_up()
    shared.close(submission)
    assert not (submission.home / "files").exists()
    now = (shared.root / "closed/key").stat().st_mtime
    shared.sweep(now + 86000)
    assert submission.home.exists()
    shared.sweep(now + 86500)
    assert not submission.home.exists()
    assert list((shared.root / "closed").iterdir()) == []


def test_a_submission_that_broke_before_it_was_written_has_no_jobs(shared):
    submission = shared.submission("broken")
    submission.home.mkdir(parents=True)
    assert (list(submission.numbers()), submission.taken()) == ([], {})
