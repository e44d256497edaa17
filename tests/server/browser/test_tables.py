"""An administrator edits PanDA's tables in a real browser: good and bad input, imports with a look, undoing."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth import get_user_model
from playwright.sync_api import Page, expect

from server.pandaconfig import logic, queries
from server.pandaconfig.logic import Author
from server.pandaconfig.models import Change
from server.pandaconfig.tables import SCHEDCONFIG
from tests.server.browser.conftest import Meet, Served
from tests.server.browser.sight import look
from tests.server.browser.test_desk import ready

pytestmark = [pytest.mark.one_python, pytest.mark.django_db]

BASE = "/admin/pandaconfig/"
QUEUE = f"{BASE}schedconfig/LOCAL/change/"


@pytest.fixture
def root(person: Meet, served: Served):
    """Bring in an administrator."""
    with served.alone():
        get_user_model().objects.get_or_create(username="root", is_staff=True, is_superuser=True)
    return lambda **screen: person("root", **screen)


def seen_well(page: Page):
    """Hold a page to what every page is held to."""
    ready(page)
    assert (look(page, "contrast"), look(page, "labels"), look(page, "sideways")) == ([], [], [])


def test_a_queue_is_changed_in_its_tabs_and_refused_at_its_field(root, served: Served):
    page = root().open(QUEUE)
    page.get_by_role("tab", name="Slots").click()
    page.get_by_label("Maxrss").fill("-5")
    page.evaluate("document.querySelector('#schedconfig_form').noValidate = true")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("body")).to_contain_text("greater than or equal to 0")
    page.get_by_role("tab", name="Slots").click()
    page.get_by_label("Maxrss").fill("3000")
    page.get_by_role("tab", name="Queue", exact=True).click()
    page.get_by_label("Cloud", exact=True).fill("NOWHERE")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("body")).to_contain_text("'NOWHERE' is no cloud")
    page.get_by_label("Cloud", exact=True).fill("")
    page.get_by_label("Why").fill("more memory was bought")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("body")).to_contain_text("was changed successfully")
    with served.alone():
        change = Change.objects.first()
        assert (change.after, change.person, change.reason) == ({"maxrss": 3000}, "root", "more memory was bought")


def test_two_people_at_one_queue_are_told_of_each_other(root, served: Served):
    page = root().open(QUEUE)
    with served.alone():
        logic.write(SCHEDCONFIG, "LOCAL", {"region": "RU"}, Author("bob", Change.Way.FORM, "moved"))
    page.get_by_label("Region").fill("CH")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("body")).to_contain_text("bob has changed this row")
    expect(page.locator("body")).to_contain_text("region says 'RU' by now, yours 'CH'")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("body")).to_contain_text("was changed successfully")


@pytest.mark.parametrize(
    ("model", "bad", "words", "good"),
    [
        ("cloudconfig", {"name": "X", "tier1": "NO"}, "is no site or queue", {"tier1": ""}),
        ("siteaccess", {"dn": "ada", "pandasite": "LOCAL"}, "is no subject of a certificate", {"dn": "/DC=ch/CN=Ada"}),
        ("pandauser", {"name": "ada", "email": "ada"}, "valid email", {"email": ""}),
        ("storageendpoint", {"name": "D", "data": "{"}, "valid JSON", {"data": "{}"}),
        ("globalshare", {"name": "x", "value": "1", "parent": "no"}, "is no share; add it first", {"parent": ""}),
        ("userlimits", {"name": "x", "max_queued": "-1"}, "greater than or equal to 0", {"max_queued": "0"}),
    ],
)
def test_each_table_takes_good_input_and_refuses_bad(root, model, bad, words, good):
    page = root().open(f"{BASE}{model}/add/")
    page.evaluate("document.querySelectorAll('form').forEach(form => form.noValidate = true)")
    for name, value in bad.items():
        page.locator(f"[name={name}]").fill(value)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("body")).to_contain_text(words)
    page.evaluate("document.querySelectorAll('form').forEach(form => form.noValidate = true)")
    for name, value in good.items():
        page.locator(f"[name={name}]").first.fill(value)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("body")).to_contain_text("was added successfully")


def test_an_import_is_looked_at_written_and_undone(root, served: Served):
    page = root().open(f"{BASE}schedconfig/")
    page.get_by_role("link", name="Import rows from a file").click()
    file = {"name": "q.csv", "mimeType": "text/csv", "buffer": b"nickname,corecount\nLOCAL,4\nNEW,2\nBAD,x\n"}
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Look at what would change").click()
    body = page.locator("body")
    expect(body).to_contain_text("1 new, 1 changed, 0 same, 1 refused")
    seen_well(page)
    with served.alone():
        assert "NEW" not in queries.queue_names()
    page.get_by_label("Why").fill("from CRIC")
    page.get_by_role("button", name="Write 2 rows").click()
    expect(body).to_contain_text("1 new, 1 changed, 1 passed over")
    expect(page).to_have_url(re.compile("batch="))
    page.get_by_label("Select all").first.check()
    page.locator("select[name=action]").select_option(label="Undo the selected changes")
    page.get_by_role("button", name="Run").click()
    expect(body).to_contain_text("2 changes were undone")
    with served.alone():
        assert "NEW" not in queries.queue_names()


def test_a_change_is_undone_in_the_history_of_its_row(root, served: Served):
    with served.alone():
        logic.write(SCHEDCONFIG, "LOCAL", {"tier": "T1"}, Author("bob", Change.Way.FORM, "promoted"))
    page = root().open(QUEUE)
    page.get_by_role("link", name="History").click()
    expect(page.locator("body")).to_contain_text("promoted")
    seen_well(page)
    page.get_by_label("Why").first.fill("it was not")
    page.get_by_role("button", name="Undo").first.click()
    expect(page.locator("body")).to_contain_text("was undone")
    with served.alone():
        assert SCHEDCONFIG.read("LOCAL")["tier"] == ""


def test_a_status_is_set_for_a_time_from_the_list(root, served: Served):
    with served.alone():
        logic.define_queue({"nickname": "OTHER", "status": "online"})
    page = root().open(f"{BASE}schedconfig/")
    page.get_by_role("row").filter(has_text="OTHER").get_by_role("checkbox").check()
    page.locator("select[name=action]").select_option(label="Set offline ...")
    page.get_by_role("button", name="Run").click()
    expect(page.locator("body")).to_contain_text("OTHER (online)")
    seen_well(page)
    page.get_by_label("Why").fill("maintenance")
    page.get_by_label("For how many hours").fill("2")
    page.get_by_role("button", name="Do it").click()
    expect(page.locator("body")).to_contain_text("1 queues are offline until")
    expect(page.get_by_role("row").filter(has_text="OTHER")).to_contain_text("then online: maintenance")


def test_pages_of_the_tables_are_seen_by_night_and_on_a_telephone(root):
    shown = root(color_scheme="dark", viewport={"width": 390, "height": 800})
    for page in ("schedconfig/import/", "schedconfig/LOCAL/history/", "change/", "siteaccess/add/"):
        seen_well(shown.open(BASE + page))
    assert (shown.seen.console, shown.seen.elsewhere) == ([], [])
