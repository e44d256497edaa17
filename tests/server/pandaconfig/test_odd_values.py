"""What no database keeps, or none gives back as it was, is refused by its column; what is kept is read as written."""

from __future__ import annotations

import math

import pytest

from server.pandaconfig import checks, logic
from server.pandaconfig.logic import Author
from server.pandaconfig.models import Change, Schedconfig
from server.pandaconfig.readable import Refused
from server.pandaconfig.tables import SCHEDCONFIG, SITEACCESS
from server.pandaconfig.transfer.planning import Kind, plan
from server.pandaconfig.transfer.reading import Unreadable, read

ADA = Author("ada", Change.Way.PROGRAM, "because")
DEEP: list = []
for _ in range(60):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"data": {"acopytools": {"pr": 5}}}, "acopytools.pr"),
        ({"data": {"acopytools": {"pr": None}}}, "acopytools.pr"),
        ({"data": {"x": math.nan}}, "nan is no number"),
        ({"data": {"x": [{"y": -math.inf}]}}, "-inf is no number"),
        ({"data": {"x": "\0"}}, "cannot be kept"),
        ({"data": {"\ud800": 1}}, "cannot be kept"),
        ({"data": {"x": DEEP}}, "nested deeper than 50"),
        ({"corepower": math.nan}, "nan is no number"),
        ({"corepower": 10**400}, "a number is expected"),
        ({"corepower": True}, "a number is expected"),
        ({"maxrss": math.inf}, "inf is no number"),
        ({"maxrss": 1.5}, "1.5: a whole number is expected"),
        ({"maxrss": True}, "a whole number is expected"),
        ({"maxrss": {}}, "one value is expected"),
        ({"comment": {}}, "one value is expected"),
        ({"comment": ["a"]}, "one value is expected"),
        ({"comment": "\ud800"}, "cannot be kept"),
        ({"celist": "[" * 4000}, "begins as JSON does"),
        ({"tspace": 5}, "a time is expected"),
        ({"tspace": {}}, "one value is expected"),
        ({"tspace": "0001-01-01T00:00:00+14:00"}, "between the years 1 and 9999"),
        ({"tspace": "9999-12-31T23:59:59-12:00"}, "between the years 1 and 9999"),
        ({"nickname": ["Q"]}, "one value is expected"),
        ({"nickname": "Q\0"}, "cannot be kept"),
        ({"nickname": "Q "}, "has a blank at an end"),
        ({"nickname": "Q\nR"}, "the end of a line"),
        ({"nickname": "Q\ud800"}, "cannot be kept"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_its_column(db, values, words):
    with pytest.raises(Refused, match=words) as refused:
        logic.write(SCHEDCONFIG, None, {"nickname": "Q", **values}, ADA)
    assert list(refused.value.errors) == list(values)
    str(refused.value).encode()
    assert len(str(refused.value)) < 400, "a long value is cut"
    assert (Schedconfig.objects.count(), Change.objects.count()) == (0, 0)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("2026-01-01T01:00:00+02:00", "2025-12-31T23:00:00+00:00"),
        ("2026-01-01T01:00:00", "2026-01-01T01:00:00+00:00"),
        ("2026-01-01 01:00:00.123456Z", "2026-01-01T01:00:00+00:00"),
        ("2026-01-01", "2026-01-01T00:00:00+00:00"),
        ("2026-03-29T02:30:00+01:00", "2026-03-29T01:30:00+00:00"),
        ("", None),
    ],
)
def test_a_time_of_any_zone_is_kept_in_utc_to_the_second_and_undone(db, said, kept):
    logic.write(SCHEDCONFIG, None, {"nickname": "Q", "tspace": "2020-01-01T00:00:00Z"}, ADA)
    change = logic.write(SCHEDCONFIG, "Q", {"tspace": said}, ADA)
    assert SCHEDCONFIG.read("Q")["tspace"] == change.after["tspace"] == kept
    assert logic.write(SCHEDCONFIG, "Q", {"tspace": said}, ADA) is None
    logic.undo(change.pk, ADA)
    assert SCHEDCONFIG.read("Q")["tspace"] == "2020-01-01T00:00:00+00:00"


def test_the_first_job_may_come_an_hour_before_the_latest_in_another_zone():
    row = {"firstjob": "2026-01-01T01:30:00+02:00", "latestjob": "2026-01-01T00:30:00+00:00"}
    fields = logic.TABLES["users"].fields
    utc = {name: fields[name].to_python(said).isoformat() for name, said in row.items()}
    now = fields["firstjob"].to_python("2026-02-01")
    assert checks.wrong_with("users", utc, checks.Known(), changed=frozenset(utc), now=now) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[{"nickname":"A","data":{}},{"nickname":"B","data":{"x":NaN}}]', "row 2: nan is no number"),
        ('{"A":{"corepower":1e999}}', "row 1: inf is no number"),
        ('{"A":{"x":"\\ud800"}}', "row 1: .* cannot be kept"),
        ('{"\\ud800":{"x":1}}', "row 1: .* cannot be kept"),
        ('{"A":{"x":"\\u0000"}}', "row 1: .* cannot be kept"),
        ('{"A":{"nickname":{"a":1}}}', "the queue's name is expected"),
        ('{"A":{"maxrss":' + "1" * 5000 + "}}", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("nickname,comment\nA,a\0b", "NUL signs"),
        ("nickname,status".encode("utf-16-le").decode(), "NUL signs"),
        ('nickname,data\nA,"' + "[" * 100_000 + '"', "line 2: data: no JSON"),
    ],
)
def test_a_file_with_what_cannot_be_kept_is_refused_with_the_place(text, words):
    with pytest.raises(Unreadable, match=words) as told:
        read(SCHEDCONFIG, text)
    str(told.value).encode()


@pytest.mark.parametrize(
    "row",
    ['{"A":{"acopytools":{"pr":3}}}', '[{"nickname":"A","data":{},"siteid":{}}]', '{"A":{"maxrss":1.5}}'],
)
def test_a_row_that_no_column_can_have_is_refused_alone(db, row):
    (one,) = plan(SCHEDCONFIG, read(SCHEDCONFIG, row)).rows
    assert one.kind is Kind.REFUSED


def test_a_name_that_no_column_can_have_finds_no_row(db):
    with pytest.raises(Refused, match="one value is expected"):
        logic.write(SITEACCESS, None, {"dn": ["/CN=A"], "pandasite": "Q"}, ADA)
