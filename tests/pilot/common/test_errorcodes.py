from __future__ import annotations

import pytest

from pilot.common.errorcodes import FIRST_OF_OURS, NAMES, ErrorCodes
from pilot.contract.codes import ErrorCode


def test_every_code_of_pandas_that_we_know_has_pandas_name():
    assert sorted(NAMES.values()) == sorted(int(code) for code in ErrorCode if code < FIRST_OF_OURS)
    assert (ErrorCodes.GENERALERROR, ErrorCodes.STAGEINFAILED, ErrorCodes.PANDAQUEUENOTONLINE) == (1008, 1099, 1386)


def test_our_own_codes_have_their_own_names():
    assert ErrorCodes.BAD_CONFIGURATION == 1900


class HarvestersErrors(ErrorCodes):
    """Built on ours as Harvester builds its own."""

    messages = ErrorCodes._error_messages


def test_a_class_may_be_built_on_it_as_harvester_does():
    assert HarvestersErrors.messages[HarvestersErrors.STAGEINTIMEOUT] == ErrorCode.STAGE_IN_TIMEOUT.words
    assert HarvestersErrors.NOPROXY == 1163


@pytest.mark.parametrize(
    ("code", "words"), [(1099, ErrorCode.STAGE_IN_FAILED.words), (4711, "unknown error code: 4711")]
)
def test_a_code_has_words(code, words):
    assert ErrorCodes().get_error_message(code) == words


@pytest.mark.parametrize(("code", "is_so"), [(0, True), (1137, True), (-1152, True), (1099, False)])
def test_failures_to_store_are_recoverable(code, is_so):
    assert ErrorCodes.is_recoverable(code) is is_so
