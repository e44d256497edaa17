"""What of a log's record is kept, and which records are alike."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import replace
from datetime import timedelta

import pytest

from server.incidents.sighting import HEAD, TAIL, app_of, fold, sighting_of
from server.lib import logs


def record(words="no answer from %s", *values, name="server.production.steps", level=logging.ERROR, error=None):
    why = None
    if error is not None:
        try:
            raise error
        except type(error):
            why = sys.exc_info()
    return logging.LogRecord(name, level, __file__, 1, words, values, why, "work")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (record("%s is gone", "a"), record("%s is gone", "b")),
        (record("took 12.5 s"), record("took 7 s")),
        (record("Invalid HTTP_HOST header: 'evil.example'."), record("Invalid HTTP_HOST header: 'x.example'.")),
        (record("cannot read /a/b/c.txt"), record("cannot read /d/e.txt")),
        (record("%s: %s", "Internal Server Error", "/a/b/"), record("%s: %s", "Internal Server Error", "/c/d/")),
        (record("no", error=ValueError("1")), record("no", error=ValueError("2"))),
    ],
)
def test_records_that_differ_in_what_is_filled_in_are_alike(one, other):
    assert sighting_of(one).fingerprint == sighting_of(other).fingerprint


@pytest.mark.parametrize(
    "other",
    [
        record("other words from %s", "a"),
        record("no answer from %s", "a", name="server.factory.logic"),
        record("no answer from %s", "a", error=ValueError("x")),
    ],
)
def test_other_words_loggers_and_exceptions_are_other_incidents(other):
    assert sighting_of(other).fingerprint != sighting_of(record("no answer from %s", "a")).fingerprint


def test_a_sighting_says_where_it_was_what_was_in_hand_and_how_it_came_there():
    logs.at_work(service="production.submit")
    seen = sighting_of(record("%s failed", "it", error=KeyError("x")))
    logs.at_work()
    assert (seen.app, seen.exception, seen.words) == ("production", "KeyError", "%s failed")
    assert seen.place == "tests/server/incidents/test_sighting.py:record"
    assert seen.about == {"service": "production.submit"}
    assert seen.sample.startswith("it failed\nTraceback")
    assert seen.sample.endswith("KeyError: 'x'")


def test_a_template_that_says_nothing_is_told_filled_in():
    assert sighting_of(record("%s: %s", "Internal Server Error", "/tasks/7/")).words == "Internal Server Error: N"
    assert sighting_of(record("%(what)s", {"what": "no room"})).words == "no room"


def test_what_broke_inside_a_library_says_where_we_called_it_and_where_it_broke():
    try:
        json.loads("{")
    except ValueError:
        made = logging.LogRecord("server.x", logging.ERROR, __file__, 1, "no", (), sys.exc_info())
    ours, theirs = sighting_of(made).place.split(" → ")
    assert ours == f"tests/server/incidents/test_sighting.py:{sys._getframe().f_code.co_name}"
    assert theirs == "json/decoder.py:raw_decode"


def test_no_secret_reaches_a_sample_or_its_words():
    secret = "cps_" + "x" * 40
    seen = sighting_of(record(f"refused {secret}", error=ValueError(f"Bearer {secret}")))
    assert secret not in seen.words + seen.sample


def test_a_long_sample_keeps_its_head_and_its_tail():
    seen = sighting_of(record("head" + "x" * 50_000 + "tail"))
    assert len(seen.sample) < HEAD + TAIL + 100
    assert seen.sample.startswith("head")
    assert seen.sample.endswith("tail")
    assert "characters are left out" in seen.sample


@pytest.mark.parametrize(
    "odd",
    [record("%d of %d", "x"), record("\0 and \ud800"), record(None), record("x", name=""), record("%s", object())],
)
def test_an_odd_record_is_taken_as_it_is(odd):
    seen = sighting_of(odd)
    assert "\0" not in seen.sample + seen.words
    assert seen.fingerprint


@pytest.mark.parametrize(
    ("logger", "app"), [("server.production.x", "production"), ("django.request", "django"), ("server", "server")]
)
def test_the_app_is_the_part_of_the_server_or_the_library(logger, app):
    assert app_of(logger) == app


def test_the_app_of_a_service_that_fails_is_its_own():
    assert app_of("server.services.logic", "factory.cycle") == "factory"
    assert app_of("server.storage.apart", "dataservice.poll") == "storage"


def test_alike_sightings_of_ten_minutes_are_counted_as_one_with_the_last_sample():
    one = replace(sighting_of(record("%s is gone", "first")), level=logging.CRITICAL)
    other = replace(sighting_of(record("%s is gone", "second")), latest=one.latest + timedelta(seconds=5))
    much_later = replace(one, first=one.first + timedelta(hours=1))
    both, later = fold([one, other, other, much_later])
    assert (both.times, both.sample, both.latest, both.first) == (3, "second is gone", other.latest, one.first)
    assert both.level == logging.CRITICAL
    assert later.times == 1
