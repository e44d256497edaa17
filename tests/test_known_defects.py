"""The page of defects that this pilot does not have cites a test for each, and every test that it cites exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "doc" / "explanation" / "known-defects.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\d+) \| .+? \| (.+) \|$", PAGE, re.MULTILINE)
#: It concerns what this pilot does not have; the page says so.
NOT_OURS = {13}


def cited(cell: str) -> list[tuple[str, str]]:
    """Answer (file, name) of each test that a cell names."""
    return re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", cell)


def names_in(path: Path) -> set[str]:
    """Answer the names of the tests in a file, also those in classes."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_defect_is_on_the_page():
    assert [int(number) for number, _ in ROWS] == [n for n in range(1, 33) if n not in NOT_OURS]


@pytest.mark.parametrize(("number", "cell"), ROWS, ids=[number for number, _ in ROWS])
def test_a_defect_is_shown_to_be_absent_by_tests_that_exist(number, cell):
    tests = cited(cell)
    assert tests, f"defect {number} cites no test"
    for file, name in tests:
        assert name in names_in(ROOT / file), f"{file} has no {name}"


@pytest.mark.parametrize("path", sorted((ROOT / "tests" / "pilot").rglob("test_*.py")), ids=lambda path: path.stem)
def test_a_test_that_names_a_defect_by_its_number_names_one_of_the_page(path):
    known = {int(number) for number, _ in ROWS}
    for name in names_in(path):
        for words in re.findall(r"peer_defect_(\d+(?:_and_\d+)*)", name):
            assert known.issuperset(int(number) for number in re.findall(r"\d+", words)), name
