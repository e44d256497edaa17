from __future__ import annotations

import pytest

from pilot.contract.catchall import words


def test_words_are_parted_by_commas_or_blanks_and_quotes_keep_them_together():
    found = words("IMAGE_BASE=/cvmfs/i,setdebugmode singularity_options='-B /a,/b --contain', logging=\"x;y://h:1\"")
    assert found == {
        "IMAGE_BASE": "/cvmfs/i",
        "setdebugmode": "",
        "singularity_options": "-B /a,/b --contain",
        "logging": "x;y://h:1",
    }


@pytest.mark.parametrize("text", ["", " , ,", ",,"])
def test_a_catchall_without_words_says_nothing(text):
    assert words(text) == {}


def test_a_quotation_that_does_not_end_hides_no_other_word():
    assert words("remark=don't,IMAGE_BASE=/i") == {"remark": "don't", "IMAGE_BASE": "/i"}


def test_a_hash_and_a_backslash_are_letters():
    assert words(r"note=#1,path=a\b") == {"note": "#1", "path": r"a\b"}
