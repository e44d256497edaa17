"""The table of codes."""

from __future__ import annotations

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, Role
from pilot.copytool.base import CopyFailed, FailureKind
from pilot.copytool.failures import CODES, Direction, job_failure, passes

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
