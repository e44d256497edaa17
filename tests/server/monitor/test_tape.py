"""What was asked of tapes: both directions, the oldest first, with why it hangs and what can be done."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from server.dataservice.models import Contact, TransferRequest
from server.production.models import Chunk, MergeGroup, Output, Run
from server.production.queries.tape import BANDS, LAST_BAND, TapeLine, bands_of, tape_page
from server.production.staging.models import Prestage, StagedFile
from server.production.staging.states import StagedState
from tests.kits.people import reader
from tests.server.monitor.test_views import parsed
from tests.server.production.conftest import define_data

PAGE = "/production/tape"


@pytest.fixture
def task(queue):
    return define_data(runs=1, chunks=4)


def hours_ago(hours):
    return timezone.now() - timedelta(hours=hours)


def asked(kind="prestage", *, hours=0.0, files=4, state="open"):
    at = hours_ago(hours)
    said = {"kind": kind, "endpoint": "TAPE", "files": files, "by": "production.prestage", "state": state}
    return TransferRequest.objects.create(created=at, asked=at, **said)


def staged(task, hours, *states, request=None):
    """A request for the raw files of the first chunks of a task, which are in these states."""
    number = request or asked(hours=hours).pk
    said = {"endpoint": "TAPE", "runs": [Run.objects.filter(task=task)[0].number], "by": "production.prestage"}
    one = Prestage.objects.create(task=task, request=number, files=len(states), at=hours_ago(hours), **said)
    chunks = Chunk.objects.filter(task=task, staged=None).order_by("number")
    for chunk, state in zip(chunks, states, strict=False):
        StagedFile.objects.create(chunk=chunk, prestage=one, endpoint="TAPE", state=state, since=one.at)
    return one


def merged(task, hours, *states, files=3):
    """A request for merged files of a task on tape, which are in these states."""
    request = asked("archive", hours=hours, files=files)
    run = task.runs.get()
    for number, state in enumerate(states):
        group = MergeGroup.objects.create(task=task, run=run, kind="mdst", number=100 * request.pk + number)
        place = {"dataset": f"merged{request.pk}", "endpoint": "DISK", "kind": "merged_mdst", "size": 500}
        way = {"tape": state, "tape_request": request.pk, "tape_since": request.asked}
        Output.objects.create(task=task, run=run, group=group, lfn=f"{number}.root", **place, **way)
    return request


def told(**wanted):
    lines = tape_page(timezone.now(), **wanted).lines
    return [(line.direction, line.number, line.waiting, line.done, line.failed) for line in lines]


def test_requests_of_both_directions_are_told_the_oldest_first(task):
    bring = staged(task, 5, StagedState.ASKED, StagedState.ASKED, StagedState.ON_DISK, StagedState.FAILED)
    store = merged(task, 7, "sent", "failed")
    assert told() == [("to", store.pk, 1, 1, 1), ("from", bring.request, 2, 1, 1)]
    assert told(direction="from") == [("from", bring.request, 2, 1, 1)]
    assert told(direction="to") == [("to", store.pk, 1, 1, 1)]
    (line, other) = tape_page(timezone.now()).lines
    assert (line.size, other.size, other.task, list(other.runs)) == (1000, 4000, "data", [278473])


def test_what_is_done_or_let_go_is_no_request_any_more(task):
    staged(task, 1, StagedState.ON_DISK, StagedState.LET_GO)
    merged(task, 1, "finished", "finished", files=2)
    assert told() == []


def test_the_requests_of_one_task_are_told_alone(task):
    other = define_data(name="other", runs=1, chunks=1, slot=2)
    staged(other, 1, StagedState.ASKED)
    merged(other, 1, "sent")
    mine = staged(task, 2, StagedState.ASKED)
    assert [line[1] for line in told(task=task)] == [mine.request]
    assert len(told(task=other)) == 2


def test_no_more_than_so_many_are_told_and_that_there_are_more(task):
    numbers = [merged(task, 10 - hours, "sent").pk for hours in range(3)]
    found = tape_page(timezone.now(), most=2)
    assert [line.number for line in found.lines] == numbers[:2]
    assert found.left_out
    assert not tape_page(timezone.now(), most=3).left_out


def test_files_that_could_not_be_asked_for_are_told_with_their_words(admin_client, task):
    chunk, said = Chunk.objects.filter(task=task).first(), {"since": hours_ago(1), "words": "TAPE is not known here"}
    StagedFile.objects.create(chunk=chunk, endpoint="TAPE", state=StagedState.WAITING, **said)
    merged(task, 1, "failed")
    Output.objects.update(tape_request=None, tape_words="its checksum <b>is not known</b>")
    found = tape_page(timezone.now())
    assert [(one.direction, one.task, one.files) for one in found.unasked] == [("from", "data", 1), ("to", "data", 1)]
    assert [one.direction for one in tape_page(timezone.now(), task=task, direction="to").unasked] == ["to"]
    answer = admin_client.get(PAGE)
    parsed(answer)
    text = answer.content.decode()
    assert "TAPE is not known here" in text
    assert "its checksum &lt;b&gt;" in text
    assert "Nothing waits for a tape" not in text
    assert len(admin_client.get(f"{PAGE}?json").json()["data"]["unasked"]) == 2


def test_requests_that_wait_are_counted_by_age():
    now = timezone.now()
    ages = (0, 0.9, 1, 5, 23, 25, 71, 73, 999)
    lines = [TapeLine("to", 1, "t", "TAPE", 1, 0, 0, 0, now - timedelta(hours=hours)) for hours in ages] + [
        TapeLine("to", 1, "t", "TAPE", 0, 0, 3, 0, now)
    ]
    assert bands_of(lines, now) == [*zip((words for words, _ in BANDS), (2, 2, 1, 2), strict=True), (LAST_BAND, 2)]


@pytest.mark.parametrize(
    ("hours", "states", "silent", "hangs"),
    [
        (1, (StagedState.ASKED,), False, False),
        (25, (StagedState.ASKED,), False, True),
        (1, (StagedState.ASKED, StagedState.WAITING), False, True),
        (1, (StagedState.ASKED,), True, True),
    ],
)
def test_what_hangs_is_marked(task, hours, states, silent, hangs):
    staged(task, hours, *states)
    if silent:
        Contact.objects.create(endpoint="TAPE", silent_since=hours_ago(2))
    (line,) = tape_page(timezone.now()).lines
    assert line.hangs is hangs
    assert ("TAPE is silent since" in line.words) is silent


def test_a_request_that_the_data_service_has_forgotten_is_told(task):
    staged(task, 1, StagedState.ASKED, request=999999)
    (line,) = tape_page(timezone.now()).lines
    assert (line.words, line.acts, line.hangs) == ("the data service does not know it any more", [], True)


def test_the_page_has_what_can_be_done_for_those_who_may(client, admin_client, django_user_model, task):
    one = staged(task, 30, StagedState.ASKED, StagedState.FAILED)
    merged(task, 1, "failed")
    answer = admin_client.get(PAGE)
    parsed(answer)
    text = answer.content.decode()
    for way in (f"/data/requests/{one.request}/give-up", "resend?what=archive", "resend?what=staging"):
        assert way in text, way
    somebody = reader("somebody")
    client.force_login(somebody)
    assert "resend?what" not in client.get(PAGE).content.decode()
    somebody.groups.add(Group.objects.get_or_create(name="production")[0])
    assert "resend?what" in client.get(PAGE).content.decode()


def test_the_page_has_its_twin_and_stands_on_those_of_the_production_and_the_task(admin_client, task):
    one = staged(task, 30, StagedState.ASKED)
    data = admin_client.get(f"{PAGE}?task=data&json").json()["data"]
    assert (data["requests"][0]["request"], data["requests"][0]["hangs"]) == (one.request, True)
    assert data["bands"][3] == {"age": "one to three days", "requests": 1}
    assert admin_client.get("/production?json").json()["data"]["tape"] == data["bands"]
    assert "1 one to three days" in admin_client.get("/production").content.decode()
    assert f"{PAGE}?task=data" in admin_client.get("/tasks/data").content.decode()


@pytest.mark.parametrize("more", [0, 3])
def test_the_number_of_questions_does_not_grow_with_the_requests(task, django_assert_num_queries, more):
    for number in range(1 + more):
        merged(task, number, "sent", "failed")
    staged(task, 1, StagedState.ASKED)
    with django_assert_num_queries(12):
        tape_page(timezone.now())


def test_an_empty_page_says_so(admin_client, task):
    assert "Nothing waits for a tape, and nothing has failed" in admin_client.get(PAGE).content.decode()
    assert "Show all" in admin_client.get(f"{PAGE}?task=data").content.decode()


@pytest.mark.parametrize(("said", "status"), [("task=none", 404), ("direction=up", 400), ("x=1", 400)])
def test_what_cannot_be_shown_is_told(admin_client, db, said, status):
    assert admin_client.get(f"{PAGE}?{said}").status_code == status
    answer = admin_client.get(f"{PAGE}?{said}&json")
    assert (answer.status_code, bool(answer.json()["message"])) == (status, True)


def test_who_is_not_known_is_led_to_the_login(client, db):
    assert client.get(PAGE).status_code == 302
