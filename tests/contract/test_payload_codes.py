from __future__ import annotations

import pytest

from pilot.contract.payload_codes import MEANINGS, PayloadCode


@pytest.mark.parametrize("code", PayloadCode, ids=lambda code: code.name)
def test_every_payload_code_says_what_happened_and_what_to_do(code):
    assert MEANINGS[code].words
    assert MEANINGS[code].advice


def test_the_numbers_are_those_of_the_experiment():
    assert sorted(PayloadCode) == [*range(1235, 1254), 1255]
