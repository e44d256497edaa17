"""The size of modules and functions, and what the repository must not hold."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULE_LINES = 400
FUNCTION_LINES = 60


def tracked(*patterns: str) -> list[Path]:
    """Answer the files that git knows, or that would be added now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


CODE = [
    path
    for path in tracked("pilot/*.py", "server/*.py", "client/*.py", "examples/*.py", "benchmarks/*.py")
    if "migrations" not in path.parts
]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_a_module_opens_with_a_sentence_and_is_short(path):
    text = path.read_text()
    assert len(text.splitlines()) <= MODULE_LINES
    if path.name != "__init__.py":
        assert ast.get_docstring(ast.parse(text)), "say in one sentence what is in it"


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_functions_are_short(path):
    functions = (
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    long = [f.name for f in functions if (f.end_lineno or f.lineno) - f.lineno + 1 > FUNCTION_LINES]
    assert long == []


# Taken apart, so that this file does not hold what it looks for.
MACHINE_PATHS = re.compile(
    "|".join(["/" + "work/", "/" + "root/", "/" + "tmp/team", "/" + r"home/(?!user\b|pilot\b|compass\b)\w"])
)
REGISTRIES = re.compile(
    "|".join([r"pypi" + r"\.org", r"pythonhosted" + r"\.org", r"--(?:extra-)?index" + "-url", r"--find" + "-links"])
)
ELSEWHERE = re.compile(r"(?:cdn" + r"\.|jsdelivr|unpkg|cdnjs|googleapis|gstatic|bootstrapcdn)")
#: They name a log service of the same owner, to which what payloads write is sent; nothing is loaded from it.
NO_PAGES = {"pilot/realtime/address.py", "pilot/realtime/services/google.py"}
TEXT = [path for path in tracked() if b"\0" not in path.read_bytes()]


def test_no_file_names_a_path_of_somebodys_machine():
    assert [name_of(path) for path in TEXT if MACHINE_PATHS.search(path.read_text())] == []


def test_no_file_names_a_package_index():
    assert [name_of(path) for path in TEXT if REGISTRIES.search(path.read_text())] == []


def test_pages_load_nothing_from_elsewhere():
    pages = [path for path in TEXT if path.suffix in {".html", ".js", ".css", ".py"} and path != Path(__file__)]
    pages = [path for path in pages if name_of(path) not in NO_PAGES]
    assert [name_of(path) for path in pages if ELSEWHERE.search(path.read_text())] == []


@pytest.mark.parametrize("path", tracked("requirements/*.txt"), ids=name_of)
def test_a_lock_names_versions_and_hashes_but_no_address(path):
    text = path.read_text()
    assert "://" not in text
    assert "://" not in text
    if path.name != "constraints.txt":
        pinned = re.findall(r"^[\w.-]+==\S+", text, re.MULTILINE)
        assert pinned
        assert len(pinned) == len(re.findall(r"^\S", text, re.MULTILINE))
        assert text.count("--hash=sha256:") >= len(pinned)
