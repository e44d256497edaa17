"""The table of kinds of work, row by row."""

from __future__ import annotations

import dataclasses
import re

import pytest

from pilot.contract.job import JobSpec
from pilot.contract.naming import FileKind
from pilot.contract.processing import ProcessingType
from pilot.user.compass import commands, orders
from pilot.user.compass.diagnosis import marker_of
from pilot.user.compass.kinds import END_OF_DECODING, END_OF_JOB, KINDS, kind_of, own_kind_of
from pilot.user.compass.options import VARIANTS

ROWS = pytest.mark.parametrize("row", KINDS.values(), ids=list(KINDS))


def spec(kind, transformation):
    return JobSpec(id=1, attempt=1, transformation=transformation, processing_type=kind)


def test_every_kind_of_work_has_its_row():
    assert list(KINDS) == [row.type.value for row in KINDS.values()]
    # Packing logs is no work of the experiment: its jobs run a program of the node as it is.
    assert {row.type for row in KINDS.values()} == set(ProcessingType) - {ProcessingType.PACK_LOGS}


@ROWS
def test_a_row_cannot_be_changed(row):
    with pytest.raises(dataclasses.FrozenInstanceError):
        row.program = "another"


@ROWS
def test_each_row_has_a_command_and_arguments_that_can_be_read(row):
    assert row.type in commands._ARGUMENTS
    assert {*row.needs, *row.may} <= set(orders._READERS)
    assert not set(row.needs) & set(row.may)


@ROWS
def test_a_template_is_ordered_where_there_is_one(row):
    assert bool(row.template) == ("template" in row.may)
    assert row.calibration == ("calibration" in row.may)
    assert row.template in (*VARIANTS, "", "tgeant.xml")


@ROWS
def test_each_line_that_counts_has_one_number(row):
    for line in row.counted:
        assert re.compile(line.pattern).groups == 1
        assert re.search(line.pattern, b"7" + line.text + b"7")


EXPECTED = {
    "test-production": ("coral.exe", END_OF_JOB, ["mdst", "histograms"]),
    "mass-production": ("coral.exe", END_OF_JOB, ["mdst", "histograms"]),
    "technical-production": ("coral.exe", END_OF_JOB, ["mdst", "histograms"]),
    "mcreco": ("coral.exe", END_OF_JOB, ["mdst", "histograms"]),
    "ddd": ("ddd", END_OF_DECODING, ["dump"]),
    "mcgen": ("TGEANT", None, ["generated"]),
    "merge-mdst": ("phast", END_OF_JOB, ["merged-mdst"]),
    "merge-hist": ("hadd", None, ["merged-histograms"]),
    "merge-dump": ("cat", None, ["merged-dump"]),
    "user-analysis": ("phast", None, []),
}


@pytest.mark.parametrize(("kind", "facts"), EXPECTED.items(), ids=list(EXPECTED))
def test_program_marker_and_files_are_those_of_the_experiment(kind, facts):
    row = KINDS[kind]
    needed = [expected.kind.value for expected in row.outputs if not expected.optional]
    assert (row.program, marker_of(row, spec(kind, row.program)), needed) == facts


def test_merges_are_the_three_that_make_one_file_of_many():
    assert {kind for kind, row in KINDS.items() if row.merges} == {"merge-mdst", "merge-hist", "merge-dump"}


def test_only_reconstruction_may_leave_files_away():
    optional = {expected.kind for row in KINDS.values() for expected in row.outputs if expected.optional}
    assert optional == {FileKind.DUMP, FileKind.RICH}


def test_another_program_is_judged_by_the_row_and_run_as_any_other():
    job = spec("merge-hist", "compass-mc")
    assert kind_of(job) is KINDS["merge-hist"]
    assert own_kind_of(job) is None
    assert marker_of(KINDS["merge-hist"], job) == END_OF_JOB


def test_what_is_none_of_the_experiments_kinds_has_no_row():
    assert kind_of(spec("", "coral.exe")) is None
    assert own_kind_of(spec("panda", "coral.exe")) is None
