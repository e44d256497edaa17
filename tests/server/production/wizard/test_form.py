"""Each type of task has its own fields; what is written in them is a definition."""

from __future__ import annotations

import pytest

from server.production.definition import _READERS
from server.production.states import RUNNABLE, TaskType
from server.production.wizard.form import fields_of, read_form, read_limits, write_form


@pytest.mark.parametrize("chain", RUNNABLE)
def test_every_field_of_a_form_is_one_of_a_definition(chain):
    assert set(fields_of(chain)) <= set(_READERS)


def test_each_field_of_a_definition_is_in_some_form():
    assert {name for chain in RUNNABLE for name in fields_of(chain)} == set(_READERS) - {"type"}


def test_what_another_type_has_is_left_out_and_so_is_what_is_empty():
    written = {"name": " x ", "runs": "1, 2\r\n", "events_per_chunk": "5", "slot": "1", "files": "a", "comment": ""}
    said, slips = read_form(written, TaskType.MC_GENERATION, "mc_generation")
    assert said == {"type": "mc_generation", "name": "x", "runs": "1, 2", "events_per_chunk": "5"}
    assert slips == {}


def test_a_definition_is_written_and_read_again():
    said = {"name": "x", "year": 2016, "merge_dumps": False, "limits": {"jobs_per_task": 5}, "parent": "y"}
    found, slips = read_form(write_form(said), TaskType.MC_RECONSTRUCTION, "mc_reconstruction")
    assert slips == {}
    assert found == {**said, "type": "mc_reconstruction", "year": "2016", "merge_dumps": "no"}


@pytest.mark.parametrize("text", ["jobs_per_task", "= 5", "a = -1", "a = 1.5", "a = 1 b = 2"])
def test_a_limit_that_cannot_be_read_is_named_by_its_line(text):
    with pytest.raises(ValueError, match="line 2"):
        read_limits(f"\n{text}")


def test_a_limit_is_named_once():
    with pytest.raises(ValueError, match="line 2: jobs_per_task is there twice"):
        read_limits("jobs_per_task = 5\njobs_per_task = 7")
