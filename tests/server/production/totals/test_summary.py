"""The production summary adds up tasks by what they are told apart by."""

from __future__ import annotations

import csv
import io

import pytest
from django.utils import timezone

from pilot.contract.codec import ContractError
from server.production.models import Task, TaskEvent
from server.production.reference.models import Site
from server.production.totals.count import count_totals
from server.production.totals.models import TaskTotals
from server.production.totals.summary import as_csv, read_question, summary_of
from tests.server.production.conftest import define_data


@pytest.fixture
def tasks(queue):
    for number, (year, period, slot) in enumerate(
        ((2016, "P07", 1), (2016, "P07", 2), (2016, "P08", 1), (2017, "W01", 1))
    ):
        define_data(name=f"t{number}", year=year, period=period, slot=slot, runs=1, chunks=number + 1)
    count_totals()
    TaskTotals.objects.update(finished=1, result_bytes=10, taped_bytes=5)
    Task.objects.filter(name="t0").update(state="archived")


def lines(**said: str) -> list[tuple]:
    return [(line.keys, line.sums.chunks) for line in summary_of(read_question(said)).lines]


def test_lines_are_of_year_period_and_slot_unless_said_otherwise(tasks):
    keys = [("2016", "P07", "1"), ("2016", "P07", "2"), ("2016", "P08", "1"), ("2017", "W01", "1")]
    assert lines() == [(key, number + 1) for number, key in enumerate(keys)]
    assert lines(by="year") == [(("2016",), 6), (("2017",), 4)]
    assert lines(by="period", year="2016") == [(("P07",), 3), (("P08",), 3)]
    assert lines(slot="2") == [(keys[1], 2)]
    assert lines(production="another") == []


def test_sums_are_of_all_lines_and_tell_what_is_left(tasks):
    summary = summary_of(read_question({"by": "year"}))
    total = summary.total
    assert (total.tasks, total.active, total.done, total.chunks, total.finished, total.left) == (4, 3, 1, 10, 4, 6)
    assert (total.result_bytes, total.taped_bytes, total.part) == (40, 20, 40.0)
    assert summary.counted is not None
    assert summary.as_json()["lines"][0]["year"] == "2016"


def test_types_are_those_that_people_name_and_sites_those_of_definitions(tasks):
    site = Site.objects.create(name="FARM", queue="LOCAL")
    Task.objects.filter(name="t3").update(kind="dy_mass", site=site)
    assert lines(by="type,site") == [(("dy_mass", "FARM"), 4), (("mass_production", ""), 6)]
    assert lines(by="year", type="dy_mass") == [(("2017",), 4)]
    assert lines(by="year", type="mass_production", site="FARM") == []


def test_how_old_the_sums_are_and_what_is_not_in_them_yet_is_told(tasks):
    def waiting() -> int:
        return summary_of(read_question({})).waiting

    assert waiting() == 0
    TaskEvent.objects.create(task=Task.objects.get(name="t1"), after="done", by="x", at=timezone.now())
    assert waiting() == 1
    TaskTotals.objects.all().delete()
    assert waiting() == 4
    count_totals()
    assert summary_of(read_question({})).as_json()["waiting"] == 1, "what is younger than a minute may have company"


def test_a_task_that_is_called_done_counts_what_it_has_made_and_not_more(tasks):
    Task.objects.filter(name="t3").update(state="done")
    (line,) = summary_of(read_question({"by": "production", "year": "2017"})).lines
    assert (line.sums.done, line.sums.chunks, line.sums.finished, line.sums.part) == (1, 4, 1, 25.0)


def test_many_tasks_take_as_many_questions_as_few(tasks, django_assert_num_queries):
    for number in range(4, 9):
        define_data(name=f"t{number}", slot=number, runs=1, chunks=1)
    with django_assert_num_queries(4):
        assert len(summary_of(read_question({"by": "slot"})).lines) == 7


def test_more_lines_than_a_page_has_are_in_its_sums_and_in_the_table(tasks, monkeypatch):
    monkeypatch.setattr("server.production.totals.summary.MOST", 2)
    asked = read_question({})
    summary = summary_of(asked)
    assert (len(summary.lines), summary.left_out, summary.total.chunks) == (2, True, 10)
    assert len(list(as_csv(asked))) == 5


def test_drafts_cancelled_tasks_and_users_tasks_are_no_production(tasks):
    for name, change in (("t0", {"state": "draft"}), ("t1", {"state": "cancelled"}), ("t2", {"type": "user_analysis"})):
        Task.objects.filter(name=name).update(**change)
    assert lines(by="year") == [(("2017",), 4)]


def test_nothing_at_all_is_an_empty_summary(db):
    summary = summary_of(read_question({}))
    assert (summary.lines, summary.total.tasks, summary.counted, summary.total.part) == ((), 0, None, 0.0)


def test_a_table_holds_no_formulas(tasks):
    Task.objects.filter(name="t3").update(production="=1+1")
    rows = list(csv.reader(io.StringIO("".join(as_csv(read_question({"by": "production"}))))))
    assert rows[0][:3] == ["production", "tasks", "active"]
    assert [row[0] for row in rows[1:]] == ["'=1+1", "dvcs2016P07t1"]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"yaer": "2016"}, "yaer: there is no such filter; there are year, period"),
        ({"by": "colour"}, "by: 'colour' is none of year, period"),
        ({"year": "MMXVI"}, "year: 'MMXVI' is no number"),
        ({"year": "9" * 7}, "year: "),
        ({"soft": "a\x00b"}, "soft: "),
        ({"production": "x" * 201}, "production: "),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(said, words):
    with pytest.raises(ContractError) as refused:
        read_question(said)
    assert str(refused.value).startswith(words)
