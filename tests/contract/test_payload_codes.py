from __future__ import annotations

import pytest

from pilot.contract.payload_codes import MEANINGS, PayloadCode


@pytest.mark.parametrize("code", PayloadCode, ids=lambda code: code.name)
def test_every_payload_code_says_what_happened_and_what_to_do(code):
    assert MEANINGS[code].words
    assert MEANINGS[code].advice


def test_the_numbers_are_those_of_the_experiment():
    assert sorted(PayloadCode) == [*range(1235, 1254), 1255]


def test_a_person_must_look_where_the_experiment_says_so():
    by_hand = {code.value for code, meaning in MEANINGS.items() if meaning.manual_check}
    assert by_hand == {1235, 1236, 1237, 1242, 1243, 1245, 1247, 1251, 1253}
