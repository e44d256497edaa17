from __future__ import annotations

import pytest

from pilot.contract.server_codes import WORDS, DataServiceCode, DispatcherCode, SupervisorCode, TaskBufferCode, words_of

ALL = [code for kind in (DispatcherCode, TaskBufferCode, DataServiceCode, SupervisorCode) for code in kind]


def test_every_code_of_every_component_has_words_of_its_own():
    assert [code for codes in WORDS.values() for code in codes] == ALL
    assert len({words_of(code) for code in ALL}) == len(ALL)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (DispatcherCode.LOST_HEARTBEAT, "no heartbeat of the pilot for too long"),
        (TaskBufferCode.KILLED, "the job was killed by command"),
        (DataServiceCode.SETUP, "the job's datasets could not be set up"),
    ],
)
def test_equal_numbers_of_different_components_mean_different_things(code, words):
    assert code == 100
    assert words_of(code) == words


def test_the_numbers_are_pandas_but_for_one_of_ours():
    assert list(DispatcherCode) == [100, 101, 102, 103, 104, 105]
    assert list(TaskBufferCode) == [100, 101, 102, 103, 105, 106, 107, 130, 200, 300, 500]
    assert list(DataServiceCode) == [100, 101, 200, 201, 203, 204, 205, 206]
    assert list(SupervisorCode) == [1, 2]
