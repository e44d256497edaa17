"""The administrator's desk in a real browser: by day and night, on a telephone, by keyboard, and offline."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from server.incidents import logic as incidents
from server.incidents.models import Incident
from server.incidents.sighting import Sighting
from server.services import schedules
from server.services.registry import declared
from server.trail import logic as trail
from tests.server.browser.conftest import Meet
from tests.server.browser.sight import look

pytestmark = [pytest.mark.one_python, pytest.mark.django_db]

PAGES = {
    "desk": "/admin/",
    "queues": "/admin/pandaconfig/schedconfig/",
    "a queue": "/admin/pandaconfig/schedconfig/LOCAL/change/",
    "services": "/admin/services/service/",
    "a service": "/admin/services/service/services.prune/change/",
    "a new user": "/admin/auth/user/add/",
    "jobs": "/admin/taskbuffer/job/",
    "an empty list": "/admin/harvester/harvester/",
    "incidents": "/admin/incidents/incident/",
    "an incident": "/admin/incidents/incident/1/change/",
    "audit log": "/admin/trail/entry/",
    "a word for deleting": "/admin/pandaconfig/schedconfig/LOCAL/delete/",
}


@pytest.fixture
def root(person: Meet, served):
    """An administrator with a browser."""
    with served.alone():
        schedules.install(declared())
        now = timezone.now()
        seen = Sighting("factory", "server.factory", 40, "no room on %s", "OSError", "x.py:f", "no room", now, now)
        known = {"app": "factory", "words": seen.words, "level": 40, "first_seen": now, "last_seen": now}
        Incident.objects.get_or_create(pk=1, fingerprint=seen.fingerprint, defaults=known)
        incidents.record([seen], host="here", process="serve")
        common = {"method": "POST", "path": "/admin/x/", "outcome": 302, "duration": 7}
        trail.write([trail.entry(at=now, person="petra", action="change", table="x.y", key="LOCAL", **common)])

    def meet(**screen):
        with served.alone():
            get_user_model().objects.get_or_create(username="root", is_staff=True, is_superuser=True)
        return person("root", **screen)

    return meet


def ready(page):
    """Wait for the theme, which shows a page when it has begun, and for what it fades in."""
    page.wait_for_function("document.readyState == 'complete' && !document.documentElement.hasAttribute('x-cloak')")
    page.wait_for_function("!document.querySelector('.material-symbols-outlined:not([aria-hidden])')")
    page.wait_for_function("document.getAnimations().every((one) => one.playState !== 'running')")
    return page


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES)
def test_a_page_of_the_admin_can_be_read_by_day_and_night_on_a_telephone_and_without_a_network(root, path):
    somebody = root(viewport={"width": 1280, "height": 900}, color_scheme="light")
    page = ready(somebody.open(path))
    assert page.title().endswith("COMPASS Pilot")
    assert page.locator("h1").count() == 1
    faint = look(page, "contrast")
    page.emulate_media(color_scheme="dark")
    page.get_by_role("button", name="Dark", exact=True).click()
    page.wait_for_function("document.documentElement.classList.contains('dark')")
    ready(page)
    assert (faint, look(page, "contrast")) == ([], [])
    assert look(page, "labels") == []
    page.set_viewport_size({"width": 390, "height": 800})
    assert look(page, "sideways") == []
    assert (somebody.seen.console, somebody.seen.elsewhere) == ([], [])


@pytest.mark.parametrize("path", ["/admin/", "/admin/services/service/"])
def test_what_can_be_done_in_the_admin_is_reached_by_the_keyboard_and_is_seen(root, path):
    page = ready(root(viewport={"width": 1400, "height": 900}).open(path))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    met = set()
    for _ in range(400):
        told = look(page, "focus")
        if told["number"] in met or told["name"] == "BODY":
            break
        met.add(told["number"])
        assert told["shown"], told
        page.keyboard.press("Tab")
    assert len(met) == look(page, "focus")["all"]


def test_the_side_bar_is_opened_and_left_by_keyboard_on_a_telephone(root):
    page = ready(root(viewport={"width": 390, "height": 800}).open("/admin/"))
    bar = page.get_by_role("navigation", name="Tables")
    assert not bar.is_visible()
    page.get_by_role("button", name="Open the side bar").press("Enter")
    bar.wait_for()
    page.get_by_text("Queues and storages").press("Enter")
    page.get_by_role("link", name="Queues", exact=True).press("Enter")
    page.wait_for_url("**/admin/pandaconfig/schedconfig/")
    assert not bar.is_visible()


def test_the_colours_follow_the_system(root):
    page = ready(root(viewport={"width": 1400, "height": 900}, color_scheme="dark").open("/admin/"))
    assert page.evaluate("document.documentElement.classList.contains('dark')")


def test_the_colours_stay_as_somebody_has_chosen_them(root):
    page = ready(root(viewport={"width": 1400, "height": 900}, color_scheme="light").open("/admin/"))
    page.get_by_role("button", name="Dark", exact=True).click()
    page.wait_for_function("document.documentElement.classList.contains('dark')")
    page.goto("/admin/auth/user/")
    ready(page)
    assert page.evaluate("document.documentElement.classList.contains('dark')")


def test_a_service_is_run_from_the_first_page(root, settings):
    spool = Path(settings.CELERY_BROKER_TRANSPORT_OPTIONS["data_folder_in"])
    spool.mkdir(parents=True, exist_ok=True)
    before = set(spool.glob("*.compass.msg"))
    page = ready(root(viewport={"width": 1400, "height": 900}).open("/admin/"))
    page.get_by_text("last run, next run, last result").press("Enter")
    page.get_by_role("button", name="Run services.prune now").press("Enter")
    page.get_by_text("services.prune was asked to run").wait_for()
    (message,) = set(spool.glob("*.compass.msg")) - before
    message.unlink()
