"""Names and folders of a task's files are the experiment's."""

from __future__ import annotations

import pytest

from server.production.files import Names
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
