from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.contract import naming
from pilot.contract.codec import ContractError

NAMES = {
    "cdr12-278473.raw": naming.raw(278473, 12),
    "mcr00012-278473_run000.tgeant": naming.generated(278473, 12),
    "mDST-278473-12-7-8.root": naming.mdst(278473, 12, 7, 8),
    "278473-12-7.root": naming.histograms(278473, 12, 7),
    "gfile_278473-12.gfile": naming.rich(278473, 12),
    "evtdump7-12-278473.raw": naming.event_dump(278473, 12, 7),
    "dvcs-278473-12-7-8.job.log.tgz": naming.log("dvcs", 278473, 12, 7, 8),
    "mDST-278473-7-8.root": naming.merged_mdst(278473, 7, 8),
    "mDST-278473-7-8.root.002": naming.merged_mdst(278473, 7, 8, 2),
    "histsum-278473-7-8.root": naming.merged_histograms(278473, 7, 8),
    "histsum-278473-7-8.root.001": naming.merged_histograms(278473, 7, 8, 1),
    "evtdump7-278473.raw": naming.merged_dump(278473, 7),
    "evtdump7-278473.raw.010": naming.merged_dump(278473, 7, 10),
    "evtdump/slot7": naming.dump_folder(7),
    "mergedDump/slot7": naming.merged_dump_folder(7),
    "mc_prod/CERN/2016/P07/coral-2.1/mcreco": naming.mc_area(2016, "P07", "coral-2.1", "mcreco"),
    "dvcs-2016--278473-12-7-8": naming.processing_job("dvcs", 2016, 278473, 12, 7, 8),
    "dvcs-merge-mdst-278473-7-8-ch003": naming.merging_job("dvcs", "mdst", 278473, 7, 8, 3),
    "PanDA_Pilot-7": naming.workdir(7),
    "PanDA_Pilot-7-0": naming.workdir(7, 0),
}


@pytest.mark.parametrize(("expected", "made"), NAMES.items(), ids=list(NAMES))
def test_names_follow_the_experiments_patterns(expected, made):
    assert made == expected


@pytest.mark.parametrize(
    ("lfn", "attempt", "name"),
    [
        ("a.log.tgz", 0, "a.log.tgz"),
        ("a.log.tgz", 1, "a.log.tgz"),
        ("a.log.tgz", 2, "a.log.tgz.2"),
        ("a.log.tgz.2", 3, "a.log.tgz.3"),
        ("a.log.tgz.2", 1, "a.log.tgz"),
        ("a.tar.gz.9", 10, "a.tar.gz.10"),
        ("a.log", 2, "a.log.2"),
        ("run.5", 2, "run.5.2"),
    ],
)
def test_the_log_of_a_later_attempt_gets_its_number(lfn, attempt, name):
    assert naming.log_of_attempt(lfn, attempt) == name


def test_a_deterministic_storage_follows_rucios_rule():
    path = naming.storage_path("out.txt", scope="user.tester", dataset="any", deterministic=True)
    assert path == "user/tester/77/d0/out.txt"


def test_another_storage_follows_the_dataset():
    path = naming.storage_path("a.root", scope="x", dataset="/compass//2016/mDST.chunks/", deterministic=False)
    assert path == "compass/2016/mDST.chunks/a.root"


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("dataset", {"dataset": "a/../../etc"}),
        ("dataset", {"dataset": "."}),
        ("dataset", {"dataset": "a\nb"}),
        ("scope", {"scope": "a\0b", "deterministic": True}),
        ("lfn", {"lfn": "../a"}),
        ("lfn", {"lfn": "/etc/passwd"}),
        ("lfn", {"lfn": "a/b"}),
        ("lfn", {"lfn": ".."}),
        ("lfn", {"lfn": ""}),
    ],
)
def test_nothing_leads_out_of_a_storage(field, arguments):
    given_arguments = {"lfn": "a.root", "scope": "s", "dataset": "d", "deterministic": False, **arguments}
    with pytest.raises(ContractError, match=f"^{field}: ") as caught:
        naming.storage_path(given_arguments.pop("lfn"), **given_arguments)
    assert caught.value.field_name == field


@given(st.text(max_size=20), st.text(max_size=20), st.booleans())
def test_no_path_ever_has_a_part_that_climbs(scope, dataset, deterministic):
    try:
        path = naming.storage_path("a", scope=scope, dataset=dataset, deterministic=deterministic)
    except ContractError:
        return
    assert not {"", ".", ".."} & set(path.split("/"))


def test_a_safe_folder_is_answered_as_it_is():
    assert naming.checked_folder("/a//b/", "dataset") == "/a//b/"
    with pytest.raises(ContractError, match=r"files\[0\].dataset: 'a/\.\.' cannot be a folder"):
        naming.checked_folder("a/..", "files[0].dataset")
