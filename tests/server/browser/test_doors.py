"""The doors in a real browser: logging in, at an issuer too, being refused, and having no rights yet."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.test import override_settings

from server.accounts import oidc
from server.accounts.identity import BY_LOGIN
from server.accounts.issuers import issuers_in
from tests.kits.issuers import issuers_file
from tests.server.browser.conftest import PASSWORD, Meet, Served
from tests.server.browser.sight import look
from tests.services import provider as providers

pytestmark = [pytest.mark.one_python, pytest.mark.django_db]


@pytest.fixture(scope="module")
def provider(tmp_path_factory, served: Served):
    folder = tmp_path_factory.mktemp("provider")
    with providers.running(folder / "authority") as provider:
        file = issuers_file(folder, provider)
        issuers_in.cache_clear()
        with override_settings(ENVIRONMENT=replace(django_settings.ENVIRONMENT, issuers_file=str(file))):
            yield provider
    issuers_in.cache_clear()


@pytest.fixture(autouse=True)
def _as_it_should(provider):
    oidc.ID_TOKENS.forget()
    BY_LOGIN.forget()
    provider.says, provider.refuses = {}, ""


@pytest.fixture
def stranger(person: Meet):
    """Somebody who has not logged in, and whose browser believes the provider."""
    return lambda **screen: person("", ignore_https_errors=True, **screen)


def refuse(page, provider):
    provider.refuses = "access_denied"
    page.goto("/login")
    page.get_by_role("link", name="Log in by COMPASS IAM").click()
    page.get_by_role("heading", name="Not logged in").wait_for()


def wrong_password(page, _):
    page.goto("/login")
    page.get_by_label("Name").fill("nobody")
    page.get_by_label("Password").fill("not the one")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("alert").wait_for()


def no_rights(page, _):
    page.goto("/login")
    page.get_by_role("link", name="Log in by COMPASS IAM").click()
    page.get_by_role("heading", name=re.compile("Welcome")).wait_for()


DOORS = {
    "login": lambda page, _: page.goto("/login?next=/tasks"),
    "wrong password": wrong_password,
    "refused by the issuer": refuse,
    "no rights yet": no_rights,
}


@pytest.mark.parametrize("come", DOORS.values(), ids=DOORS)
def test_a_door_can_be_read_by_day_and_night_on_a_telephone_and_by_keyboard(stranger, provider, come):
    somebody = stranger(viewport={"width": 1280, "height": 900}, color_scheme="light")
    page = somebody.page
    come(page, provider)
    assert page.title().endswith("COMPASS Pilot")
    assert page.locator("h1").count() == 1
    faint = look(page, "contrast")
    page.emulate_media(color_scheme="dark")
    assert (faint, look(page, "contrast")) == ([], [])
    assert look(page, "labels") == []
    page.set_viewport_size({"width": 375, "height": 800})
    assert look(page, "sideways") == []
    assert [one for one in somebody.seen.elsewhere if not one.startswith(provider.address)] == []
    page.locator(".skip").focus()  # the page may have begun at its first field
    met = set()
    for _ in range(100):
        told = look(page, "focus")
        if told["number"] in met or told["name"] == "BODY":
            break
        met.add(told["number"])
        assert told["shown"], told
        page.keyboard.press("Tab")
    assert len(met) == look(page, "focus")["all"]


def test_somebody_logs_in_at_the_issuer_gets_its_groups_rights_and_leaves(stranger, provider):
    provider.says = {"sub": "grace", "preferred_username": "grace", "groups": ["/compass", "/compass/production"]}
    page = stranger().open("/login?next=/production/audit")
    page.get_by_role("link", name="Log in by COMPASS IAM").click()
    page.wait_for_url("**/production/audit")
    page.goto("/account")
    assert "production" in page.get_by_role("main").inner_text()
    assert "COMPASS IAM" in page.get_by_role("main").inner_text() or provider.address in page.content()
    page.goto("/tasks/new")
    assert page.get_by_role("heading", level=1).inner_text()
    page.get_by_role("button", name="Log out").click()
    page.goto("/tasks")
    page.wait_for_url("**/login?next=/tasks")


def test_somebody_who_is_refused_is_told_why_and_begins_again(stranger, provider, served):
    page = stranger().page
    refuse(page, provider)
    assert "COMPASS IAM" in page.get_by_role("alert").inner_text()
    provider.refuses = ""
    page.get_by_role("link", name="Begin again").click()
    page.get_by_role("heading", name=re.compile("Welcome")).wait_for()
    with served.alone():
        assert not get_user_model().objects.get(username__startswith="1234").groups.exists()


def test_somebody_without_rights_gets_some_and_sees_the_pages(stranger, served):
    page = stranger().page
    no_rights(page, None)
    name = page.get_by_role("heading", level=1).inner_text().removeprefix("Welcome, ")
    assert f"name the account {name}" in page.get_by_role("main").inner_text()
    with served.alone():
        user = get_user_model().objects.get(username=name)
        user.is_superuser = True
        user.save()
    page.goto("/tasks")
    assert page.get_by_role("heading", level=1).inner_text() == "Tasks"


def test_a_name_and_a_password_lead_to_where_somebody_wanted_to_go(stranger, served):
    with served.alone():
        get_user_model().objects.create_user("lise", password=PASSWORD, is_superuser=True)
    page = stranger().open("/login?next=/tasks")
    page.get_by_label("Name").fill("lise")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").press("Enter")
    page.wait_for_url("**/tasks")
