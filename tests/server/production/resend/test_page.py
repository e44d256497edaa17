"""A part of a task is sent again over HTTP: by clients, and on a page that shows it before it is confirmed."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from server.accounts.logic import create_token
from server.accounts.models import Role
from server.production.models import Chunk, Task
from server.production.steering_models import Resend
from tests.kits.people import reader

PAGE = "/tasks/mc2016_gen/resend"


@pytest.fixture
def failures(tasks):
    """All chunks of the generation have failed."""
    Chunk.objects.filter(task=tasks[0]).update(state="failed", attempts=5)
    Task.objects.filter(pk=tasks[0].pk).update(state="running")
    return tasks


@pytest.fixture
def manager(failures):
    """Somebody of the group production, whose browser checks forms."""
    user = User.objects.create_user("ada", password="x")
    user.groups.add(Group.objects.get_or_create(name="production")[0])
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)
    return browser


def token_of(answer) -> str:
    text = answer.content.decode()
    return text.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]


def test_a_manager_sees_confirms_and_undoes(manager):
    assert "Nothing yet." in manager.get(PAGE).content.decode()
    seen = manager.get(PAGE, {"what": "failed", "run": "278473"})
    assert "3 failed" in seen.content.decode()
    assert not Resend.objects.exists()
    form = {"what": "failed", "run": "278473", "why": "<b>disk</b>", "csrfmiddlewaretoken": token_of(seen)}
    assert manager.post(PAGE, form).status_code == 302
    record = Resend.objects.get()
    assert (record.by, record.why, record.counts["chunks"]) == ("ada", "<b>disk</b>", 3)
    after = manager.get(PAGE)
    assert "&lt;b&gt;disk" in after.content.decode()
    assert manager.post(PAGE, {"undo": record.pk, "csrfmiddlewaretoken": token_of(after)}).status_code == 302
    assert Chunk.objects.filter(state="failed").count() == 6
    assert "by ada" in manager.get(PAGE).content.decode()


def test_without_the_forms_token_nothing_is_done(manager):
    assert manager.post(PAGE, {"what": "failed", "why": "x"}).status_code == 403
    assert not Resend.objects.exists()


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"what": "failed"}, "give a reason"),
        ({"what": "nothing", "why": "x"}, "cannot be sent again"),
        ({"undo": "99"}, "there is no resend 99"),
        ({"undo": "x"}, "there is no resend 0"),
    ],
)
def test_what_is_refused_is_told_on_the_page(manager, form, words):
    answer = manager.post(PAGE, {**form, "csrfmiddlewaretoken": token_of(manager.get(PAGE, {"what": "failed"}))})
    assert answer.status_code == 400
    assert words in answer.content.decode()


def test_who_is_not_a_manager_may_only_look(failures, client):
    assert client.get(PAGE).status_code == 302
    client.force_login(reader("bob"))
    text = client.get(PAGE, {"what": "failed"}).content.decode()
    assert "You may only look" in text
    assert "Send again</button>" not in text
    assert client.post(PAGE, {"what": "failed", "why": "x"}).status_code == 403
    assert client.get(PAGE, {"what": "x"}).status_code == 400
    assert client.get("/tasks/none/resend").status_code == 404
    assert client.put(PAGE).status_code == 405
    assert not Resend.objects.exists()


@pytest.fixture
def call(failures, client):
    tokens = {role: create_token(role.value, role) for role in (Role.PRODUCTION, Role.READER)}

    def do(method, body=None, *, role=Role.PRODUCTION, **query):
        headers = {"Authorization": f"Bearer {tokens[role]}"}
        address = f"/api/v1/production/{method}"
        if body is None:
            return client.get(address, query, headers=headers).json()
        return client.post(address, body, content_type="application/json", headers=headers).json()

    return do


def test_clients_preview_send_again_list_and_undo(call):
    wish = {"name": "mc2016_gen", "what": "failed"}
    seen = call("resend", {**wish, "preview": True})["data"]
    assert seen["tasks"][0]["chunks"] == {"failed": 6}
    assert "give a reason" in call("resend", wish)["message"]
    made = call("resend", {**wish, "why": "mended"})["data"]
    assert (made["by"], made["counts"]["chunks"]) == ("production", 6)
    assert [one["why"] for one in call("list_resends", role=Role.READER, name="mc2016_gen")["data"]] == ["mended"]
    assert call("undo_resend", {"resend": made["resend"]})["data"]["undone_by"] == "production"
    assert "is not the number" in call("undo_resend", {"resend": "x"})["message"]


def test_clients_change_a_task_on_its_way(call):
    body = {"name": "mc2016_gen", "priority": 2500, "why": "urgent"}
    assert call("change_task", body)["success"]
    assert Task.objects.get(name="mc2016_gen").priority == 2500
    told = call("change_task", {**body, "priority": 0})
    assert set(told["data"]["slips"]) == {"priority"}


@pytest.mark.parametrize("method", ["resend", "undo_resend", "change_task"])
def test_readers_change_nothing(call, method):
    assert call(method, {"name": "mc2016_gen"}, role=Role.READER)["success"] is False
