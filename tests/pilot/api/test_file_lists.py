from __future__ import annotations

import pytest

from pilot.api.file_lists import read_files, refuse_twins
from pilot.contract.job import FileSpec, Role
from pilot.errors import ConfigError

IN = Role.INPUT


def test_a_name_may_have_a_scope():
    assert read_files(["a", "s:b", "user.x:c"], IN) == (
        FileSpec("a", IN),
        FileSpec("b", IN, "s"),
        FileSpec("c", IN, "user.x"),
    )


def test_a_value_keeps_everything_but_its_role():
    spec = FileSpec("a", Role.OUTPUT, "s", "d", 7, "adler32:0000abcd", "RSE", "G")
    assert read_files([spec], IN) == (spec.evolve(role=IN),)


@pytest.mark.parametrize(
    "words", [{"lfn": "a", "filesize": "7", "ddmendpoint": "RSE"}, {"name": "a", "bytes": 7, "rse": "RSE"}]
)
def test_a_dictionary_may_speak_as_panda_or_rucio_do(words):
    assert read_files([words], IN) == (FileSpec("a", IN, size=7, endpoint="RSE"),)


@pytest.mark.parametrize(
    "said",
    [
        {"checksum": "ad:0000ABCD"},
        {"checksum": "adler32:abcd"},
        {"checksum": "0000abcd"},
        {"checksum": {"adler32": "0000abcd"}},
        {"adler32": "0000abcd", "md5": None},
    ],
)
def test_a_checksum_is_read_however_it_is_written(said):
    assert read_files([{"lfn": "a", **said}], IN)[0].checksum == "adler32:0000abcd"


def test_what_rucio_lists_is_taken_as_it_is():
    listed = {
        "scope": "s",
        "name": "a",
        "bytes": 7,
        "adler32": "0000abcd",
        "md5": "0" * 32,
        "guid": None,
        "events": None,
    }
    replicas = {"rses": {"DISK": []}, "pfns": {"root://h//a": {}}, "states": {"DISK": "AVAILABLE"}}
    wanted = FileSpec("a", IN, "s", size=7, checksum="adler32:0000abcd")
    assert read_files([listed, {**listed, **replicas}], IN) == (wanted, wanted)


def test_what_says_nothing_is_left_out():
    assert read_files([{"lfn": "a", "size": None, "checksum": "NULL", "scope": ""}], IN) == (FileSpec("a", IN),)


def test_addresses_may_be_one_or_several():
    both = read_files([{"lfn": "a", "pfn": "root://h//a"}, {"lfn": "b", "urls": ["root://h//b", "file:///b"]}], IN)
    assert [file.urls for file in both] == [("root://h//a",), ("root://h//b", "file:///b")]


def test_a_storage_is_that_of_files_which_name_none():
    both = read_files(["a", {"lfn": "b", "endpoint": "OWN"}], IN, endpoint="DISK")
    assert [file.endpoint for file in both] == ["DISK", "OWN"]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([], "files: there are none"),
        ("a", "files: 'a' is not a list"),
        ({"lfn": "a"}, "not a list"),
        (7, "files: 7 is not a list"),
        ([7], "file 1: 7 is no file"),
        ([None], "file 1: None is no file"),
        ([b"a"], "file 1: b'a' is no file"),
        ([""], "file 1: lfn: missing"),
        (["s:"], "file 1: lfn: missing"),
        (["a", "../b"], "file 2: lfn: '../b'"),
        (["/etc/passwd"], "file 1: lfn: '/etc/passwd'"),
        (["a\0b"], "file 1: lfn"),
        ([".."], "file 1: lfn"),
        (["x" * 300], "longer than 250 bytes"),
        ([{"scope": "s"}], "file 1: lfn: missing"),
        ([{"lfn": "a", "sise": 1}], "'sise' is not a field of a file; there are lfn, scope"),
        ([{"lfn": "a", "name": "b"}], "the lfn is given twice"),
        ([{"lfn": "a", "size": -1}], "size: -1 is not a number of bytes"),
        ([{"lfn": "a", "size": "many"}], "size: 'many' is not"),
        ([{"lfn": "a", "checksum": "ad:xyz"}], "checksum: 'ad:xyz' is not"),
        ([{"lfn": "a", "dataset": "../.."}], "dataset: '../..'"),
        ([{"lfn": "a", "scope": ["s"]}], "scope: "),
        ([{"lfn": "a", "urls": "b"}], "urls: 'b' is not an address"),
        ([{"lfn": "a", "urls": [7]}], "urls: "),
        ([FileSpec("a", IN, size="many")], "size: 'many' is not"),
        ([FileSpec(None, IN)], "lfn: missing"),
        ([FileSpec("a", IN, checksum="nonsense")], "checksum: "),
        ([FileSpec("a", IN, dataset=["x"])], "dataset: "),
        ([FileSpec("a", IN, urls=7)], "urls: 7 is not an address"),
        ([{"lfn": "a", "scope": ".."}], "scope: '..'"),
        ([{"lfn": 83}], "lfn: 83 is a number; text is expected, in quotes"),
        ([{"lfn": "a", "checksum": 38043}], "checksum: 38043 is a number"),
        ([{"lfn": "a", "adler32": 38043}], "adler32: 38043 is a number"),
        ([{"lfn": "a", "checksum": {"md5": 1e31}}], "md5: 1e+31 is a number"),
    ],
)
def test_what_is_no_file_is_told_by_its_number_and_field(files, words):
    with pytest.raises(ConfigError) as caught:
        read_files(files, IN)
    assert words in caught.value.detail


def test_two_files_of_one_name_are_refused_because_one_would_replace_the_other():
    refuse_twins(read_files(["a", "b"], IN))
    with pytest.raises(ConfigError, match="a is named twice"):
        refuse_twins(read_files(["a", "other:a"], IN))
