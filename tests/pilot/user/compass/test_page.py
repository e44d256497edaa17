"""The page for people who run COMPASS's software says all that the plugin knows."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pilot.user.compass import options, release
from pilot.user.compass.calibration import Source
from pilot.user.compass.kinds import KINDS
from pilot.user.compass.orders import ProgramOrder
from pilot.user.compass.site import SiteChoice

PAGE = (Path(__file__).parents[4] / "doc" / "howto" / "run-compass-software.md").read_text()


@pytest.mark.parametrize("row", KINDS.values(), ids=list(KINDS))
def test_each_kind_of_work_stands_in_a_row_with_its_program_and_arguments(row):
    (line,) = [
        line for line in PAGE.splitlines() if line.startswith("| `") and f"`{row.type.value}`" in line.split("|")[1]
    ]
    assert f"| `{row.program}` |" in line
    assert all(f"--{name}" in line for name in (*row.needs, *row.may))


@pytest.mark.parametrize("field", dataclasses.fields(SiteChoice), ids=lambda field: field.name)
def test_each_key_of_a_queue_stands_in_a_row(field):
    assert f"| `{field.name}` |" in PAGE


def test_each_file_to_set_up_from_and_each_place_of_a_program_is_told():
    for name in (*release.SETUPS, release.SHARED, *(place for places in release.PLACES.values() for place in places)):
        assert f"`{name}`" in PAGE


def test_each_placeholder_and_each_variable_is_told():
    assert all(f"`{name}`" in PAGE for name in options.PLACEHOLDERS)
    assert all(f"`${one}`" in PAGE for variables in options.VARIABLES.values() for one in variables)
    for source in (Source("a", 1), Source(socket_path="/s"), Source(file="/f")):
        assert all(f"`{name}" in PAGE for name in source.variables)


def test_each_variant_is_told_with_its_file():
    assert all(f"`{name}`" in PAGE for pair in options.VARIANTS.items() for name in pair)
    assert ProgramOrder().template == ""
