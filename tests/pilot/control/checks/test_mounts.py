from __future__ import annotations

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.queue import QueueData
from pilot.control.checks.mounts import look, wanted
from tests.pilot.control.checks.situations import situation

GONE = {"mounts": {"/cvmfs/compass.cern.ch": "does not answer within 30 s", "/data": ""}}


def test_a_file_system_that_does_not_answer_twice_in_a_row_ends_the_job():
    first = look(situation(**GONE), None)
    assert (first.problem, first.warning) == (None, "/cvmfs/compass.cern.ch: does not answer within 30 s")
    second = look(situation(**GONE), first.memory)
    assert second.problem.code is ErrorCode.CVMFS_NOT_ALIVE
    assert second.problem.detail == "/cvmfs/compass.cern.ch: does not answer within 30 s"


def test_a_client_that_restarts_in_between_is_forgiven():
    first = look(situation(**GONE), None)
    good = look(situation(mounts={"/cvmfs/compass.cern.ch": ""}), first.memory)
    assert look(situation(**GONE), good.memory).problem is None


@pytest.mark.parametrize(
    ("appdir", "repositories"),
    [
        ("/cvmfs/compass.cern.ch/soft", ("/cvmfs/compass.cern.ch",)),
        ("/cvmfs/compass.cern.ch", ("/cvmfs/compass.cern.ch",)),
        ("/cvmfs/a.b/sw|nightlies^/cvmfs/c.d/sw", ("/cvmfs/a.b",)),
        ("/cvmfs/", ()),
        ("/opt/soft", ()),
        ("", ()),
    ],
)
def test_the_repository_of_the_queues_software_always_has_to_answer(appdir, repositories):
    assert wanted(("/data",), QueueData("Q", appdir=appdir)) == ("/data", *repositories)


def test_a_path_that_is_named_twice_is_asked_once():
    assert wanted(("/cvmfs/a.b",), QueueData("Q", appdir="/cvmfs/a.b/soft")) == ("/cvmfs/a.b",)
