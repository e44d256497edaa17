"""A definition is read whole, and each slip in it is named with its field, its value and its remedy."""

from __future__ import annotations

import pytest

from server.production.definition import _READERS as READERS
from server.production.definition import MOST_UNKNOWN, BadDefinition, read_definition, read_runs
from server.production.limits import Limits
from server.production.states import ON_DATA
from tests.server.production.conftest import DATA, GENERATION, RECONSTRUCTION

#: Fields that become words of commands, names of files or folders, with a value that they may have.
TEXTS = {
    **dict.fromkeys(("name", "production", "period", "soft", "queue", "site", "merging_queue", "tape"), "abc"),
    **{"path": "abc/", "home": "/abc/", "template": "a/b.opt", "program": "a/b", "files_endpoint": "abc"},
    **{"working_group": "abc"},
}


def slips(**changes):
    base = {"mc_reconstruction": RECONSTRUCTION, "mass_production": DATA}.get(changes.get("type"), GENERATION)
    with pytest.raises(BadDefinition) as bad:
        read_definition({**base, **changes}, Limits(chunks_per_task=1000))
    return bad.value.slips


def test_what_is_left_out_gets_the_experiments_defaults():
    found = read_definition(GENERATION, Limits())
    assert (found.slot, found.phast, found.max_attempts, found.priority, found.merging_priority) == (
        0,
        7,
        5,
        2000,
        5000,
    )
    assert found.runs == ((278473, 3), (278474, 3))
    assert found.home == "/cvmfs/compass.cern.ch/"


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "a b", "'a b' cannot be used"),
        ("name", "../x", "'../x' cannot be used"),
        ("soft", "a/b", "without slashes"),
        ("path", "/generalprod/", "must not start with a slash"),
        ("path", "generalprod", "must end with one"),
        ("path", "a/../", "leave out '..'"),
        ("path", "a" * 57 + "/", "have more than 80 letters"),
        ("home", "cvmfs/", "must start and end with a slash"),
        ("year", "20i6", "'20i6' is not a whole number from 1996 to 2100"),
        ("year", True, "is not a whole number"),
        ("slot", -1, "-1 is not a whole number from 0"),
        ("max_attempts", 101, "from 1 to 100"),
        ("events_per_chunk", 0, "0 is not a whole number from 1"),
        ("type", "mc", "give one of mc_generation, mc_reconstruction"),
        ("type", "user_analysis", "is what users submit themselves"),
        ("files", "raw/cdr1-278473.raw", "only tasks on data read raw files"),
        ("merge_dumps", "perhaps", "neither true nor false"),
        ("comment", 7, "at most 1000 letters"),
        ("parent", "other", "a generation has no parent task"),
        ("runs", "278473", "line 1, '278473', is not 'run, number of chunks'"),
        ("runs", "278473, 1\n278473, 2", "line 2: run 278473 is there twice"),
        ("runs", "0, 1", "a run is 1 to"),
        ("runs", "1, 2000", "2000 chunks are more than 1000"),
        ("runs", 5, "is not text"),
        ("runs", "", "is missing; give lines"),
        ("events_per_chunk", None, "is missing; give the number"),
        ("queue", None, "is missing; give the name of a queue"),
    ],
)
def test_a_slip_is_named_with_its_remedy(field, value, words):
    found = slips(**{field: value})
    assert set(found) == {field}
    assert words in found[field]


def test_a_reconstruction_takes_its_runs_from_its_parent():
    assert set(slips(type="mc_reconstruction", runs="1, 1", events_per_chunk=5)) == {"runs", "events_per_chunk"}
    assert "name the MC generation task" in slips(type="mc_reconstruction", parent="")["parent"]


def test_an_unknown_field_is_told_the_nearest_one():
    assert slips(priorty=1) == {"priorty": "is not a field of a task; did you mean priority?"}


def test_all_slips_are_told_at_once():
    assert set(slips(soft="a/b", year=1, colour="red")) == {"soft", "year", "colour"}


