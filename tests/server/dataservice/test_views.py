"""The pages that act on a request: asked first, done when confirmed, by people who may."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from server.dataservice import logic
from server.dataservice.models import RequestEvent
from tests.server.dataservice.conftest import filled, states

WHY = "the disk servers were sold"


@pytest.fixture
def request_row(world):
    return logic.request_replicate(filled(world, 2, at="DISK"), "FAR", "manager", now=world.now)


def person(name: str, **more) -> User:
    return User.objects.create_user(name, password="secret", **more)


@pytest.fixture
def manager(client, db):
    """A browser in which somebody of the group production has logged in; forms without a token are refused."""
    one = person("anna")
    one.groups.add(Group.objects.get_or_create(name="production")[0])
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(one)
    return strict


def confirm(browser, address: str, **said: str):
    """Look at the page that asks, and send its form."""
    asked = browser.get(address)
    assert asked.status_code == 200
    return browser.post(address, {"csrfmiddlewaretoken": asked.context["csrf_token"], **said})


def address(row, act: str) -> str:
    return f"/data/requests/{row.pk}/{act}"


def test_giving_up_is_asked_first_and_done_when_confirmed(manager, request_row):
    asked = manager.get(address(request_row, "give-up")).content.decode()
    for words in ("Give up: replicate", "2 requested", "FAR is not waited for", 'method="post"', "Leave it as it is"):
        assert words in asked
    assert states(request_row) == ["requested"] * 2
    answer = confirm(manager, address(request_row, "give-up"), why=WHY)
    assert (answer.status_code, answer["Location"]) == (302, f"/data/requests/{request_row.pk}")
    assert states(request_row) == ["failed"] * 2
    act = RequestEvent.objects.get()
    assert (act.act, act.by, act.why, act.files) == ("give_up", "anna", WHY, 2)
    shown = manager.get(answer["Location"]).content.decode()
    for words in ("given up", "What people did about it", WHY, "by anna", "Try again…"):
        assert words in shown
    assert "Give up…" not in shown


def test_what_failed_is_tried_again_and_a_prestage_is_released(manager, world, request_row):
    logic.give_up(request_row, by="shift", why=WHY, now=world.now)
    assert confirm(manager, address(request_row, "try-again"), why="they are back").status_code == 302
    assert states(request_row) == ["requested"] * 2
    prestage = logic.request_prestage(filled(world, dataset="raw2"), "TAPE", 60, "manager", now=world.now)
    assert confirm(manager, address(prestage, "release")).status_code == 302
    assert RequestEvent.objects.filter(act="release", by="anna").exists()


def test_a_form_without_its_token_does_nothing(manager, request_row):
    assert manager.post(address(request_row, "give-up"), {"why": WHY}).status_code == 403
    assert states(request_row) == ["requested"] * 2


def test_what_cannot_be_done_is_told_and_what_was_written_is_kept(manager, request_row):
    answer = confirm(manager, address(request_row, "give-up"), why=" ")
    assert answer.status_code == 409
    assert "why: empty; say why it is given up" in answer.content.decode()
    answer = confirm(manager, address(request_row, "try-again"), why="now then")
    assert answer.status_code == 409
    assert "it is open; none of its files has failed" in answer.content.decode()
    assert 'value="now then"' in answer.content.decode()
    answer = confirm(manager, address(request_row, "release"))
    assert "only a prestage keeps files on disk; to end this one, give it up" in answer.content.decode()


def test_who_has_not_logged_in_is_sent_to_do_so_also_where_pages_are_open(client, request_row, settings):
    from dataclasses import replace

    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, open_pages=True)
    for answer in (client.get(address(request_row, "give-up")), client.post(address(request_row, "give-up"))):
        assert answer.status_code == 302
        assert answer["Location"].startswith("/login?next=/data/requests/")
    assert states(request_row) == ["requested"] * 2


def test_who_is_not_of_the_group_may_only_look(client, request_row):
    client.force_login(person("guest", is_staff=True))
    for answer in (client.get(address(request_row, "give-up")), client.post(address(request_row, "give-up"))):
        assert answer.status_code == 403
        assert "guest may only look; an administrator can put you into the group production" in answer.content.decode()
        assert "<form" not in answer.content.decode().partition("<main")[2]
    assert states(request_row) == ["requested"] * 2


def test_an_administrator_needs_no_group(client, request_row):
    client.force_login(User.objects.create_superuser("root", password="secret"))
    assert client.post(address(request_row, "give-up"), {"why": WHY}).status_code == 302


@pytest.mark.parametrize("act", ["give-up", "try-again", "release", "explode"])
def test_what_does_not_exist_is_404(manager, db, act):
    assert manager.get(f"/data/requests/999/{act}").status_code == 404


def test_an_act_that_is_none_is_404_and_another_method_is_refused(manager, request_row):
    answer = manager.get(address(request_row, "explode"))
    assert answer.status_code == 404
    assert "there are release, try-again, give-up" in answer.content.decode()
    assert manager.delete(address(request_row, "give-up")).status_code in (403, 405)
