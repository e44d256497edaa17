"""Long work is seen while it goes on: an order that takes long says so, and pages follow what moves by themselves."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Route

from server.production.models import Task
from tests.server.browser.conftest import Meet, Served

pytestmark = [pytest.mark.one_python, pytest.mark.django_db]


def test_an_order_that_takes_long_says_so_and_is_given_once(person: Meet):
    page, sent = person().open("/tasks/archived/clean"), []

    def swallow(route: Route) -> None:
        """Leave the browser where it is, as while it waits."""
        if route.request.method != "POST":
            return route.continue_()
        sent.append(route.request.post_data)
        return route.fulfill(status=204)

    page.route("**/clean", swallow)
    page.fill("#why", "a study goes on")
    order = "document.querySelector('button[value=keep]').click()"
    page.evaluate(order)
    page.wait_for_selector(".working:has-text('working for 1 s')")
    page.evaluate(order)
    page.wait_for_selector(".working:has-text('working for 2 s')")
    assert page.get_attribute("form.act", "aria-busy") == "true"
    assert [("act=keep" in one) for one in sent] == [True]
    page.keyboard.press("Escape")
    assert page.inner_text(".working").startswith("you have stopped waiting; it may be done all the same")
    assert page.get_attribute("form.act", "aria-busy") is None
    page.evaluate(order)
    page.wait_for_selector(".working:has-text('working…')")
    assert (page.locator(".working").count(), len(sent)) == (1, 2)


def test_what_somebody_writes_stays_while_the_page_follows_its_task(person: Meet, served: Served):
    page = person().open("/tasks/archived/clean")
    page.fill("#why", "half a sentence")
    with served.alone():
        Task.objects.filter(name="archived").update(state="archiving")
    page.wait_for_selector("#head:has-text('archiving')")
    assert page.input_value("#why") == "half a sentence"


def test_a_tasks_page_follows_its_state_and_its_facts(person: Meet, served: Served):
    page = person().open("/tasks/draft2016")
    assert "draft" in page.inner_text("#head")
    with served.alone():
        Task.objects.filter(name="draft2016").update(state="ready", started=timezone.now() - timedelta(days=400))
    page.wait_for_selector("#head .pill.ready")
    page.wait_for_selector("#why:has-text('its jobs are being defined')")
    assert "not yet" not in page.inner_text("#facts div:has(dt:text-is('begun'))")


def test_pages_are_whole_without_scripts(person: Meet):
    page = person(java_script_enabled=False).open("/tasks/archived/clean")
    page.fill("#why", "no scripts here")
    button = page.locator("form.act button[name=act]").last
    button.click()
    page.wait_for_load_state()
    assert page.title().startswith("Clean-up")
