from __future__ import annotations

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.exit_codes import EXIT_OF, ExitCode, exit_code

PANDAS = {
    **{0: "OK", 64: "SITE_OFFLINE", 65: "GENERAL", 66: "MKDIR", 67: "NO_SUCH_FILE", 68: "PROXY", 69: "NO_SPACE"},
    **{70: "EXCEPTION", 71: "QUEUEDATA", 72: "QUEUEDATA_NOT_OK", 73: "SOFTWARE_DIR", 74: "JSON_TIMEOUT"},
    **{75: "BLACK_HOLE", 76: "MIDDLEWARE", 77: "MISSING_INPUT", 78: "QUEUE_NOT_ACTIVE", 79: "COMMUNICATION"},
    **{80: "PROXY_TOO_SHORT", 81: "MAX_TIME", 82: "NO_JOBS", 83: "OFFLINE"},
}


def test_pandas_exit_codes_keep_their_meaning():
    assert {code.value: code.name for code in ExitCode if code.value in PANDAS} == PANDAS


def test_no_exit_code_looks_like_a_signal():
    assert all(0 <= code < 128 for code in ExitCode)


def test_a_pilot_without_errors_exits_with_0():
    assert exit_code([]) == 0


def test_the_first_error_decides():
    assert exit_code([ErrorCode.NO_LOCAL_SPACE, ErrorCode.NO_PROXY]) == 69


def test_an_error_without_a_row_is_a_failed_job():
    assert ErrorCode.PAYLOAD_FAILED not in EXIT_OF
    assert exit_code(iter([ErrorCode.PAYLOAD_FAILED])) == ExitCode.JOB_FAILED


@pytest.mark.parametrize(("signal", "status"), [(15, 143), (2, 130)])
def test_a_signal_wins(signal, status):
    assert exit_code([ErrorCode.NO_LOCAL_SPACE], signal=signal) == status


@pytest.mark.parametrize("code", ErrorCode, ids=lambda code: code.name)
def test_no_error_exits_as_success(code):
    assert exit_code([code]) not in (ExitCode.OK, ExitCode.USAGE)


def test_every_exit_code_but_those_of_shell_and_wrapper_follows_from_an_error():
    of_others = {ExitCode.OK, ExitCode.FAILURE, ExitCode.USAGE, ExitCode.JSON_TIMEOUT, ExitCode.SILENT}
    assert {ExitCode(exit_code([code])) for code in ErrorCode} == set(ExitCode) - of_others
