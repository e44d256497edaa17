from __future__ import annotations

import pytest

from pilot.contract.codec import ContractError
from pilot.contract.job_refusals import FIELDS, WORDS
from pilot.contract.job_wire import from_panda


def job(**said):
    return {"PandaID": 7, "transformation": "true", **said}


@pytest.mark.parametrize("word", WORDS)
def test_words_that_would_be_handed_to_the_payload_by_mistake_are_refused_by_name(word):
    with pytest.raises(ContractError, match=f"^jobPars: {word} asks for what this pilot does not do: "):
        from_panda(job(jobPars=f"-n 3 {word}={{'maxrss': 1}}"))


@pytest.mark.parametrize("name", FIELDS)
def test_fields_that_would_be_got_wrong_are_refused_unless_they_say_nothing(name):
    with pytest.raises(ContractError, match=f"^{name}: 'list:a,b' asks for what this pilot does not do: "):
        from_panda(job(**{name: "list:a,b"}))
    for silent in (None, "", "NULL", "False", False, {}):
        assert from_panda(job(**{name: silent})).id == 7
