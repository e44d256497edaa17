from __future__ import annotations

import json

from pilot.realtime.records import LONGEST, Lines, Origin, as_line, records_of

ORIGIN = Origin(7, 2, 3, "CERN_central", 12)


def test_a_record_has_pandas_names_and_a_number():
    (first, second) = records_of(ORIGIN, Lines("payload.stdout", 5, ["one", "two"]), 1.5)
    assert first == {
        "TaskID": 3,
        "PandaJobID": 7,
        "Harvester_ID": "CERN_central",
        "Harvester_WorkerID": 12,
        "PilotTimeStamp": 1.5,
        "message": "one",
        "attempt": 2,
        "file": "payload.stdout",
        "sequence": 5,
    }
    assert (second["sequence"], second["message"]) == (6, "two")


def test_lines_that_were_left_out_are_told():
    told, first = records_of(ORIGIN, Lines("payload.stdout", 105, ["one"], dropped=100), 1.5)
    assert (told["sequence"], told["dropped"], first["sequence"]) == (104, 100, 105)
    assert told["message"].startswith("(100 lines were left out")


def test_a_long_line_is_told_in_parts():
    text = "a" * LONGEST + "b" * LONGEST + "c"
    records = records_of(ORIGIN, Lines("payload.stdout", 1, [text, "next"]), 1.5)
    assert [record.get("part") for record in records] == [1, 2, 3, None]
    assert [record["sequence"] for record in records] == [1, 1, 1, 2]
    assert "".join(record["message"] for record in records[:3]) == text


def test_a_record_is_one_line_of_json():
    (record,) = records_of(ORIGIN, Lines("f", 1, ["a\u2028b\x00\n é"]), 1.5)
    assert b"\n" not in as_line(record)
    assert json.loads(as_line(record)) == record
