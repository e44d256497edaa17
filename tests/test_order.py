"""The order in which files of tests are begun."""

from __future__ import annotations

import re
from pathlib import Path

from tests.order import SHARING, spread

TESTS = Path(__file__).parent


def test_what_takes_long_is_begun_evenly_and_not_at_the_end():
    files = ["a", "b", "c", "d", "e", "f", "g", "X", "Y", "Z"]
    assert spread(files, {"X", "Y", "Z"}) == ["a", "X", "b", "Y", "c", "d", "Z", "e", "f", "g"]


def test_without_any_such_file_or_with_nothing_else_the_order_stays():
    assert spread(["b", "a"], set()) == ["b", "a"]
    assert spread(["b", "a"], {"b", "a"}) == ["b", "a"]


def test_files_that_use_the_sessions_rucio_are_run_by_one_process():
    of_its_own = re.compile(r"def rucio\(")
    texts = {file: file.read_text() for file in TESTS.rglob("test_*.py")}
    using = {file for file, text in texts.items() if re.search(r"^def .*\brucio\b.*\):$", text, re.MULTILINE)}
    named = {f"tests/{file.relative_to(TESTS)}" for file in using if not of_its_own.search(texts[file])}
    assert named - {"tests/test_order.py"} == SHARING


def test_tests_of_a_file_stay_together_and_in_their_order(pytester):
    pytester.makeconftest("""
        from tests.order import put_in_order

        def pytest_collection_modifyitems(items):
            items.sort(key=lambda item: item.name)
            put_in_order(items)
    """)
    (pytester.path / "pytest.ini").write_text("[pytest]\nmarkers = one_python\n")
    pytester.makepyfile(
        test_a="def test_3(): pass\ndef test_1(): pass",
        test_b="def test_2(): pass",
        test_c="import pytest\n@pytest.mark.one_python\ndef test_5(): pass\ndef test_4(): pass",
    )
    result = pytester.runpytest_inprocess("--collect-only", "-q", "-p", "no:cacheprovider", "-p", "no:django")
    found = [line for line in result.stdout.lines if "::" in line]
    assert found == [
        "test_a.py::test_1", "test_a.py::test_3", "test_c.py::test_4", "test_c.py::test_5", "test_b.py::test_2",
    ]  # fmt: skip
