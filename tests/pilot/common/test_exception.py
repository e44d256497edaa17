from __future__ import annotations

import pytest

from pilot.common.exception import PilotException, told_as_pilot_exception
from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed


def test_it_has_a_code_and_words():
    wrong = PilotException("a.root", "is gone", code=1331, state="X")
    assert (wrong.get_error_code(), wrong.code, wrong.state) == (1331, 1331, "X")
    assert wrong.get_detail().endswith(": a.root is gone")
    assert wrong.get_last_error() == wrong.message == "a.root is gone"
    assert str(wrong).startswith("PilotException: error code: 1331, message: ")


def test_without_a_code_it_is_a_general_error_in_the_codes_words():
    assert PilotException().get_error_code() == 1008
    assert PilotException().get_last_error() == ErrorCode.GENERAL_ERROR.words


def test_the_pilots_own_errors_become_it():
    with pytest.raises(PilotException, match="no room") as caught, told_as_pilot_exception():
        raise JobFailed(ErrorCode.NO_LOCAL_SPACE, "no room")
    assert caught.value.code == 1098
