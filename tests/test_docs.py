"""Everything that an admin, an operator or a plugin's author may meet has its place in the documentation."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.urls import URLPattern, get_resolver

from pilot.contract import exit_codes, server_codes, states
from pilot.contract.codes import ErrorCode
from pilot.contract.payload_codes import MEANINGS, PayloadCode
from pilot.settings import SECTIONS
from server.settings.environment import PREFIX, Environment

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "doc"))

import reference  # noqa: E402

PAGES = {name: page() for name, page in reference.PAGES.items()}
#: From here on the numbers are ours; those below are PanDA's, and some are kept for reading its reports only.
FIRST_OF_OURS = 1900


def rows_of(page: str) -> list[list[str]]:
    """Read the cells of every table line of a page."""
    lines = (line for line in PAGES[page].splitlines() if line.startswith("| "))
    return [[cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


@pytest.mark.parametrize("page", PAGES)
def test_each_page_has_one_title_and_whole_tables(page):
    outside_of_code = re.sub(r"```.*?```", "", PAGES[page], flags=re.DOTALL)
    assert len(re.findall(r"^# ", outside_of_code, re.MULTILINE)) == 1
    assert all(all(cells) or page == "states" for cells in rows_of(page)), "an empty cell"


@pytest.mark.parametrize("code", ErrorCode, ids=lambda code: code.name)
def test_every_error_code_is_documented_with_its_words_and_advice(code):
    row = [str(code.value), f"`{code.name}`", code.words, code.advice]
    assert row in [cells[:4] for cells in rows_of("codes")]


@pytest.mark.parametrize("code", PayloadCode, ids=lambda code: code.name)
def test_every_payload_code_is_documented_with_its_words_and_advice(code):
    row = [str(code.value), f"`{code.name}`", MEANINGS[code].words, MEANINGS[code].advice]
    assert row in [cells[:4] for cells in rows_of("codes")]


@pytest.mark.parametrize("module", [server_codes, exit_codes], ids=lambda module: module.__name__)
def test_every_other_number_is_documented(module):
    members = [member for kind in reference.enums_of(module) for member in kind]
    assert members
    for member in members:
        assert [str(member.value), f"`{member.name}`"] in rows_of("codes")


def test_every_move_of_a_job_is_documented_and_no_other():
    documented = {
        (cells[0].strip("`"), after)
        for cells in rows_of("states")
        if cells[0].startswith("`")
        for after in re.findall(r"`(\w+)`", cells[1])
    }
    assert documented == {(before.value, after.value) for before, after in states.MOVES}


def test_every_state_of_a_job_is_documented():
    assert {cells[0].strip("`") for cells in rows_of("states") if cells[0].startswith("`")} == {
        state.value for state in states.JobState
    }


def test_every_move_of_data_is_documented_and_no_other():
    from server.dataservice import states as data

    tables = [data.DATASET_MOVES, data.FILE_MOVES, data.REPLICA_MOVES, *data.TRANSFER_MOVES.values()]
    moves = sorted((before.value, after.value) for table in tables for before, after in table)
    rows = [cells for cells in rows_of("data-states") if cells[0].startswith("`")]
    assert sorted((cells[0].strip("`"), after) for cells in rows for after in re.findall(r"`(\w+)`", cells[2])) == moves


def addresses_of(patterns: Iterable[Any], prefix: str = "/") -> Iterator[tuple[str, Any]]:
    for one in patterns:
        if isinstance(one, URLPattern):
            yield prefix + str(one.pattern), one.callback
        elif one.app_name != "admin":
            yield from addresses_of(one.url_patterns, prefix + str(one.pattern))


ADDRESSES = dict(addresses_of(get_resolver().url_patterns))


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_address_of_the_server_is_documented_with_who_may_call_it_and_what_it_does(address):
    (row,) = [cells for cells in rows_of("server") if cells[0] == f"`{address}`"]
    assert len(row[1]) > 1, "its view has no access rule"
    assert len(row[2]) > 1, "its view has no docstring"


@pytest.mark.parametrize("spec", dataclasses.fields(Environment), ids=lambda spec: spec.name)
def test_every_variable_of_the_server_is_documented(spec):
    (row,) = [cells for cells in rows_of("server") if cells[0] == f"`{PREFIX}{spec.name.upper()}`"]
    assert row[2] == f"`{spec.default!r}`"
    assert row[-1] == spec.metadata["help"]


SETTINGS = [(section, spec) for section, kind in SECTIONS.items() for spec in dataclasses.fields(kind)]


@pytest.mark.parametrize(("section", "spec"), SETTINGS, ids=[f"{section}.{spec.name}" for section, spec in SETTINGS])
def test_every_setting_is_documented_with_its_default_unit_limits_and_sentence(section, spec):
    part = PAGES["settings"].split(f"\n## {section}\n")[1].split("\n## ")[0]
    row = next(line for line in part.splitlines() if line.startswith(f"| `{spec.name}` |"))
    assert f"`{spec.default!r}`" in row
    facts = [spec.metadata["help"], spec.metadata["unit"], *spec.metadata.get("words", ())]
    facts += [str(limit) for limit in map(spec.metadata.get, ("low", "high")) if limit is not None]
    assert [fact for fact in facts if fact not in row] == []
    assert spec.metadata["help"].endswith(".")


HOOKS = reference.hooks()


def test_the_hooks_are_found():
    assert "job_moved" in HOOKS


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_is_documented_with_its_exact_arguments(name):
    section = PAGES["hooks"].split(f"\n## {name}\n")[1].split("\n## ")[0]
    declared = next(line for line in section.splitlines() if line.startswith(f"{name}("))
    function = ast.parse(f"def {declared}: ...").body[0]
    assert isinstance(function, ast.FunctionDef)
    spec = inspect.signature(HOOKS[name])
    assert [(one.arg, ast.unparse(one.annotation)) for one in function.args.args] == [
        (one.name, one.annotation) for one in spec.parameters.values()
    ]
    assert ast.unparse(function.returns) == spec.return_annotation


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_says_when_it_is_called(name):
    words = inspect.getdoc(HOOKS[name]) or ""
    assert "thread" in words, "say in which thread, and when"


def test_every_error_code_of_ours_is_used_somewhere():
    catalogue = {ROOT / "pilot/contract/codes.py", ROOT / "pilot/contract/exit_codes.py"}
    used: set[str] = set()
    for folder in ("pilot", "server", "client"):
        for path in (ROOT / folder).rglob("*.py"):
            if path not in catalogue:
                used.update(re.findall(r"\b(?:ErrorCode|_E|E)\.([A-Z0-9_]+)\b", path.read_text()))
    wrapper = (ROOT / "wrappers" / "pilot-wrapper.sh").read_text()
    used.update(name for name, number in re.findall(r"([A-Z_]+) \((\d+)\):", wrapper) if ErrorCode[name] == int(number))
    unused = [code.name for code in ErrorCode if code >= FIRST_OF_OURS and code.name not in used]
    assert not unused, f"raised nowhere: {', '.join(unused)}"


def unnamed(names: Iterable[str], files: Iterable[Path]) -> list[str]:
    """Answer the names that no file holds as a whole word."""
    words = {word for path in files for word in re.findall(r"\w+", path.read_text())}
    return [name for name in names if name not in words]


def test_every_hook_is_called():
    missing = unnamed(HOOKS, (path for path in (ROOT / "pilot").rglob("*.py") if path.name != "hookspecs.py"))
    assert not missing, f"nobody calls {', '.join(missing)}"


def test_every_hook_is_tested():
    missing = unnamed(HOOKS, (ROOT / "tests/pilot").rglob("*.py"))
    assert not missing, f"no test of {', '.join(missing)}"
