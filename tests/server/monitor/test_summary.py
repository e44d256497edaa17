"""The production summary's page, its twins, and where the bars of its charts stand."""

from __future__ import annotations

import csv
import io

import pytest

from server.monitor.summary_chart import LEFT, MOST, RIGHT, WIDTH, draw
from server.production.totals.count import count_totals
from tests.server.monitor.test_views import parsed
from tests.server.production.conftest import define_data

SERIES = (("s2", "finished"), ("s6", "failed"))
PAGE = "/production/summary"


def test_parts_stand_behind_each_other_and_are_as_wide_as_they_are_worth():
    chart = draw(["a", "b"], [(30, 10), (0, 20)], SERIES, "Chunks")
    first, second, third = chart.parts
    assert first.x == LEFT == third.x
    assert second.x == pytest.approx(LEFT + first.width)
    assert first.width == pytest.approx(3 * second.width)
    assert third.width == pytest.approx(2 * second.width)
    assert first.y == second.y < third.y
    assert second.words == "a · failed: 10"
    assert chart.ticks[-1].x <= WIDTH - RIGHT
    assert [tick.value for tick in chart.ticks] == [0, 10, 20, 30, 40]


def test_more_bars_than_fit_are_told_of():
    chart = draw([f"n{number}" for number in range(MOST + 2)], [(1, 0)] * (MOST + 2), SERIES, "Chunks")
    assert len(chart.names) == MOST
    assert chart.words == f"Chunks; the first {MOST} of {MOST + 2}"


def test_a_chart_of_nothing_has_an_axis_and_long_names_are_cut():
    chart = draw(["x" * 99], [(0, 0)], SERIES, "Chunks")
    assert (chart.parts, [tick.value for tick in chart.ticks]) == ((), [0, 1])
    assert chart.names[0].words == f"{'x' * 29}…"


@pytest.fixture
def tasks(queue):
    define_data(name="one", runs=1, chunks=2)
    define_data(name="two", runs=1, chunks=3, period="<b>P08", slot=2)
    count_totals()


def test_the_page_shows_lines_charts_and_their_sum(admin_client, tasks):
    answer = admin_client.get(PAGE)
    parsed(answer)
    text = answer.content.decode()
    assert "&lt;b&gt;P08" in text
    assert "<b>P08" not in text
    assert "of 5 chunks finished" in text
    assert text.count("<svg") == 2


def test_its_twins_tell_the_same(admin_client, tasks):
    found = admin_client.get(f"{PAGE}?by=period&json").json()["data"]
    assert [(line["period"], line["chunks"]) for line in found["lines"]] == [("<b>P08", 3), ("P07", 2)]
    answer = admin_client.get(f"{PAGE}?by=period&csv")
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    assert [(row["period"], row["chunks"]) for row in rows] == [("<b>P08", "3"), ("P07", "2")]
    assert answer["Content-Disposition"] == 'attachment; filename="production.csv"'


def test_nothing_yet_says_how_to_begin(admin_client):
    assert "compass task create" in admin_client.get(PAGE).content.decode()


def test_what_makes_no_sense_is_refused_with_its_name(admin_client):
    answer = admin_client.get(f"{PAGE}?by=colour&year=<i>")
    assert answer.status_code == 400
    assert "by: &#x27;colour&#x27; is none of" in answer.content.decode()
    assert admin_client.get(f"{PAGE}?year=x&json").status_code == 400


@pytest.mark.parametrize("more", [0, 5])
def test_the_number_of_questions_does_not_grow_with_the_tasks(admin_client, tasks, django_assert_num_queries, more):
    for number in range(more):
        define_data(name=f"more{number}", runs=1, chunks=1, slot=3 + number)
    with django_assert_num_queries(6):
        assert admin_client.get(PAGE).status_code == 200


def test_who_is_not_known_is_led_to_the_login(client, db):
    assert client.get(PAGE).status_code == 302
