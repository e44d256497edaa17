"""How COMPASS's programs fail: each sign, where it stands, and which one counts."""

from __future__ import annotations

import time

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.contract.payload_codes import MEANINGS, PayloadCode
from pilot.job import PayloadOutcome
from pilot.user import compass

P, E = PayloadCode, ErrorCode

ERR = [
    ("can't connect to CDB database", P.NO_CALIBRATION_DB, E.PAYLOAD_FAILED),
    ("coral.exe: error while loading shared libraries: libXrdPosix.so", P.LIBRARY_MISSING, E.PAYLOAD_FAILED),
    ("Lost connection to MySQL server during query", P.CALIBRATION_DB_LOST, E.PAYLOAD_FAILED),
    ("Chip::ReadMaps: std::exception", P.BAD_MAPS, E.PAYLOAD_FAILED),
    ("DaqEventsManager::NextDataSource(): Can not open file cdr12-1.raw", P.INPUT_NOT_OPENED, E.PAYLOAD_FAILED),
    (
        "Error in <TFile::ReadBuffer>: error reading all requested bytes from file a.root, got 5 of 9",
        P.INPUT_NOT_READ,
        E.PAYLOAD_FAILED,
    ),
    ("_LEDinSpills empty string from calib file", P.EMPTY_CALIBRATION, E.PAYLOAD_FAILED),
    ("Exception in readCalibration() of GM01: bad line 17", P.BAD_CALIBRATION_LINE, E.PAYLOAD_FAILED),
    ("TLattice::TLattice: Cannot Allocate 1610612736 Bytes in Memory!", P.CANNOT_ALLOCATE, E.BAD_ALLOC),
    ("DaqEventsManager::GetEvent(): no event", P.NO_EVENTS, E.PAYLOAD_FAILED),
    ("run.sh: line 5: 11 Segmentation fault (core dumped) coral.exe mc.opt", P.CORE_DUMP, E.CORE_DUMP),
    ("run.sh: line 5: 11 Killed          /sw/coral.exe mc.opt", P.KILLED, E.PAYLOAD_SIGNALLED),
    ("Aborted                 coral.exe mc.opt", P.ABORTED, E.PAYLOAD_FAILED),
]
OUT = [
    ("A FATAL ERROR APPEARED", P.FATAL_ERROR, E.PAYLOAD_FAILED),
    ("Abnormal job termination. Exception #2 had been caught", P.ABNORMAL_END, E.PAYLOAD_FAILED),
    ("CORAL exiting with return code -3", P.CORAL_EXIT_3, E.PAYLOAD_FAILED),
]


def diagnose(
    folder, *, status=0, out="End of Job\n", err="", kind="mcreco", killed_by=None, program="coral.exe", **more
):
    (folder / "o").write_text(out)
    (folder / "e").write_text(err)
    ended = PayloadOutcome(status, killed_by, folder, folder / "o", folder / "e", **more)
    spec = JobSpec(id=7, attempt=1, transformation=program, processing_type=kind)
    return compass.diagnose_payload(spec=spec, outcome=ended)


@pytest.mark.parametrize(("line", "code", "pilot_code"), ERR)
@pytest.mark.parametrize("status", [0, 1])
def test_a_sign_in_the_error_output_is_a_diagnosis(tmp_path, line, code, pilot_code, status):
    problem = diagnose(tmp_path, status=status, err=f"before\n{line}\nafter\n")
    assert (problem.payload_code, problem.code) == (int(code), pilot_code)
    assert line in problem.detail
    assert "before" not in problem.detail


@pytest.mark.parametrize(("line", "code", "pilot_code"), OUT)
@pytest.mark.parametrize("status", [0, 253])
def test_a_sign_in_the_output_is_a_diagnosis(tmp_path, line, code, pilot_code, status):
    problem = diagnose(tmp_path, status=status, out=f"before\n{line}\nEnd of Job\n")
    assert (problem.payload_code, problem.code) == (int(code), pilot_code)


@pytest.mark.parametrize("line", [line for line, _, _ in ERR])
def test_signs_of_the_error_output_mean_nothing_in_the_output(tmp_path, line):
    assert diagnose(tmp_path, out=f"{line}\nEnd of Job\n") is None


@pytest.mark.parametrize("line", ["Killed 3 tracks", "(core dumped) somebody-else", "Aborted", "GetEvent(): no events"])
def test_what_only_looks_like_a_sign_is_none(tmp_path, line):
    assert diagnose(tmp_path, err=f"{line}\n") is None


