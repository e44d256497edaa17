from __future__ import annotations

import pytest

from pilot.contract.job import FileSpec as Ordered
from pilot.contract.job import Role
from pilot.errors import ConfigError
from pilot.info import FileSpec


@pytest.mark.parametrize("words", [{"type": "input"}, {"filetype": "input"}, {}])
def test_harvester_says_type_and_pilot_three_filetype(words):
    assert FileSpec(**words, lfn="a").filetype == "input"
    assert FileSpec("output", lfn="a").filetype == "output"


def test_what_harvester_gives_is_kept_and_what_it_does_not_know_is_empty():
    file = FileSpec(type="input", scope="s", dataset=None, lfn="a", ddmendpoint=None, guid=None, workdir="/w")
    assert (file.scope, file.dataset, file.lfn, file.ddmendpoint, file.guid, file.workdir) == (
        "s",
        "",
        "a",
        "",
        "",
        "/w",
    )
    assert (file.status, file.status_code, file.filesize, file.checksum) == (None, 0, 0, {})
    assert file.require_transfer()
    assert not file.is_directaccess(ensure_replica=False)


@pytest.mark.parametrize("checksum", ["ad:0000abcd", {"adler32": "0000abcd", "md5": ""}, "0000ABCD"])
def test_a_checksum_is_a_dictionary_by_algorithm(checksum):
    assert FileSpec(lfn="a", checksum=checksum).checksum == {"adler32": "0000abcd"}
    assert FileSpec(lfn="a", checksum=None).checksum == {}


def test_the_data_api_takes_it():
    replicas = [{"pfn": "root://h//a", "ddmendpoint": "X"}, {"ddmendpoint": "Y"}]
    file = FileSpec(scope="s", lfn="a", filesize="7", checksum="ad:0000abcd", ddmendpoint="R", replicas=replicas)
    assert file.ordered() == Ordered(
        "a", Role.INPUT, "s", size=7, checksum="adler32:0000abcd", endpoint="R", urls=("root://h//a",)
    )
    assert FileSpec("log", lfn="a").ordered().role is Role.LOG
    assert FileSpec("output", lfn="a").ordered().role is Role.OUTPUT


@pytest.mark.parametrize(
    ("data", "words"),
    [({}, "lfn: missing"), ({"lfn": "../a"}, "lfn"), ({"lfn": "a", "checksum": "nonsense"}, "checksum")],
)
def test_a_file_that_cannot_be_staged_is_refused_when_it_is(data, words):
    with pytest.raises(ConfigError, match=words):
        FileSpec(**data).ordered()


def test_its_words_leave_out_what_says_nothing():
    assert repr(FileSpec(lfn="a", further=3)).startswith("FileSpec(filetype='input', lfn='a'")
    assert "turl" not in repr(FileSpec(lfn="a"))
