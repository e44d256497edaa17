from __future__ import annotations

import re

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, JobSpec, Program, Role
from pilot.contract.queue import QueueData
from pilot.control import requirements
from pilot.control.requirements import Room

GB = 2**30


def job(**more):
    return JobSpec(**{"id": 7, "attempt": 1, "transformation": "true", **more})


def output(lfn="out.root", **more):
    return FileSpec(lfn, Role.OUTPUT, **more)


def test_a_usual_job_is_complete():
    assert requirements.complete(job(outputs=(output(dataset="a/b"),), arguments=("x\ny",))) is None


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"transformation": "  "}, "transformation"),
        ({"transformation": "run\nrm"}, "transformation"),
        ({"arguments": ("a", "b\0c")}, "argument 2 holds a NUL"),
        ({"preprocess": Program("")}, "transformation: ''"),
        ({"transformation": "http://a/run.sh", "postprocess": Program("http://b/run.sh")}, "the same file name"),
        ({"outputs": (output(dataset="../up"),)}, r"output out\.root: dataset"),
        ({"inputs": (FileSpec("in", Role.INPUT, scope="a/.."),)}, "input in: scope"),
        (
            {"transformation": "http://a/trf/run.sh", "outputs": (output("run.sh"),)},
            "output run.sh: the transformation",
        ),
    ],
)
def test_what_would_fail_after_hours_is_refused_at_once(fields, words):
    objection = requirements.complete(job(**fields))
    assert objection.code is ErrorCode.BAD_JOB_DEFINITION
    assert re.search(words, objection.detail)


def test_a_job_as_large_as_the_slot_fits():
    assert requirements.fits(job(memory=2 * GB, cores=8), Room(memory=2 * GB, cores=8)) is None


@pytest.mark.parametrize(
    ("fields", "words"), [({"memory": 3 * GB}, "3072 MB of memory, the slot has 2048 MB"), ({"cores": 9}, "9 cores")]
)
def test_a_job_that_is_larger_than_the_slot_is_refused_with_both_numbers(fields, words):
    objection = requirements.fits(job(**fields), Room(memory=2 * GB, cores=8))
    assert objection.code is ErrorCode.NODE_TOO_SMALL
    assert objection.code.passes
    assert words in objection.detail


def test_what_nobody_knows_is_not_compared():
    assert requirements.fits(job(memory=2**50, cores=1000), Room()) is None


def test_a_job_needs_the_disk_that_it_asks_for():
    assert requirements.has_disk(job(disk=GB), Room(free_disk=GB)) is None
    objection = requirements.has_disk(job(disk=GB), Room(free_disk=GB - 1))
    assert objection.code is ErrorCode.NO_LOCAL_SPACE
    assert "maxDiskCount: the job asks for 1024 MB of disk, 1023 MB are free" in objection.detail


@pytest.mark.parametrize(
    ("appdir", "folder"),
    [("/sw", "/sw"), ("/cvmfs/a/sw|nightlies^/cvmfs/b", "/cvmfs/a/sw"), ("", ""), ("relative", "")],
)
def test_the_software_lies_in_the_first_folder_of_appdir(appdir, folder):
    assert requirements.software_folder(QueueData("Q", appdir=appdir)) == folder


@pytest.mark.parametrize(
    ("folder", "there", "mounted", "code"),
    [
        ("", False, False, None),
        ("/sw", True, True, None),
        ("/sw", False, True, ErrorCode.NO_SOFTWARE_DIR),
        ("/cvmfs/compass.cern.ch/sw", False, True, ErrorCode.NO_SOFTWARE_DIR),
        ("/cvmfs/compass.cern.ch/sw", False, False, ErrorCode.CVMFS_NOT_ALIVE),
    ],
)
def test_missing_software_is_told_from_a_repository_that_is_not_mounted(folder, there, mounted, code):
    objection = requirements.software(QueueData("Q", appdir=folder), folder, there, mounted)
    assert (objection and objection.code) == code
    if code:
        assert f"appdir of queue Q: {folder}" in objection.detail