def test_the_cause_counts_before_what_follows_from_it(tmp_path):
    lines = [
        "Aborted (core dumped) coral.exe",
        "can't connect to CDB database",
        "DaqEventsManager::GetEvent(): no event",
    ]
    for order in (lines, lines[::-1]):
        assert diagnose(tmp_path, err="\n".join(order)).payload_code == P.NO_CALIBRATION_DB
    found = diagnose(tmp_path, out="A FATAL ERROR APPEARED\n", err="_LEDinSpills empty string from calib file\n")
    assert found.payload_code == P.EMPTY_CALIBRATION


MARKED = ["mcreco", "merge-mdst", "merge-hist", "merge-dump"]


@pytest.mark.parametrize("kind", MARKED)
def test_a_job_without_its_end_marker_has_failed(tmp_path, kind):
    problem = diagnose(tmp_path, kind=kind, out="100 events had been written to miniDST\n")
    assert (problem.code, problem.payload_code) == (E.PAYLOAD_FAILED, P.NO_END_OF_JOB)
    assert "End of Job" in problem.detail
    assert diagnose(tmp_path, kind=kind) is None


def test_filtering_has_a_marker_of_its_own(tmp_path):
    assert diagnose(tmp_path, kind="ddd").payload_code == P.NO_END_OF_JOB
    assert diagnose(tmp_path, kind="ddd", out="End of the decoding!\n") is None


@pytest.mark.parametrize("kind", ["mcgen", "", "user-analysis"])
def test_other_jobs_need_no_marker(tmp_path, kind):
    assert diagnose(tmp_path, kind=kind, out="") is None


def test_a_status_says_enough_without_the_marker(tmp_path):
    assert diagnose(tmp_path, status=1, out="") is None
    assert diagnose(tmp_path, status=None, killed_by=15, out="") is None


@pytest.mark.parametrize(
    ("number", "code"), [(9, P.KILLED), (6, P.ABORTED), (11, P.CORE_DUMP), (7, P.CORE_DUMP), (8, P.CORE_DUMP)]
)
@pytest.mark.parametrize("shell", [False, True])
def test_a_signal_without_words_has_the_number_that_a_shells_words_would_have(tmp_path, number, code, shell):
    how = {"status": 128 + number} if shell else {"status": None, "killed_by": number}
    problem = diagnose(tmp_path, out="", err="event 17\n", **how)
    assert (problem.code, problem.payload_code) == (E.PAYLOAD_SIGNALLED, code)
    assert "last words: event 17" in problem.detail
    assert diagnose(tmp_path, out="", kind="something else", **how) is None


def test_a_program_that_was_stopped_because_its_time_was_over_was_not_just_killed(tmp_path):
    assert diagnose(tmp_path, status=None, killed_by=9, out="", late=True) is None


@pytest.mark.parametrize(("line", "code", "pilot_code"), [*ERR, *OUT])
def test_a_diagnosis_says_what_to_do(tmp_path, line, code, pilot_code):
    assert diagnose(tmp_path, out=f"{line}\n", err=f"{line}\n").detail.endswith(MEANINGS[code].advice)


def test_a_reconstruction_that_wrote_no_event_has_failed_though_it_ended_well(tmp_path):
    out = "5 events had been written to miniDST\n0 events had been written to miniDST\nEnd of Job\n"
    assert diagnose(tmp_path, out=out).payload_code == P.ZERO_EVENTS
    assert diagnose(tmp_path, out=out, program="compass-mc") is None
    assert diagnose(tmp_path, out=out, kind="merge-mdst") is None


def test_signs_are_found_in_any_block_of_a_large_output(tmp_path):
    noise = "x" * 80 + "\n"
    text = noise * 40_000 + "CORAL exiting with return code -3\n" + noise * 20_000
    assert diagnose(tmp_path, out=text).payload_code == P.CORAL_EXIT_3


def test_a_long_line_is_cut_and_cleaned(tmp_path):
    problem = diagnose(tmp_path, err="can't connect to CDB database \x1b[0m" + "y" * 500)
    assert "y...; " in problem.detail
    assert len(problem.detail) < 400
    assert "\x1b" not in problem.detail


def test_what_other_programs_print_is_no_failure_of_theirs(tmp_path):
    assert diagnose(tmp_path, kind="", err="Aborted the old transaction\n") is None
    assert diagnose(tmp_path, kind="", err="Aborted the old transaction\n", status=1).payload_code == P.ABORTED


def test_lines_without_end_are_read_in_time(tmp_path):
    words = "coral.exe: event\rKilled (core dumped) Exception in readCalibration()\r"
    began = time.process_time()
    assert diagnose(tmp_path, err="coral.exe: event\r" * 100_000) is None
    assert diagnose(tmp_path, err=(words.replace("coral.exe", "x") * 20_000)) is None
    assert time.process_time() - began < 5
    assert diagnose(tmp_path, err="x" * 2_000_000 + words).payload_code == P.CORE_DUMP
