from __future__ import annotations

import pytest

from pilot.contract.codec import ContractError
from pilot.contract.input_lists import InputList, read_lists, write_lists

LISTS = (InputList("inputFor_a", ("x.root", "y.root")), InputList("inputFor_b", ("z",)))


def test_lists_are_read_as_panda_writes_them():
    assert read_lists("inputFor_a:x.root,y.root^inputFor_b:z") == LISTS
    assert read_lists(write_lists(LISTS)) == LISTS
    assert read_lists("") == ()


@pytest.mark.parametrize("text", ["a", "a:", ":x", "../a:x", "a:x/y", "a:x^a:y", "..:x", "a:x\ny"])
def test_what_names_no_files_of_the_job_is_refused(text):
    with pytest.raises(ContractError, match="^writeToFile: "):
        read_lists(text)