def test_run_lines_may_have_blanks_and_remarks():
    assert read_runs("# P07\n 278473 , 2 # good\n\n278474,1\n") == ((278473, 2), (278474, 1))


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"files": ""}, "files", "is missing; give either files, a raw file in each line, or runs"),
        ({"runs": "278473"}, "runs", "both are there"),
        ({"files": "raw/2016/x.root"}, "files", "line 1, 'raw/2016/x.root': this is not the name of a raw file"),
        ({"files": "raw/cdr1-1.raw\nraw/b/cdr1-1.raw"}, "files", "chunk 1 of run 1 is there twice"),
        ({"files": "# none"}, "files", "there is no file in it"),
        ({"files": "raw/cdr1-1.raw, 0"}, "files", "there is no file with events in it"),
        ({"files": "raw/cdr1-1.raw\0"}, "files", "is not text"),
        ({"files": "\n".join(f"raw/cdr{n}-1.raw" for n in range(1, 1002))}, "files", "1001 chunks are more than 1000"),
        ({"files": "", "runs": "278473, 278474-x"}, "runs", "line 1: '278474-x' is no run"),
        ({"parent": "mc"}, "parent", "a task on data has no parent task"),
        ({"events_per_chunk": 5}, "events_per_chunk", "raw files have the events that they have"),
        ({"program": "a b"}, "program", "give compass for the experiment's own programs"),
    ],
)
def test_a_slip_of_a_task_on_data_is_named(changes, field, words):
    found = slips(type="mass_production", **changes)
    assert set(found) == {field}
    assert words in found[field]


@pytest.mark.parametrize("kind", ON_DATA)
def test_tasks_on_data_run_the_experiments_programs_and_filtering_comes_last(kind):
    found = read_definition({**DATA, "type": kind.value}, Limits())
    assert found.program == "compass"
    assert found.priority == (1000 if kind == "ddd_filtering" else 2000)


def test_runs_of_data_are_numbers_and_ranges():
    found = read_definition({**DATA, "files": None, "runs": "278475\n278472-278473 # both"}, Limits())
    assert found.runs == ((278472, 0), (278473, 0), (278475, 0))


@pytest.mark.parametrize("odd", ["$(x)", *";`|&><*?~{%\\'\" \n\t\0"])
def test_nothing_that_a_shell_could_take_for_an_order_comes_into_a_task(odd):
    for field, text in TEXTS.items():
        for value in (odd + text, text[:1] + odd + text[1:], text[:-1] + odd + text[-1:]):
            with pytest.raises(BadDefinition) as bad:
                read_definition({**DATA, field: value}, Limits())
            assert set(bad.value.slips) == {field}
            assert "cannot be used" in bad.value.slips[field]


@pytest.mark.parametrize("field", sorted({*TEXTS} - {"home"}))
def test_nothing_begins_as_an_option_does(field):
    with pytest.raises(BadDefinition) as bad:
        read_definition({**DATA, field: "-" + TEXTS[field]}, Limits())
    assert "cannot be used" in bad.value.slips[field]


@pytest.mark.parametrize("value", ["x" * 100_000, ["x" * 100_000], {"x" * 100_000: 1}], ids=["text", "list", "object"])
def test_a_value_that_is_far_too_long_is_cut_in_what_is_said_of_it(value):
    for field in (*READERS, "no_such_field"):
        with pytest.raises(BadDefinition) as bad:
            read_definition({**GENERATION, "type": "mass_production", field: value}, Limits())
        assert all(len(words) < 1000 for words in bad.value.slips.values()), field
    assert "(100000 letters)" in slips(soft="x" * 100_000)["soft"]


def test_who_gives_fields_without_number_is_told_of_some():
    found = slips(**{f"{number}" * 5000: 1 for number in range(500)})
    assert len(found) == MOST_UNKNOWN
    assert max(map(len, found)) < 200
