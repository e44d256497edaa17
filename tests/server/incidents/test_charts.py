"""Bars by hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

from server.incidents import charts

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def drawn(*counts, **more):
    hours = [(NOON + timedelta(hours=number), count) for number, count in enumerate(counts)]
    return charts.bars(hours, **{"width": 100, "height": 20} | more)


def test_the_highest_bar_fills_the_height_and_a_single_one_is_still_seen():
    *rects, _axis = ElementTree.fromstring(drawn(1, 0, 1000)).findall("rect")
    assert [(rect.get("height"), rect.get("y")) for rect in rects] == [("2.0", "18.0"), ("20.0", "0.0")]
    assert rects[1].find("title").text == "Sun 01 Mar 14:00 UTC: 1000"


def test_bars_say_in_words_what_they_show():
    said = ElementTree.fromstring(drawn(1, 0, 5)).get("aria-label")
    assert said == "6 in 3 hours; most, 5, in the hour from 2026-03-01 14:00 UTC"


def test_nothing_is_no_picture():
    assert "svg" not in drawn(0, 0)
    assert "svg" not in drawn()


def test_small_bars_have_no_titles():
    assert "<title>" not in drawn(1, titles=False)
