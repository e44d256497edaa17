"""What failing programs print, as they print it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from pilot.contract.codes import ErrorCode
from pilot.user import signs


def said(folder, text):
    (folder / "err").write_text(text)
    return folder / "err"


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("terminate called after throwing an instance of 'std::bad_alloc'\n", ErrorCode.BAD_ALLOC, "std::bad_alloc"),
        ("sh: 1: Cannot fork: Cannot allocate memory\n", ErrorCode.BAD_ALLOC, "Cannot allocate memory"),
        ("dd: writing 'x': No space left on device\n", ErrorCode.NO_LOCAL_SPACE, "No space left on device"),
        ("cp: error writing 'x': Disk quota exceeded\n", ErrorCode.NO_LOCAL_SPACE, "Disk quota exceeded"),
        (
            "coral: error while loading shared libraries: libCore.so.6.24: cannot open shared object file: x\n",
            ErrorCode.SETUP_FAILURE,
            "libCore.so.6.24: cannot open shared object file",
        ),
        ("phast: /lib64/libc.so.6: version `GLIBC_2.34' not found (x)\n", ErrorCode.SETUP_FAILURE, "`GLIBC_2.34'"),
    ],
)
def test_a_known_cause_is_told_with_the_text_that_says_so(tmp_path, text, code, words):
    problem = signs.problem_in(said(tmp_path, f"noise\n{text}more noise\n"))
    assert problem.code is code
    assert words in problem.detail


def test_what_nobody_knows_is_no_sign(tmp_path):
    assert signs.problem_in(said(tmp_path, "all is well\n")) is None
    assert signs.problem_in(tmp_path / "absent") is None


def test_a_cause_counts_before_what_it_led_to(tmp_path):
    text = "std::bad_alloc\nlibX.so: cannot open shared object file\nNo space left on device\n"
    assert signs.problem_in(said(tmp_path, text)).code is ErrorCode.NO_LOCAL_SPACE


def test_what_python_raised_is_found_as_python_writes_it(tmp_path):
    script = "try:\n    {}['x']\nexcept KeyError as wrong:\n    raise ValueError('no runs') from wrong\n"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert signs.raised_in(said(tmp_path, f"noise\n{done.stderr}")) == "ValueError: no runs"
    assert signs.raised_in(said(tmp_path, "Error: no traceback\n")) == ""


@pytest.mark.parametrize(
    ("text", "code", "payload_code"),
    [
        ('{"error_code": 1305, "error_diag": "x"}', ErrorCode.PAYLOAD_FAILED, 0),
        ('{"error_code": "1223"}', ErrorCode.BAD_ALLOC, 0),
        ('{"error_code": 65, "error_diag": "x"}', ErrorCode.PAYLOAD_FAILED, 65),
    ],
)
def test_a_payloads_own_report_is_heard(tmp_path, text, code, payload_code):
    (tmp_path / signs.REPORT).write_text(text)
    problem = signs.own_report(tmp_path)
    assert (problem.code, problem.payload_code) == (code, payload_code)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        '{"error_code": "x"}',
        '{"error_code": 0}',
        '{"error_code": []}',
        "{",
        '{"error_code": 1e999}',
        "[" * 60000,
        '{"error_code": 4294967296}',
    ],
)
def test_a_report_that_says_nothing_is_passed_over(tmp_path, text):
    (tmp_path / signs.REPORT).write_text(text)
    assert signs.own_report(tmp_path) is None
    assert signs.own_report(tmp_path / "absent") is None


def test_a_report_is_told_in_one_line(tmp_path):
    (tmp_path / signs.REPORT).write_text(json.dumps({"error_code": 7, "error_diag": "a\nb\x1b"}))
    assert signs.own_report(tmp_path).detail == "the payload reports error 7: a b"


def test_a_pipe_in_the_reports_place_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / signs.REPORT)
    assert signs.own_report(tmp_path) is None
