"""An administrator at a system that lives: a service gets another schedule, is run, and its result is watched."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.services import chromium

pytestmark = pytest.mark.one_python

#: How often the service has run; runs in a row that found nothing to do share a line.
RUNS = "SELECT COALESCE(SUM(times), 0) FROM services_servicerun WHERE service_id = 'services.prune'"


def test_a_service_is_scheduled_run_and_watched_in_a_browser(local_system):
    system = local_system().with_tables()
    status, _, said = system.up()
    assert status == 0, said
    password = (system.home / "server" / "admin_password").read_text().strip()
    with chromium.running() as browser:
        page = browser.new_page(base_url=system.url())
        page.goto("/admin/")
        page.get_by_label("Name").fill("admin")
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Log in").click()
        page.goto("/admin/services/service/services.prune/change/")
        page.get_by_label("Period").fill("7200")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.locator("body")).to_contain_text("was changed successfully")
        before = system.rows.count(RUNS)
        page.goto("/admin/services/service/services.prune/change/")
        expect(page.get_by_label("Period")).to_have_value("7200")
        page.get_by_role("button", name="Save and run now").click()
        expect(page.locator("body")).to_contain_text("was asked to run")
        system.wait_for(lambda: system.rows.count(RUNS) > before, "the service has run")
        page.goto("/admin/services/servicerun/?service__name=services.prune")
        expect(page.get_by_role("row").nth(1)).to_contain_text("services.prune")
