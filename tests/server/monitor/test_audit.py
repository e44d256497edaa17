"""Who did what to productions: from every place where it is written down, in one order, without what services did."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta

import pytest
from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone

from pilot.contract.codec import ContractError
from server.production import logic
from server.production.door import note
from server.production.models import Run, TaskEvent
from server.production.queries.audit import (
    KINDS,
    Place,
    Wanted,
    all_deeds,
    as_csv,
    audit_page,
    read_day,
    read_place,
)
from server.production.rules.models import ProductionRule
from server.production.steering_models import Resend
from tests.server.monitor.test_views import parsed
from tests.server.production.conftest import define_data

PAGE = "/production/audit"
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def task(queue):
    return define_data(runs=1, chunks=1)


def moved(task, by, minutes, words="", run=None, **more):
    said = {"before": "running", "after": "paused", "at": START + timedelta(minutes=minutes), **more}
    return TaskEvent.objects.create(task=task, by=by, words=words, run=run, **said)


def sent_again(task, minutes, undone=None):
    at = START + timedelta(minutes=minutes)
    undone_at = None if undone is None else START + timedelta(minutes=undone)
    said = {"wish": {}, "words": "what has failed", "counts": {"chunks": 3, "merges": 0}, "at": at, "by": "ada"}
    return Resend.objects.create(task=task, why="=mended", undone_at=undone_at, undone_by="bob", **said)


def told(**wanted):
    return [(deed.kind, deed.by, deed.words) for deed in all_deeds(Wanted(**wanted))]


def test_deeds_of_every_kind_are_told_newest_first(task):
    moved(task, "ada", 1, "the disk was full")
    moved(task, "bob", 4, "seen in the log", run=Run.objects.get(), before="manual_check", after="accepted")
    sent_again(task, 2, undone=3)
    carol = User.objects.create_user("carol")
    kind = ContentType.objects.get_for_model(ProductionRule)
    entry = LogEntry.objects.create(
        user=carol, content_type=kind, object_id="1", object_repr="disk", action_flag=ADDITION
    )
    LogEntry.objects.filter(pk=entry.pk).update(action_time=START)
    deeds = audit_page(Wanted()).deeds
    assert [(deed.kind, deed.by, deed.what) for deed in deeds] == [
        ("check", "bob", f"check of run {deeds[0].run}: manual check → accepted"),
        ("undo", "bob", f"undone: resend {Resend.objects.get().pk}: what has failed"),
        ("resend", "ada", f"resend {Resend.objects.get().pk}: what has failed: 3 chunks"),
        ("task", "ada", "task: running → paused"),
        ("settings", "carol", f"{kind.name} added"),
    ]
    assert [deed.task for deed in deeds] == ["data"] * 4 + [""]


def test_what_services_did_and_what_moved_by_an_order_is_left_out(task):
    for by in ("production.crosscheck", "production.archive", "taskbuffer.retry", ""):
        moved(task, by, 1)
    logic.move_task("data", "paused", by="ada.lovelace", words="the disk was full")
    assert told() == [("task", "ada.lovelace", "the disk was full")]
    assert TaskEvent.objects.filter(by="ada.lovelace").count() > 1


def test_a_note_that_moves_nothing_says_so(task):
    note(task, "send", "send", by="ada", words="priority 1 -> 2: urgent")
    assert audit_page(Wanted()).deeds[0].what == "task: stays send"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"by": "ada"}, {"first", "again"}),
        ({"task": "other"}, {"elsewhere"}),
        ({"task": "none"}, set()),
        ({"kind": "resend"}, {"again"}),
        ({"words": "else"}, {"elsewhere"}),
        ({"since": date(2026, 3, 2)}, {"elsewhere"}),
        ({"until": date(2026, 3, 1)}, {"first", "again"}),
        ({"until": date.max}, {"first", "again", "elsewhere"}),
        ({"by": "ada", "kind": "task"}, {"first"}),
    ],
)
def test_deeds_are_chosen_by_what_is_asked_for(task, wanted, expected):
    other = define_data(name="other", runs=1, chunks=1, slot=2)
    moved(task, "ada", 1, "first")
    Resend.objects.filter(pk=sent_again(task, 2).pk).update(why="again")
    moved(other, "bob", 24 * 60, "elsewhere")
    assert {words for _, _, words in told(**wanted)} == expected


def test_pages_follow_each_other_without_gap_or_double_also_within_one_moment(task):
    for number in range(5):
        moved(task, "ada", 0, f"t{number}")
        moved(task, "ada", 0, f"c{number}", run=Run.objects.get())
        sent_again(task, 0, undone=number % 2)
    whole = [deed.place for deed in audit_page(Wanted(), most=100).deeds]
    assert len(whole) == 20
    assert whole == sorted(set(whole), reverse=True)
    pages, wanted = [], Wanted()
    while True:
        found = audit_page(wanted, most=3)
        pages += [deed.place for deed in found.deeds]
        if found.following is None:
            break
        wanted = Wanted(before=read_place(str(found.following)))
    assert pages == whole


def test_all_of_them_are_written_as_a_table_that_no_spreadsheet_takes_for_formulas(task):
    sent_again(task, 2)
    moved(task, "ada", 1, 'a "word", and another')
    rows = list(csv.DictReader(io.StringIO("".join(as_csv(all_deeds(Wanted()))))))
    assert [row["words"] for row in rows] == ["'=mended", 'a "word", and another']
    assert [row["kind"] for row in rows] == ["resend", "task"]
    assert len(list(all_deeds(Wanted(), most=1))) == 1


@pytest.mark.parametrize("text", ["x", "1~2", "2026-01-01T00:00:00~1~1", "2026-01-01T00:00:00+00:00~9~1", "~~"])
def test_a_place_that_no_page_names_is_refused(text):
    with pytest.raises(ContractError, match=r"^before: .* is the place of no deed"):
        read_place(text)


def test_a_day_that_is_none_is_refused():
    assert read_day("since", "2026-02-28") == date(2026, 2, 28)
    with pytest.raises(ContractError, match=r"^since: '2026-02-30' is no day; give one such as"):
        read_day("since", "2026-02-30")


def test_the_page_shows_deeds_escaped_with_their_twins(admin_client, task):
    moved(task, "<b>eve", 1, "<i>why")
    answer = admin_client.get(PAGE)
    parsed(answer)
    text = answer.content.decode()
    assert "&lt;b&gt;eve" in text
    assert "<i>why" not in text
    assert admin_client.get(f"{PAGE}?json").json()["data"]["deeds"][0]["words"] == "<i>why"
    table = admin_client.get(f"{PAGE}?csv=1")
    assert table["Content-Type"].startswith("text/csv")
    assert "<i>why" in b"".join(table.streaming_content).decode()


def test_a_page_says_where_older_ones_are(admin_client, task):
    for number in range(60):
        moved(task, "ada", number)
    data = admin_client.get(f"{PAGE}?by=ada&json").json()["data"]
    assert len(data["deeds"]) == 50
    older = admin_client.get(PAGE, {"by": "ada", "before": data["next"]})
    parsed(older)
    assert older.content.decode().count("<tr><td") == 10
    assert "Newest" in older.content.decode()


@pytest.mark.parametrize("asked", ["kind=x", "since=tomorrow", "until=1", "before=7", "colour=red"])
def test_what_cannot_be_asked_for_is_refused_by_name(admin_client, asked, db):
    answer = admin_client.get(f"{PAGE}?{asked}&json")
    assert answer.status_code == 400
    assert answer.json()["message"].startswith(f"{asked.split('=')[0]}: ")
    assert admin_client.get(f"{PAGE}?{asked}").status_code == 400


def test_an_empty_page_says_what_to_do(admin_client, db):
    assert "Nobody has done anything yet" in admin_client.get(PAGE).content.decode()
    assert "Nobody has done anything of this kind" in admin_client.get(f"{PAGE}?by=ada").content.decode()


@pytest.mark.parametrize("more", [0, 7])
def test_the_number_of_questions_does_not_grow_with_the_deeds(admin_client, task, django_assert_num_queries, more):
    for number in range(more):
        other = define_data(name=f"more{number}", runs=1, chunks=1, slot=3 + number)
        moved(other, "ada", number)
        moved(other, "ada", number, run=other.runs.get())
        sent_again(other, number, undone=number)
    with django_assert_num_queries(2 + len(KINDS)):
        admin_client.get(PAGE)


def test_who_is_not_known_is_led_to_the_login(client, db):
    assert client.get(PAGE).status_code == 302


def test_a_place_is_after_what_came_before_it():
    now = timezone.now()
    assert Place(now, 1, 5) > Place(now, 1, 4) > Place(now, 0, 9) > Place(now - timedelta(seconds=1), 4, 99)
