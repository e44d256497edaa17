"""The table of codes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, Role
from pilot.copytool.base import CopyFailed, FailureKind
from pilot.copytool.failures import CODES, PASSING, Direction, job_failure, passes, together
from pilot.errors import JobFailed

FILE = FileSpec("f", Role.INPUT)


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("kind", [*FailureKind, None])
def test_every_kind_has_a_code_in_both_directions(kind, direction):
    failed = job_failure(CopyFailed(kind, "words"), direction, FILE, needed=7)
    assert failed.code is CODES[kind, direction]
    assert failed.detail == "f: words"
    assert failed.facts == {"lfn": "f", "needed": 7}


def test_a_wrong_md5_of_an_input_has_its_own_code():
    file = FileSpec("f", Role.INPUT, checksum="md5:00")
    assert job_failure(CopyFailed(FailureKind.CHECKSUM, ""), Direction.IN, file).code is ErrorCode.GET_MD5_MISMATCH


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (FailureKind.UNREACHABLE, True),
        (FailureKind.TIMEOUT, True),
        (FailureKind.CHECKSUM, True),
        (None, True),
        (FailureKind.NO_SUCH_FILE, False),
        (FailureKind.PERMISSION, False),
        (FailureKind.AUTHENTICATION, False),
        (FailureKind.NO_SPACE, False),
        (FailureKind.EXISTS, False),
    ],
)
def test_only_what_may_pass_is_worth_another_try(kind, expected):
    assert passes(CopyFailed(kind, "")) is expected


def documented():
    """Read the table of kinds from the explanation: (code of an input, code of an output, tried again) by kind."""
    page = Path(__file__).parents[3] / "doc" / "explanation" / "data.md"
    rows = re.findall(r"^\| ([a-z -]+) \| (\d+) \| (\d+) \| (yes|no) \|$", page.read_text(), re.MULTILINE)
    return {kind: (int(came), int(went), again == "yes") for kind, came, went, again in rows}


def test_the_explanation_says_what_the_table_says():
    said = {
        "not known" if kind is None else kind.value: (
            int(CODES[kind, Direction.IN]),
            int(CODES[kind, Direction.OUT]),
            kind in PASSING,
        )
        for kind in (*FailureKind, None)
    }
    assert documented() == said


def lost(lfn, code=ErrorCode.MISSING_INPUT):
    return JobFailed(code, f"{lfn}: gone", lfn=lfn)


def test_a_failure_of_one_file_stands_for_itself():
    failed = lost("a")
    assert together([failed], 9) is failed


def test_of_several_the_first_gives_the_code_and_the_others_are_named():
    failed = together([lost("a"), lost("b", ErrorCode.NO_LOCAL_SPACE), lost("c")], 9)
    assert failed.code is ErrorCode.MISSING_INPUT
    assert failed.detail == "a: gone; 3 of 9 files failed, also b, c"
    assert failed.facts == {"lfn": "a", "lfns": ("a", "b", "c")}


def test_what_was_given_up_hides_no_failure():
    failed = together([lost("a", ErrorCode.COPY_CANCELLED), lost("b")], 2)
    assert failed.code is ErrorCode.MISSING_INPUT
    assert failed.detail == "b: gone; 2 of 2 files failed"


def test_of_very_many_some_are_named():
    failed = together([lost(str(number)) for number in range(100)], 100)
    assert failed.detail.endswith("100 of 100 files failed, also " + ", ".join(map(str, range(1, 21))) + " and 79 more")
    assert len(failed.facts["lfns"]) == 100


def test_what_a_tool_says_loses_the_secrets_of_addresses():
    failed = CopyFailed(None, "https://me:s3cret@storage/a?X-Amz-Signature=s3cret refused it")
    assert failed.words == str(failed) == "https://***@storage/a?*** refused it"
    assert "s3cret" not in str(job_failure(failed, Direction.OUT, FILE))
