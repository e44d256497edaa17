"""The tests that the page of known faults names exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "doc" / "explanation" / "known-faults.md"
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE.read_text())))


def rows() -> list[list[str]]:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


@pytest.mark.parametrize(("file", "test"), [one for one in NAMED if one[0] != "tests/test_known_faults.py"])
def test_a_test_that_is_named_exists(file, test):
    names = {one.name for one in ast.walk(ast.parse((ROOT / file).read_text())) if isinstance(one, ast.FunctionDef)}
    assert any(name.startswith("test_") for name in names)
    assert not test or test in names


def test_every_fault_has_a_test():
    assert len(rows()) >= 20
    for fault, _, held in rows():
        assert re.search(r"`tests/[\w/]+\.py", held), fault
