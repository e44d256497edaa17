from __future__ import annotations

import json

import pytest

from pilot.contract.codec import ContractError, Dialect
from pilot.contract.events import (
    Archive,
    EventJob,
    EventRange,
    EventReport,
    RangeEnd,
    RangeStatus,
    checked_range_id,
    read_answer,
    read_ranges,
)

RAW = {"eventRangeID": "1-7-2-0-3", "startEvent": 1, "lastEvent": "10", "LFN": "in.root", "GUID": None, "scope": "mc"}
ARCHIVE = Archive("premerge.tar", 10240, "adler32:0a0b0c0d", 42)


def test_a_range_is_read_as_panda_writes_it_and_kept_word_by_word_for_the_payload():
    one = EventRange.from_wire({**RAW, "new": 5})
    assert (one.id, one.lfn, one.guid, one.scope, one.first, one.last, one.events) == (
        "1-7-2-0-3", "in.root", "", "mc", 1, 10, 10,
    )  # fmt: skip
    assert one.said["new"] == 5


def test_of_a_range_without_numbers_nobody_knows_how_many_events_it_has():
    assert EventRange.from_wire({"eventRangeID": "a", "startEvent": None}).events == 0


@pytest.mark.parametrize("name", ["", "../x", "a/b", None, 5, "-x", "a" * 201, "a b"])
def test_a_name_that_could_be_a_path_is_no_ranges(name):
    with pytest.raises(ContractError, match="^eventRangeID: "):
        checked_range_id(name)


@pytest.mark.parametrize("found", [[RAW], json.dumps([RAW])])
def test_ranges_come_as_a_list_or_as_the_text_of_one(found):
    assert [one.id for one in read_ranges(found)] == ["1-7-2-0-3"]


@pytest.mark.parametrize("found", ["{}", None, "no", 5, [5], [RAW, RAW], [{}], "[" * 100_000])
def test_what_is_no_list_of_ranges_is_refused(found):
    with pytest.raises(ContractError):
        read_ranges(found)


def test_an_empty_list_means_that_there_are_none_left():
    assert read_ranges([]) == read_ranges("[]") == ()


def test_a_request_has_the_words_of_its_dialect_and_no_others():
    assert EventJob(7, 5, 1).request(4, Dialect.LEGACY) == {"pandaID": 7, "jobsetID": 5, "taskID": 1, "nRanges": 4}
    assert EventJob(7, 5).request(4, Dialect.V1) == {"job_id": 7, "jobset_id": 5, "n_ranges": 4}


def test_ranges_with_their_archive_are_reported_in_version_1():
    ends = (RangeEnd("a", RangeStatus.FINISHED, cpu_time=2.5), RangeEnd("b", RangeStatus.FINISHED))
    request = EventReport(7, ends, ARCHIVE).request(Dialect.LEGACY)
    assert request["version"] == 1
    assert json.loads(request["eventRanges"]) == [
        {
            "zipFile": {
                "numEvents": 2, "objstoreID": 42, "adler32": "0a0b0c0d", "lfn": "premerge.tar", "fsize": 10240,
            },
            "eventRanges": [
                {"eventRangeID": "a", "eventStatus": "finished", "cpuConsumptionTime": 2.5},
                {"eventRangeID": "b", "eventStatus": "finished"},
            ],
        }
    ]  # fmt: skip


def test_ranges_alone_are_reported_in_version_0_with_what_was_wrong():
    end = RangeEnd("a", RangeStatus.FATAL, 1228, "x" * 1000)
    request = EventReport(7, (end,)).request(Dialect.V1)
    assert request["version"] == 0
    (told,) = json.loads(request["event_ranges"])
    assert (told["eventStatus"], told["errorCode"], len(told["errorDiag"])) == ("fatal", 1228, 255)


REPORT = EventReport(7, (RangeEnd("a", RangeStatus.FINISHED), RangeEnd("b", RangeStatus.FINISHED)))


@pytest.mark.parametrize("pack", [json.dumps, lambda value: value])
def test_an_answer_says_of_each_range_whether_it_was_taken_and_what_the_job_is_to_do(pack):
    answer = read_answer(pack([True, False]), pack({"7": "softkill"}), REPORT)
    assert answer == ((True, False), "softkill")
    assert read_answer(pack([None, True]), pack({"7": None}), REPORT) == ((True, True), "")


def test_a_server_that_gave_everything_up_has_taken_nothing():
    assert read_answer([True, True, False], {}, REPORT) is None
    assert read_answer([False], {}, REPORT) is None


@pytest.mark.parametrize("found", [None, "x", {"a": 1}, ["yes"]])
def test_what_is_no_answer_is_refused(found):
    with pytest.raises(ContractError, match="Returns"):
        read_answer(found, {}, REPORT)
