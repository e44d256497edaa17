from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.contract import naming
from pilot.contract.codec import ContractError
from pilot.contract.naming import FileKind, JobKind, Name

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
    "dvcs-merge-dump-278473-7-8-ch000.job.log.tgz": naming.merging_log("dvcs", "dump", 278473, 7, 8, 0),
    "mcr00012-278473.xml": naming.build(Name(FileKind.MC_SETTINGS, 278473, 12)),
    "mcr123456-278473.dat": naming.build(Name(FileKind.MC_EVENTS, 278473, 123456)),
    "generalprod/testcoral/dvcs/mDST": naming.tape_folder("generalprod/testcoral/", "dvcs", "mDST", mass=False),
    "data/2016/oracle_dst/P07/histos": naming.tape_folder("data/2016/", "P07", "histos", mass=True),
    "/cvmfs/x/a/b/v1": naming.software_area("/cvmfs/x/", "a/b/", "v1"),
    "PanDA_Pilot-7": naming.workdir(7),
    "PanDA_Pilot-7-0": naming.workdir(7, 0),
}


@pytest.mark.parametrize(("expected", "made"), NAMES.items(), ids=list(NAMES))
def test_names_follow_the_experiments_patterns(expected, made):
    assert made == expected


numbers = st.integers(0, 10**9)
NUMBERS = {
    "run": numbers,
    "chunk": numbers,
    "slot": numbers,
    "phast": numbers,
    "group": numbers,
    "year": st.integers(1000, 9999),
    "production": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,20}", fullmatch=True),
    "merge": st.sampled_from(["mdst", "hist", "dump"]),
}


@st.composite
def names(draw, kinds):
    kind = draw(st.sampled_from(list(kinds)))
    shown = {naming._FIELDS[field][0] for field in naming._FIELD.findall(naming.PATTERNS[kind])}
    return Name(kind, **{field: draw(NUMBERS[field]) for field in shown})


@given(names(FileKind))
def test_what_is_built_of_a_file_is_read_back(name):
    assert naming.parse(naming.build(name)) == name


@given(names(JobKind))
def test_what_is_built_of_a_job_is_read_back(name):
    assert naming.parse_job(naming.build(name)) == name


@given(st.one_of(*(st.from_regex(naming._reader(kind), fullmatch=True) for kind in naming.PATTERNS)))
def test_whatever_is_read_is_built_again(text):
    found = naming.parse(text) or naming.parse_job(text)
    assert naming.build(found) == text


def test_each_kind_has_a_pattern():
    assert set(naming.PATTERNS) == {*FileKind, *JobKind}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x.root",
        "cdr012-1.raw",
        "mcr12-1.xml",
        "mcr012345-1.xml",
        "mDST-1-2-3-4.root.001",
        "mDST-1-2-3.root.000",
        "mDST-1-2-3.root.01",
        "evtdump0-1.raw\n",
        "cdr٣-1.raw",
        naming.WRITTEN_DUMP,
    ],
)
def test_a_name_of_another_making_is_none_of_the_experiments(text):
    assert naming.parse(text) is None


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("chunk", Name(FileKind.RAW, 1)),
        ("run", Name(FileKind.RAW, -1, 2)),
        ("production", Name(FileKind.LOG, 1, 2, 3, 4, production="a/b")),
        ("production", Name(FileKind.LOG, 1, 2, 3, 4)),
        ("merge", Name(JobKind.MERGING, 1, None, 3, 4, 0, production="p", merge="raw")),
        ("year", Name(JobKind.PROCESSING, 1, 2, 3, 4, year=12345, production="p")),
    ],
)
def test_a_name_cannot_be_built_of_what_is_missing_or_wrong(field, name):
    with pytest.raises(ContractError, match=f"^{field}: .* cannot stand in the name of a"):
        naming.build(name)


def test_the_marker_of_an_empty_dump_has_its_size():
    assert len(naming.EMPTY_DUMP) == naming.EMPTY_DUMP_SIZE == 33


@pytest.mark.parametrize(
    ("field", "home", "path", "soft"),
    [
        ("home", "cvmfs/x/", "", "v"),
        ("home", "/cvmfs/x", "", "v"),
        ("home", "/cvmfs/../etc/", "", "v"),
        ("path", "/cvmfs/", "/a/", "v"),
        ("path", "/cvmfs/", "a", "v"),
        ("path", "/cvmfs/", "a/../", "v"),
        ("soft", "/cvmfs/", "a/", "v/w"),
        ("soft", "/cvmfs/", "a/", ""),
        ("soft", "/cvmfs/", "a/", ".."),
    ],
)
def test_a_software_area_keeps_the_experiments_rules(field, home, path, soft):
    with pytest.raises(ContractError, match=f"^{field}: "):
        naming.software_area(home, path, soft)


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


def test_data_and_monte_carlo_have_folders_of_their_own():
    assert naming.data_area(2016, "P07", "dvcs2016P07t1", "mass") == "data_prod/CERN/2016/P07/dvcs2016P07t1/mass"
    assert naming.DATA_FOLDER != naming.MC_FOLDER
