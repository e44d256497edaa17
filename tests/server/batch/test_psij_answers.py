"""Answers of the commands that psij asks, cut into jobs; they are written as the systems' documentation has them."""

from __future__ import annotations

import json

import pytest

from server.batch.psij_answers import Piece, cut, is_held, only_gone

PBS = {
    "timestamp": 1479277336,
    "pbs_version": "20.0.1",
    "pbs_server": "server",
    "Jobs": {
        "1.server": {"Job_Name": "x", "job_state": "Q", "comment": "Not Running: Not enough free nodes available"},
        "2.server": {"Job_Name": "x", "job_state": "R"},
        "3.server": {"Job_Name": "x", "job_state": "F", "Exit_status": 271, "comment": "Job run at Mon Nov 2"},
        "4.server": {"Job_Name": "x", "job_state": "H"},
    },
}
LSF = {
    "COMMAND": "bjobs",
    "JOBS": 3,
    "RECORDS": [
        {"JOBID": "1", "STAT": "RUN", "EXIT_REASON": "", "KILL_REASON": "", "SUSPEND_REASON": ""},
        {"JOBID": "2", "STAT": "EXIT", "EXIT_REASON": "TERM_OWNER: job killed by owner", "KILL_REASON": "by me"},
        {"JOBID": "3", "ERROR": "Job <3> is not found"},
        {"JOBID": "4", "STAT": "PSUSP", "EXIT_REASON": "", "KILL_REASON": "", "SUSPEND_REASON": "by its owner"},
    ],
}
SLURM = """JOBARRAYID          ST                  REASON
7                   PD                  Resources
8                   F                   RaisedSignal:9(Kille
9                   PD                  JobHeldUser
10_4                CD                  None
11                  PD                  launch failed requeu
"""
COBALT = "JobID: 12345\n    State             : running\n\nJobID: 12346\n    State             : user_hold\n"


def told(executor, text):
    return [(piece.native, piece.code, piece.words, is_held(executor, piece)) for piece in cut(executor, text)]


@pytest.mark.parametrize("executor", ["pbs", "pbs_classic"])
def test_jobs_of_pbs(executor):
    assert told(executor, json.dumps(PBS)) == [
        ("1.server", "Q", "Not Running: Not enough free nodes available", False),
        ("2.server", "R", "", False),
        ("3.server", "F", "", False),
        ("4.server", "H", "", True),
    ]
    assert json.loads(cut(executor, json.dumps(PBS))[1].text) == {"Jobs": {"2.server": PBS["Jobs"]["2.server"]}}


@pytest.mark.parametrize(
    ("said", "status", "words"), [(0, 0, ""), (7, 7, ""), (271, 143, ""), (265, 137, ""), (-3, None, "Exit_status -3")]
)
def test_how_a_job_of_pbs_has_ended(said, status, words):
    (piece,) = cut("pbs", json.dumps({"Jobs": {"1.server": {"job_state": "F", "Exit_status": said}}}))
    assert (piece.status, piece.words) == (status, words)


def test_a_pbs_without_jobs_answers_none():
    assert cut("pbs", '{"timestamp": 1, "pbs_server": "server"}') == []


def test_jobs_of_lsf_come_with_their_reasons_which_psij_could_not_read():
    assert told("lsf", json.dumps(LSF)) == [
        ("1", "RUN", "", False),
        ("2", "EXIT", "TERM_OWNER: job killed by owner; by me", False),
        ("4", "PSUSP", "by its owner", True),
    ]
    read = json.loads(cut("lsf", json.dumps(LSF))[1].text)["RECORDS"]
    assert read == [{"JOBID": "2", "STAT": "EXIT", "EXIT_REASON": "", "KILL_REASON": "", "SUSPEND_REASON": ""}]


def test_jobs_of_slurm_come_with_reasons_of_any_shape():
    assert told("slurm", SLURM) == [
        ("7", "PD", "Resources", False),
        ("8", "F", "RaisedSignal:9(Kille", False),
        ("9", "PD", "JobHeldUser", True),
        ("10_4", "CD", "", False),
        ("11", "PD", "launch failed requeu", False),
    ]


def test_jobs_of_cobalt():
    assert told("cobalt", COBALT) == [("12345", "running", "", False), ("12346", "user_hold", "", True)]


@pytest.mark.parametrize(
    ("executor", "text"),
    [("pbs", "{"), ("pbs", "[]"), ("pbs", '{"Jobs": {"1": {}}}'), ("lsf", "{}"), ("slurm", "JOBARRAYID\nword")],
)
def test_what_is_no_such_answer_is_refused(executor, text):
    with pytest.raises(ValueError, match=".+"):
        cut(executor, text)


@pytest.mark.parametrize("executor", ["pbs", "lsf", "slurm", "cobalt"])
def test_no_answer_has_no_jobs(executor):
    assert cut(executor, "\n") == []


@pytest.mark.parametrize(
    ("errors", "only"),
    [
        ("", True),
        (
            "qstat: Unknown Job Id 5.server\nqstat: 6.server Job has finished, use -x or -H to obtain historical job\n",
            True,
        ),
        ("Job <3> is not found\nJob <7>: No matching job found\n", True),
        ("qdel: Request invalid for state of job 5.server", True),
        ("Job <4>: Job has already finished", True),
        ("qstat: cannot connect to server server (errno=15007)", False),
        ("qstat: Unknown Job Id 5.server\nPermission denied", False),
        ("LSF is down. Please wait ...", False),
        ("sh: 1: qstat.bin: not found", False),
    ],
)
def test_errors_that_tell_of_jobs_that_are_gone_are_told_from_others(errors, only):
    assert only_gone(errors) is only


def test_a_state_is_held_by_its_letters():
    assert is_held("slurm", Piece("1", "RH", "", ""))
    assert not is_held("pbs", Piece("1", "S", "", ""))
