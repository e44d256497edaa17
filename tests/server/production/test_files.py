"""Names and folders of a task's files are the experiment's."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import pilot
import server
from pilot.contract import naming
from server.production.files import Names
from server.production.reference.loading import COMPASS
from server.production.states import OutputKind, TaskType

RECONSTRUCTION = Names(TaskType.MC_RECONSTRUCTION, "mc2016P07", 2016, "P07", "soft-1", 3, 8)
GENERATION = Names(TaskType.MC_GENERATION, "mc2016P07", 2016, "P07", "soft-1", 0, 7)


@pytest.mark.parametrize(
    ("kind", "folder"),
    [
        (OutputKind.MDST, "mDST.chunks"),
        (OutputKind.HISTOGRAMS, "TRAFDIC"),
        (OutputKind.DUMP, "evtdump/slot3"),
        (OutputKind.LOG, "logFiles"),
        (OutputKind.MERGED_MDST, "mDST"),
        (OutputKind.MERGED_HISTOGRAMS, "histos"),
        (OutputKind.MERGED_DUMP, "mergedDump/slot3"),
    ],
)
def test_each_kind_has_its_folder(kind, folder):
    assert RECONSTRUCTION.dataset(kind) == f"mc_prod/CERN/2016/P07/soft-1/mcreco/{folder}"


#: How names of files begin and end that only the naming module may know.
_PARTS = re.compile(r"mDST-|histsum|gfile_|\.tgeant|\.job\.log|\.logs\.tar|(^|/)(cdr|mcr|evtdump)$|evtdump\{")


def texts_of_code() -> Iterator[tuple[str, str]]:
    """Every text in the code of server and pilot but what it says of itself, with the name of its file."""
    for top in (Path(server.__file__).parent, Path(pilot.__file__).parent):
        for path in sorted(top.rglob("*.py")):
            tree = ast.parse(path.read_text())
            bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            texts = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in bare)
            yield from ((str(path), node.value) for node in texts if isinstance(node.value, str))


def test_no_module_but_one_knows_how_files_are_called_and_none_knows_a_site():
    sites = [row["name"] for row in json.loads(COMPASS.read_text())["sites"]]
    texts = [(path, text) for path, text in texts_of_code() if path != naming.__file__]
    assert len(texts) > 10_000
    assert [found for found in texts if _PARTS.search(found[1])] == []
    assert [found for found in texts if any(site in found[1] for site in sites)] == []


def test_generated_events_lie_in_the_area_itself():
    assert GENERATION.dataset(OutputKind.GENERATED) == "mc_prod/CERN/2016/P07/soft-1/mcgen"


@pytest.mark.parametrize(
    ("kind", "group", "name"),
    [
        ("mdst", 0, "mDST-5-3-8.root"),
        ("mdst", 2, "mDST-5-3-8.root.002"),
        ("hist", 1, "histsum-5-3-8.root.001"),
        ("dump", 0, "evtdump3-5.raw"),
    ],
)
def test_merged_files_are_numbered_after_the_first(kind, group, name):
    assert RECONSTRUCTION.merged_file(kind, 5, group) == name


def test_no_two_files_of_a_chunk_share_a_name():
    names = [*RECONSTRUCTION.chunk_files(5, 1).values(), RECONSTRUCTION.chunk_log(5, 1)]
    assert len(set(names)) == 4
