from __future__ import annotations

from pilot.check.finding import bad, doubtful, good, lines, status_of
from pilot.contract.codes import ErrorCode
from pilot.contract.exit_codes import ExitCode

FINDINGS = [
    good("disk", "82 GB"),
    doubtful("clock", "8 s behind", "set it"),
    bad("work folder", "/x: no", ErrorCode.MKDIR),
    bad("server", "gone", ErrorCode.COMMUNICATION_FAILURE, "start it"),
]


def test_each_finding_is_a_line_in_columns_and_the_bad_ones_are_seen():
    assert list(lines(FINDINGS)) == [
        "ok    disk         82 GB",
        "warn  clock        8 s behind; set it",
        f"FAIL  work folder  /x: no; {ErrorCode.MKDIR.advice}",
        "FAIL  server       gone; start it",
    ]
    assert list(lines([])) == []


def test_the_exit_status_is_that_of_the_first_bad_thing():
    assert status_of(FINDINGS) == ExitCode.MKDIR
    assert status_of(FINDINGS[:2]) == ExitCode.OK


def test_json_holds_the_number_and_the_name_of_the_error():
    assert FINDINGS[3].as_dict() == {
        "level": "FAIL",
        "what": "server",
        "value": "gone",
        "advice": "start it",
        "code": 1318,
        "error": "COMMUNICATION_FAILURE",
    }
    assert FINDINGS[0].as_dict()["code"] is None
