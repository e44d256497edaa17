"""People steer tasks on a page, one or many: it shows what would be done, wants a reason, and tells what came of it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group

from server.production import logic
from server.production.definition import BadDefinition
from server.production.models import Task, TaskEvent
from server.production.queries.ways import ways_of
from tests.kits.people import reader
from tests.server.monitor.test_views import parsed
from tests.server.production.conftest import DATA, define_data

pytestmark = pytest.mark.one_python

PAGE = "/tasks/steer"
WHY = "the tape robot is off"


@pytest.fixture
def manager(client, django_user_model):
    user = django_user_model.objects.create_user("ada")
    user.groups.add(Group.objects.get_or_create(name="production")[0])
    client.force_login(user)
    return client


@pytest.fixture
def data(queue):
    return define_data(runs=1, chunks=2)


def order(client, to, *names, why=WHY, **more):
    seen = [f"{task.name}:{task.state}" for task in Task.objects.filter(name__in=names)]
    return client.post(PAGE, {"task": names, "to": to, "why": why, "seen": seen, **more})


def states():
    return dict(Task.objects.values_list("name", "state"))


def test_what_would_be_done_is_shown_and_nothing_is_done(manager, data):
    answer = manager.get(PAGE, {"task": "data", "to": "paused"})
    parsed(answer)
    text = answer.content.decode()
    assert "Nothing more is sent" in text
    assert "2 defined" in text
    assert states() == {"data": "send"}


def test_programs_are_shown_and_told_the_same(manager, data):
    asked = manager.get(PAGE, {"task": "data", "to": "paused", "json": ""}).json()
    line = {"name": "data", "state": "send", "chunks": {"defined": 2}, "refused": "", "done": ""}
    assert asked == {"success": True, "message": "", "data": {"to": "paused", "over": False, "tasks": [line]}}
    words = {"task": "data", "to": "paused", "why": ""}
    answer = manager.post(PAGE, words, headers={"accept": "application/json"})
    assert (answer.status_code, answer.json()["success"]) == (400, False)
    assert answer.json()["message"].startswith("why:")
    answer = manager.post(PAGE, {**words, "why": WHY}, headers={"accept": "application/json"})
    done = answer.json()["data"]["tasks"][0]
    assert (done["state"], done["done"], states()) == ("paused", "paused", {"data": "paused"})


def test_a_task_is_paused_goes_on_and_is_cancelled_with_reasons(manager, data):
    for to, after in (("paused", "paused"), ("running", "running"), ("cancelled", "cancelled")):
        answer = order(manager, to, "data")
        assert (answer.status_code, states()["data"]) == (200, after)
    found = TaskEvent.objects.filter(task=data, chunk=None, by="ada").order_by("pk")
    assert list(found.values_list("after", "words")) == [("paused", WHY), ("running", WHY), ("cancelled", WHY)]


def test_of_many_tasks_each_is_told_by_itself_and_one_holds_up_no_other(manager, data):
    define_data(name="over", runs=1, chunks=1, slot=2)
    Task.objects.filter(name="over").update(state="done")
    define_data(name="third", runs=1, chunks=1, slot=3)
    answer = order(manager, "paused", "data", "over", "third")
    parsed(answer)
    assert states() == {"data": "paused", "over": "done", "third": "paused"}
    assert "it is done" in answer.content.decode()


def test_priorities_change_and_what_is_left_empty_stays(manager, data):
    answer = order(manager, "change", "data", priority="77", max_attempts=" ")
    assert answer.status_code == 200
    data.refresh_from_db()
    assert (data.priority, data.max_attempts) == (77, 5)
    assert TaskEvent.objects.filter(words__contains="priority 2000 -> 77").exists()


def test_a_value_that_cannot_be_is_told_by_its_field_and_changes_nothing(manager, data):
    answer = order(manager, "change", "data", priority="high")
    assert answer.status_code == 409
    assert "priority: " in answer.content.decode()
    data.refresh_from_db()
    assert data.priority == 2000


@pytest.mark.parametrize("why", ["", "  "])
def test_an_order_without_a_reason_is_refused(manager, data, why):
    answer = order(manager, "paused", "data", why=why)
    assert (answer.status_code, states()) == (400, {"data": "send"})
    assert 'role="alert"' in answer.content.decode()


def test_a_task_that_has_moved_since_somebody_looked_is_left_alone(manager, data):
    answer = manager.post(PAGE, {"task": "data", "to": "paused", "why": WHY, "seen": "data:running"})
    assert (answer.status_code, states()) == (409, {"data": "send"})
    assert "has moved since; look again" in answer.content.decode()


def test_people_who_may_only_look_give_no_orders(client, django_user_model, data):
    client.force_login(reader("eve"))
    assert "You may only look" in client.get(PAGE, {"task": "data", "to": "paused"}).content.decode()
    assert order(client, "paused", "data").status_code == 403
    assert PAGE not in client.get("/tasks/data").content.decode()
    assert states() == {"data": "send"}


@pytest.mark.parametrize(
    ("asked", "status", "words"),
    [
        ({"task": "data", "to": "heaven"}, 400, "to: "),
        ({"to": "paused"}, 400, "choose 1 to 100 tasks"),
        ({"task": ["data", "<b>"], "to": "paused"}, 404, "there is no task"),
        ({"task": [f"t{number}" for number in range(101)], "to": "paused"}, 400, "these are 101"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(manager, data, asked, status, words):
    answer = manager.get(PAGE, asked)
    assert (answer.status_code, words in answer.content.decode()) == (status, True)
    assert "<b>'" not in answer.content.decode()


def test_pages_offer_what_can_be_done_to_whom_may(manager, data):
    told = manager.get("/tasks/data").content.decode()
    assert f"{PAGE}?task=data&amp;to=paused" in told
    assert "to=running" not in told
    listed = manager.get("/tasks").content.decode()
    assert 'form="steer" name="task" value="data"' in listed


@pytest.mark.parametrize(
    ("state", "ways"),
    [
        ("send", ["paused", "finishing", "cancelled", "change"]),
        ("paused", ["running", "finishing", "cancelled", "change"]),
        ("done", ["archive"]),
        ("archived", []),
        ("cancelled", []),
    ],
)
def test_what_can_be_done_depends_on_the_state(data, state, ways):
    Task.objects.update(state=state)
    data.refresh_from_db()
    assert [to for to, _ in ways_of(data)] == ways


def test_no_task_is_called_like_a_page(queue):
    for name in ("new", "steer"):
        with pytest.raises(BadDefinition, match="is the name of a page"):
            logic.define_task({**DATA, "name": name}, by="ada")


def test_who_is_not_known_is_led_to_the_login(client, db):
    assert client.get(PAGE, {"task": "data", "to": "paused"}).status_code == 302
    assert client.put(PAGE).status_code == 405


@pytest.mark.parametrize("more", [0, 5])
def test_the_number_of_questions_does_not_grow_with_the_tasks(manager, data, django_assert_num_queries, more):
    names = ["data"]
    for number in range(more):
        names.append(define_data(name=f"more{number}", runs=1, chunks=1, slot=5 + number).name)
    with django_assert_num_queries(5):
        manager.get(PAGE, {"task": names, "to": "paused"})
