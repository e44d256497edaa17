from __future__ import annotations

import pytest

from pilot.contract.exit_codes import EXIT_OF, ExitCode
from pilot.util.auxiliary import convert_to_pilot_error_code, get_error_code_translation_dictionary


def test_every_code_with_a_status_of_its_own_is_in_the_dictionary_with_words():
    found = get_error_code_translation_dictionary()
    assert {code: found[code][0] for code in EXIT_OF} == EXIT_OF
    assert all(isinstance(words, str) and words for _, words in found.values())
    assert found[-1][0] == ExitCode.SITE_OFFLINE


@pytest.mark.parametrize(
    ("status", "code"),
    [(80, 1382), (82, 1385), (69, 1098), (93, 1900), (143, 1201), (137, 1200), (64, -1), (0, -1), (255, -1)],
)
def test_a_status_is_turned_back_into_the_first_code_that_it_is_for(status, code):
    assert convert_to_pilot_error_code(status) == code
