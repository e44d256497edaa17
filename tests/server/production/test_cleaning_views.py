"""The page of clean-up shows what goes and what stays and why, and takes orders with a reason."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group

from server.dataservice.models import TransferRequest
from server.production.cleanup.models import Cleaning, Removal
from server.production.models import Output, Task, TaskEvent
from tests.kits.people import reader
from tests.server.monitor.test_views import parsed
from tests.server.production.cleanup.test_views import task
from tests.server.production.conftest import define_data

pytestmark = pytest.mark.one_python

__all__ = ["task"]
PAGE = "/tasks/data/clean"


@pytest.fixture
def manager(client, django_user_model):
    user = django_user_model.objects.create_user("ada")
    user.groups.add(Group.objects.get_or_create(name="production")[0])
    client.force_login(user)
    return client


def test_the_page_shows_what_goes_and_what_stays(task, manager):
    answer = manager.get(PAGE)
    parsed(answer)
    text = answer.content.decode()
    assert "<b>1</b><span>may go now" in text
    assert "stays</span> it is a result" in text
    assert "disabled" not in text
    assert not Removal.objects.exists()
    assert manager.get(f"{PAGE}?json").json()["data"]["remove"] == {"mdst": {"files": 1, "bytes": 10}}


def test_what_may_go_is_removed_by_an_order_with_a_reason(task, manager):
    assert manager.post(PAGE, {"act": "clean", "why": "the disk is full"}).status_code == 302
    assert TransferRequest.objects.get().kind == "delete"
    assert "<b>1</b><span>are being removed" in manager.get(PAGE).content.decode()
    assert TaskEvent.objects.filter(by="ada", words="clean-up now: the disk is full").exists()


def test_an_order_without_a_reason_is_refused_and_removes_nothing(task, manager):
    answer = manager.post(PAGE, {"act": "clean", "why": " "})
    assert answer.status_code == 409
    assert "why" in answer.content.decode()
    assert not Removal.objects.exists()


def test_a_task_is_kept_and_is_not_any_more(task, manager):
    manager.post(PAGE, {"act": "keep", "why": "for the <b>paper"})
    text = manager.get(PAGE).content.decode()
    assert "the task is kept: ada: for the &lt;b&gt;paper" in text
    assert 'value="clean" class="danger" disabled' in text
    refused = manager.post(PAGE, {"act": "clean", "why": "full"})
    assert (refused.status_code, Removal.objects.count()) == (409, 0)
    assert "is kept" in refused.content.decode()
    manager.post(PAGE, {"act": "release", "why": "it is published"})
    assert Cleaning.objects.get().kept == ""
    assert manager.post(PAGE, {"act": "release", "why": "again"}).status_code == 409


@pytest.mark.parametrize("state", ["running", "done", "cancelled"])
def test_of_a_task_that_is_not_archived_the_button_says_why_it_does_nothing(task, manager, state):
    Task.objects.update(state=state)
    text = manager.get(PAGE).content.decode()
    assert "only of archived tasks files are removed" in text
    assert ("archives it" in text) is (state == "done")
    assert manager.post(PAGE, {"act": "clean", "why": "full"}).status_code == 409


def test_people_who_may_only_look_see_no_order_and_give_none(task, client, django_user_model):
    client.force_login(reader("eve"))
    assert "You may only look" in client.get(PAGE).content.decode()
    assert client.post(PAGE, {"act": "clean", "why": "x"}).status_code == 403
    assert Output.objects.filter(removal=None).count() == Output.objects.count()


@pytest.mark.parametrize(("address", "status"), [("/tasks/none/clean", 404), (PAGE, 200)])
def test_it_is_a_page_of_a_task_that_there_is(task, manager, address, status):
    assert manager.get(address).status_code == status


def test_an_act_that_there_is_not_is_refused_by_name(task, manager):
    answer = manager.post(PAGE, {"act": "burn", "why": "x"})
    assert (answer.status_code, "burn" in answer.content.decode()) == (400, True)
    assert manager.put(PAGE).status_code == 405


def test_the_task_leads_there_and_who_is_not_known_is_led_to_the_login(task, manager, client):
    assert PAGE in manager.get("/tasks/data").content.decode()
    assert "/tasks/data/resend" not in manager.get("/tasks/data").content.decode()
    client.logout()
    assert client.get(PAGE).status_code == 302


def test_a_task_without_files_says_so(queue, manager):
    define_data(runs=1, chunks=1)
    assert "The task has no files" in manager.get(PAGE).content.decode()
