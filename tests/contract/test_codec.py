from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.contract.codec import (
    BIGGEST,
    INTEGER,
    JSON_TEXT,
    MEASURE,
    NOTHING,
    NUMBER,
    OBJECT,
    STAMP,
    TEXT,
    TIME,
    TRUTH,
    WHOLE_IN_V1,
    Answer,
    ContractError,
    Dialect,
    decode,
    encode,
    pairs,
    read,
    read_json,
    says_something,
    shown,
    tail,
    text,
    wire,
)

DEEP = "[" * 100_000


@dataclass(frozen=True)
class Sample:
    number: int = wire(INTEGER, "theNumber", "the_number", required=True)
    words: str = wire(text(10), "words", default="")
    old: str = wire(TEXT, "onlyOld", "", default="")
    new: str = wire(TEXT, "", "only_new", default="")
    when: Any = wire(TIME, "when")


@dataclass(frozen=True)
class SampleAnswer(Answer):
    words: str = wire(TEXT, "words", default="")


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        (INTEGER, 7, 7),
        (INTEGER, " +7 ", 7),
        (INTEGER, "-7", -7),
        (INTEGER, "1.0", 1),
        (INTEGER, 1.0, 1),
        (INTEGER, "1.7e3", 1700),
        (INTEGER, str(BIGGEST), BIGGEST),
        (INTEGER, "9007199254740993.0", 9007199254740993),
        (MEASURE, "2.6", 3),
        (MEASURE, 17.25, 17),
        (MEASURE, 9007199254740993, 9007199254740993),
        (NUMBER, "2596.134", 2596.134),
        (NUMBER, -1, -1.0),
        (TEXT, 5, "5"),
        (TEXT, "a\0b\ud800c", "a\ufffdb\ufffdc"),
        (TEXT, "µ \U0001f600", "µ \U0001f600"),
        (JSON_TEXT, {"a": [1]}, '{"a": [1]}'),
        (JSON_TEXT, "{not json", "{not json"),
        (TRUTH, True, True),
        (TRUTH, "True", True),
        (TRUTH, " yes", True),
        (TRUTH, "on", True),
        (TRUTH, 1, True),
        (TRUTH, 1.0, True),
        (TRUTH, "FALSE", False),
        (TRUTH, "off", False),
        (TRUTH, "No", False),
        (TRUTH, 0, False),
        (OBJECT, '{"a": 1}', {"a": 1}),
        (OBJECT, b'{"a": 1}', {"a": 1}),
        (OBJECT, {}, {}),
    ],
)
def test_every_spelling_of_a_value_is_read(kind, raw, value):
    assert read(raw, kind, "field") == value


NOON = datetime(2026, 11, 21, 12, 0, 5, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("raw", "when"),
    [
        (1795262405, NOON),
        ("1795262405", NOON),
        ("1795262405.25", NOON.replace(microsecond=250000)),
        ("2026-11-21 12:00:05", NOON),
        ("2026-11-21T12:00:05Z", NOON),
        ("2026-11-21T12:00:05+00:00", NOON),
        ("2026-11-21T14:00:05+0200", NOON),
        ("2026-11-21 04:30:05-07:30", NOON),
        ("2026-11-21 12:00:05.5", NOON.replace(microsecond=500000)),
        ("2026-11-21 12:00:05,123456789", NOON.replace(microsecond=123456)),
        ("2026-11-21 12:00", NOON.replace(second=0)),
        ("2026-11-21", datetime(2026, 11, 21, tzinfo=timezone.utc)),
        (" 2026-11-21 ", datetime(2026, 11, 21, tzinfo=timezone.utc)),
    ],
)
def test_every_spelling_of_a_time_is_read_and_is_utc_unless_it_says_otherwise(raw, when):
    found = read(raw, TIME, "startTime")
    assert found == when
    assert found.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        *((INTEGER, raw) for raw in ("x", "1.5", 1.5, True, "nan", "inf", float("inf"), "1_000", "²", b"1", [], {})),
        *((INTEGER, raw) for raw in (BIGGEST + 1, "9" * 19, "9" * 5000, 1e300, "1e400")),
        *((MEASURE, raw) for raw in ("nan", "inf", False, "many", 1e300)),
        *((NUMBER, raw) for raw in ("NaN", float("nan"), "-inf", True, "1_0.5", None, b"1.5", 10**400)),
        *((TEXT, raw) for raw in (True, ["a"], {"a": 1}, b"a")),
        *((TRUTH, raw) for raw in ("maybe", 2, [], {})),
        *((TIME, raw) for raw in ("yesterday", "21.11.2026", "2026-13-01", "2026-11-21T25:00:00", -5, "-5", 1e20)),
        *((TIME, raw) for raw in (1795262405000, "NaN", True, [], "2026-11-21 12:00:05+99:00", "٢٠٢٦-11-21")),
        *((OBJECT, raw) for raw in ("[]", "{", '{"a": NaN}', b"\xff{}", 7, DEEP, "<xml/>")),
    ],
)
def test_what_cannot_be_meant_is_refused_with_field_value_and_expectation(kind, raw):
    with pytest.raises(ContractError) as caught:
        read(raw, kind, "someField")
    assert str(caught.value) == f"someField: {shown(raw)} is not {kind.expected}"
    assert caught.value.field_name == "someField"
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("raw", NOTHING)
def test_every_spelling_of_nothing_leaves_the_default(raw):
    assert not says_something(raw)
    assert decode(Sample, {"theNumber": 1, "words": raw, "when": raw}, Dialect.LEGACY) == Sample(1)


@pytest.mark.parametrize("raw", [0, False, 0.0, [], {}, " ", "none of it"])
def test_zero_and_false_say_something(raw):
    assert says_something(raw)


