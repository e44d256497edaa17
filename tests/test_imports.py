"""The import table's own rules, and what the pilot may count on: Python 3.9 and four light packages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from grimp import ImportGraph

from tests.may_import import against_libraries, against_rows, allowed_by, lies_in, read_rows, unlisted
from tests.pythons import python39

ROOT = Path(__file__).parents[1]
ROWS = read_rows(["a.wire <-", "a.work <- a.wire b.*.queries", "b.jobs <- a.wire", "b.*.tasks <- b.lease.take"])


def graph_of(*imports: tuple[str, str]) -> ImportGraph:
    graph = ImportGraph()
    for line, (importer, imported) in enumerate(imports, start=1):
        graph.add_import(importer=importer, imported=imported, line_number=line, line_contents=f"import {imported}")
    return graph


@pytest.mark.parametrize(
    ("module", "package", "lies"),
    [
        ("a.wire", "a.wire", True),
        ("a.wire.codes", "a.wire", True),
        ("a.wired", "a.wire", False),
        ("a", "a.wire", False),
        ("b.jobs.queries", "b.*.queries", True),
        ("b.queries", "b.*.queries", False),
    ],
)
def test_a_package_holds_itself_and_what_lies_below(module, package, lies):
    assert lies_in(module, package) is lies


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("a.work.loop", "a.wire.codes", True),
        ("a.work.loop", "a.work.other", True),
        ("a.work", "b.jobs.queries", True),
        ("a.work", "b.jobs.logic", False),
        ("a.wire", "a.work", False),
        ("b.jobs.tasks", "b.lease.take", True),
        ("b.jobs.logic", "b.lease.take", False),
        ("b.jobs.tasks", "b.other.tasks", False),
    ],
)
def test_only_what_a_row_names_may_be_imported(importer, imported, allowed):
    assert allowed_by(ROWS, importer, imported) is allowed


def test_a_forbidden_import_is_reported_with_its_line():
    graph = graph_of(("a.work", "a.wire"), ("a.wire", "a.work"))
    assert list(against_rows(graph, ("a", "b"), ROWS)) == ["a.wire:2 may not import a.work"]


def test_a_package_without_a_row_is_reported():
    graph = graph_of(("a.new", "a.wire"))
    assert [line.split()[0] for line in unlisted(graph, ("a", "b"), ROWS)] == ["a.new"]


def test_a_library_is_held_against_the_innermost_row():
    graph = graph_of(("a.wire", "requests"), ("a.work", "requests"), ("a.work", "json"), ("b.jobs", "django"))
    found = list(against_libraries(graph, ("a", "b"), read_rows(["a <- requests", "a.wire <-"])))
    assert found == ["a.wire may not use requests: a.wire has only the standard library"]


@pytest.mark.parametrize("lines", [["a.wire a.work"], ["a.wire <-", "a.wire <- a.work"]])
def test_a_row_that_cannot_be_read_is_refused(lines):
    with pytest.raises(ValueError, match="one per package"):
        read_rows(lines)


def test_every_file_of_the_pilot_is_python_3_9(tmp_path):
    old = python39()
    if old is None:
        pytest.skip("not tested: no Python 3.9 here")
    compiled = subprocess.run(
        [old, "-m", "compileall", "-q", "-f", str(ROOT / "pilot")],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path)},
        check=False,
    )
    assert compiled.returncode == 0, compiled.stdout


IMPORT_ALL = """
import importlib, pkgutil, sys
import pilot
names = [found.name for found in pkgutil.walk_packages(pilot.__path__, "pilot.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
late = {"requests", "psutil"} & set(sys.modules)
assert not late, f"imported at start: {late}"
print(len(names))
"""


def test_importing_the_whole_pilot_loads_neither_requests_nor_psutil():
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0
