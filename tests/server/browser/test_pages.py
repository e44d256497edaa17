"""Every page of the production in a real browser: in light and dark, on a telephone, by keyboard, and offline."""

from __future__ import annotations

import pytest

from tests.server.browser.conftest import Meet
from tests.server.browser.scene import RUN
from tests.server.browser.sight import look

pytestmark = [pytest.mark.one_python, pytest.mark.django_db]

PAGES = {
    "overview": "/",
    "production": "/production",
    "tasks": "/tasks",
    "stuck task": "/tasks/mc2016_reco",
    "evidence": f"/tasks/mc2016_reco?run={RUN}&step=crosscheck",
    "failing task": "/tasks/failing",
    "run": f"/tasks/mc2016_reco/runs/{RUN}",
    "merges": "/tasks/mc2016_reco/groups",
    "failures": "/production/failures",
    "summary": "/production/summary",
    "tree": "/production/tree",
    "tape": "/production/tape",
    "audit": "/production/audit",
    "clean-up": "/tasks/archived/clean",
    "steer": "/tasks/steer?task=failing&task=staging&to=change",
    "wizard": "/tasks/new",
    "dry run": "/tasks/draft2016/dry-run",
    "draft": "/tasks/draft2016/define",
    "send again": "/tasks/failing/resend?what=failed",
    "data": "/data/",
    "notifications": "/notifications",
    "channel": "/notifications/new",
    "account": "/account",
}


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES)
def test_a_page_can_be_read_by_day_and_night_on_a_telephone_and_without_a_network(person: Meet, path):
    somebody = person(viewport={"width": 1280, "height": 900}, color_scheme="light")
    page = somebody.open(path)
    assert page.title().endswith("COMPASS Pilot")
    assert page.locator("h1").count() == 1
    faint = look(page, "contrast")
    page.emulate_media(color_scheme="dark")
    assert (faint, look(page, "contrast")) == ([], [])
    assert look(page, "labels") == []
    page.set_viewport_size({"width": 375, "height": 800})
    assert look(page, "sideways") == []
    assert (somebody.seen.console, somebody.seen.elsewhere) == ([], [])


@pytest.mark.parametrize("path", ["/production", "/tasks/mc2016_reco", "/tasks/new"])
def test_what_can_be_done_is_reached_by_the_keyboard_and_is_seen(person: Meet, path):
    page = person().open(path)
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