@pytest.mark.parametrize("dialect", Dialect)
def test_a_required_field_that_says_nothing_is_refused_on_both_ways(dialect):
    name = {Dialect.LEGACY: "theNumber", Dialect.V1: "the_number"}[dialect]
    for message in ({}, {name: "NULL"}):
        with pytest.raises(ContractError, match=f"^{name}: missing; a whole number is expected"):
            decode(Sample, message, dialect)
    with pytest.raises(ContractError, match=f"^{name}: missing"):
        encode(Sample(number=None), dialect)  # type: ignore[arg-type]


def test_the_legacy_dialect_passes_over_what_it_does_not_know():
    assert decode(Sample, {"theNumber": "1", "theNumbr": 2, "only_new": "x"}, Dialect.LEGACY) == Sample(1)


@pytest.mark.parametrize(
    ("unknown", "hint"),
    [
        ("the_numbr", "; did you mean the_number?"),
        ("theNumber", "; did you mean the_number?"),
        ("wrods", "; did you mean words?"),
        ("onlyOld", ""),
        ("zzz", ""),
    ],
)
def test_v1_refuses_an_unknown_field_and_names_the_nearest(unknown, hint):
    with pytest.raises(ContractError) as caught:
        decode(Sample, {"the_number": 1, unknown: 1}, Dialect.V1)
    assert str(caught.value) == f"{unknown}: no such field in Sample{hint}"
    assert caught.value.field_name == unknown


def test_the_name_of_an_unknown_field_cannot_spoil_a_log():
    with pytest.raises(ContractError) as caught:
        decode(Sample, {"the_number": 1, "x\n2026 ERROR": 1}, Dialect.V1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dialect", Dialect)
def test_an_answer_may_say_more_than_is_known(dialect):
    assert decode(SampleAnswer, {"words": "yes", "later": 1}, dialect) == SampleAnswer("yes")


@pytest.mark.parametrize("message", [None, [], "x", 1])
def test_a_message_that_is_no_object_is_refused(message):
    with pytest.raises(ContractError, match="is not a JSON object"):
        decode(Sample, message, Dialect.V1)


def test_what_says_nothing_and_what_a_dialect_lacks_is_not_written():
    sample = Sample(1, old="o", new="n")
    assert encode(sample, Dialect.LEGACY) == {"theNumber": 1, "onlyOld": "o"}
    assert encode(sample, Dialect.V1) == {"the_number": 1, "only_new": "n"}


def test_times_are_written_as_each_dialect_wants_them():
    when = datetime(2026, 11, 21, 14, 0, 5, 250000, tzinfo=timezone(timedelta(hours=2)))
    assert TIME.write(when, Dialect.LEGACY) == 1795262405.25
    assert TIME.write(when, Dialect.V1) == "2026-11-21 12:00:05"
    assert STAMP.write(when, Dialect.LEGACY) == "2026-11-21T12:00:05+00:00"


def test_a_time_without_zone_is_not_written():
    with pytest.raises(ContractError, match="no time zone"):
        TIME.write(datetime(2026, 11, 21), Dialect.LEGACY)  # noqa: DTZ001


def test_v1_gets_whole_numbers_where_panda_checks_for_them():
    assert WHOLE_IN_V1.write(1.6, Dialect.V1) == 2
    assert isinstance(WHOLE_IN_V1.write(2.0, Dialect.V1), int)
    assert WHOLE_IN_V1.write(1.6, Dialect.LEGACY) == 1.6


@pytest.mark.parametrize("raw", [1e300, "99999999999999999999", -(2.0**63), 2**63])
def test_what_cannot_be_written_as_a_whole_number_is_none_where_one_is_wanted(raw):
    with pytest.raises(ContractError, match="mean_core_count: .* is not a number"):
        read(raw, WHOLE_IN_V1, "mean_core_count")
    assert read(2.0**62, WHOLE_IN_V1, "mean_core_count") == 2.0**62


def test_long_text_is_cut_where_it_says_least():
    assert text(12).write("0123456789ab", Dialect.V1) == "0123456789ab"
    assert text(12).write("0123456789abc", Dialect.V1) == "012345 [cut]"
    assert tail(12).write("0123456789abc", Dialect.V1) == "[cut] 789abc"
    assert pairs(12).write("a=1 b=2 c=345", Dialect.V1) == "a=1 b=2"
    assert pairs(7).write("a=1 b=2 c=345", Dialect.V1) == "a=1 b=2"


@given(st.text(max_size=60), st.integers(6, 40))
def test_no_kind_of_text_writes_more_than_it_may(value, at_most):
    for make in (text, tail, pairs):
        written = make(at_most).write(value, Dialect.V1)
        assert len(written) <= at_most
        assert written == value or len(value) > at_most


@given(st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(timezone.utc)))  # noqa: DTZ001
def test_a_time_survives_both_dialects_within_their_precision(when):
    assert read(TIME.write(when, Dialect.LEGACY), TIME, "t") == when
    assert read(TIME.write(when, Dialect.V1), TIME, "t") == when.replace(microsecond=0)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=5,
)


@given(JSON)
def test_whatever_comes_is_read_or_refused_and_nothing_else(raw):
    for kind in (INTEGER, MEASURE, NUMBER, TEXT, JSON_TEXT, TRUTH, TIME, OBJECT):
        with suppress(ContractError):
            read(raw, kind, "field")


@pytest.mark.parametrize("raw", ["NaN", "[Infinity]", DEEP, "", "{'a': 1}"])
def test_only_json_is_json(raw):
    with pytest.raises(ValueError):  # noqa: PT011
        read_json(raw)
