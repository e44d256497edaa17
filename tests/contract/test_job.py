from __future__ import annotations

import dataclasses

import pytest

from pilot.contract.job import FileSpec, JobSpec, Role

LOG = FileSpec("l", Role.LOG)
JOB = JobSpec(7, 2, "true", inputs=(FileSpec("i", Role.INPUT),), outputs=(FileSpec("o", Role.OUTPUT),), log=LOG)


def test_a_job_lists_its_files_inputs_first_and_log_last():
    assert [file.lfn for file in JOB.files] == ["i", "o", "l"]
    assert JobSpec(7, 2, "true").files == ()


def test_attempts_of_one_job_have_different_keys():
    assert JOB.key == (7, 2)
    assert dataclasses.replace(JOB, attempt=3).key != JOB.key


def test_a_spec_is_never_written_to():
    with pytest.raises(dataclasses.FrozenInstanceError):
        JOB.attempt = 3  # type: ignore[misc]
    assert LOG.evolve(lfn="m") == FileSpec("m", Role.LOG)
    assert LOG.lfn == "l"
    assert hash(JOB) == hash(dataclasses.replace(JOB))
