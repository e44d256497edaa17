"""What production managers do at the pages, from the first look to the last click, as a browser does it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from server.production.models import Chunk, CrossCheck, Task, TaskEvent
from server.production.steering_models import Resend
from tests.server.browser.conftest import PASSWORD, Meet, Served, account
from tests.server.browser.scene import RUN

pytestmark = [pytest.mark.one_python, pytest.mark.django_db]


def test_a_difference_is_found_by_its_red_cell_and_accepted_with_a_reason(person: Meet, served: Served):
    ada = person()
    page = ada.open("/production")
    page.get_by_role("link", name="mc2016_reco").first.click()
    page.locator("a[href*='step=crosscheck']").first.click()
    evidence = page.locator("#evidence")
    expect(evidence).to_contain_text("270 events went in, 269 came out")
    evidence.get_by_role("button", name="Accept the difference").click()
    expect(page.get_by_role("alert")).to_contain_text("reason")
    page.get_by_role("link", name="Back").click()
    page.get_by_label("Why it may be so").first.fill("a broken event, known to everybody")
    page.get_by_role("button", name="Accept the difference").first.click()
    expect(page.locator("#checks")).to_be_attached()
    expect(page.get_by_role("main")).to_contain_text("accepted by ada: a broken event, known to everybody")
    with served.alone():
        assert CrossCheck.objects.get(run__number=RUN, kind="mdst", task__name="mc2016_reco").verdict == "accepted"
    assert ada.seen.console == [
        "Failed to load resource: the server responded with a status of 400 (Bad Request)",
    ]


def test_what_failed_is_sent_again_by_its_cause_and_that_is_undone(person: Meet, served: Served):
    page = person().open("/production/failures")
    page.get_by_role("row").filter(has_text="failing").get_by_role("rowheader").get_by_role("link").first.click()
    expect(page.locator("#samples")).to_be_visible()
    page.get_by_role("link", name="what has failed").first.click()
    expect(page.locator("#preview")).to_contain_text("This is made again")
    page.get_by_label("Why (kept with your name)").fill("the disk is mended")
    page.get_by_role("button", name="Send again").click()
    page.goto("/tasks/failing/resend")
    first = page.locator("section[aria-labelledby=before] tbody tr").first
    expect(first).to_contain_text("the disk is mended")
    with served.alone():
        last = Resend.objects.order_by("-pk")[0]
        assert Chunk.objects.filter(task__name="failing", state="failed").count() == 0
    first.get_by_label("is undone").fill("it was too early")
    first.get_by_role("button", name="Undo").click()
    expect(first).to_contain_text("by ada: it was too early")
    with served.alone():
        last.refresh_from_db()
        assert (last.undone_by, last.undone_why) == ("ada", "it was too early")


def test_a_task_is_defined_after_slips_looked_at_and_started(person: Meet, served: Served):
    page = person().open("/tasks/new?type=mass_production")

    def fill(label: str, text: str) -> None:
        page.get_by_label(label, exact=False).first.fill(text)
        page.keyboard.press("Tab")

    fill("Name of the task", "draft2016")
    expect(page.get_by_text("'draft2016' is another task's; give a name that is free")).to_be_visible()
    fill("Name of the task", "slot9")
    expect(page.get_by_text("'draft2016' is another task's")).to_be_hidden()
    for label, text in (("Production *", "dvcs2016P07t1"), ("Year of the data", "2016"), ("Period", "P07")):
        fill(label, text)
    fill("Production slot", "9")
    fill("Raw files", "raw/2016/cdr11001-278473.raw, 120")
    fill("Software *", "dvcs2016P07t1")
    fill("Root of the software area", "cvmfs")
    expect(page.get_by_text("begins and ends with a slash", exact=False).last).to_be_visible()
    fill("Root of the software area", "/cvmfs/compass.cern.ch/")
    fill("Folders below it", "generalprod/")
    page.get_by_label("Queue").first.select_option("LOCAL")
    expect(page.get_by_role("main")).to_contain_text("mDST-278473-11001-9-7.root")
    page.get_by_role("button", name=re.compile("Define|Save")).click()
    expect(page.get_by_role("main")).to_contain_text("1 jobs")
    page.get_by_label("I have compared these numbers").check()
    page.get_by_role("button", name="Start it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("slot9")
    with served.alone():
        assert Task.objects.get(name="slot9").state == "send"


def test_tasks_are_paused_together_and_go_on_alone(person: Meet, served: Served):
    page = person().open("/tasks")
    for name in ("failing", "staging"):
        page.get_by_role("checkbox", name=name).check()
    page.get_by_label("Do with those that are ticked").select_option(label="Pause")
    page.get_by_role("button", name="Show what that is").click()
    expect(page.get_by_role("heading", name="Pause: 2 tasks")).to_be_visible()
    page.get_by_label("Why").fill("the tape robot is off")
    page.get_by_role("button", name="Pause 2 tasks").click()
    expect(page.locator("td .pill.done")).to_have_count(2)
    with served.alone():
        assert set(Task.objects.filter(state="paused").values_list("name", flat=True)) == {"failing", "staging"}
    page.goto("/tasks/staging")
    page.get_by_role("link", name="Go on").click()
    page.get_by_label("Why").fill("it is back")
    page.get_by_role("button", name="Go on").click()
    with served.alone():
        assert Task.objects.get(name="staging").state == "running"
    page.goto("/production/audit?by=ada")
    expect(page.get_by_role("main")).to_contain_text("it is back")


def test_what_is_ticked_stays_ticked_when_the_list_is_renewed(person: Meet, served: Served):
    page = person().open("/tasks")
    page.get_by_role("checkbox", name="failing").check()
    page.get_by_role("heading", name="Tasks").click()  # the focus leaves the list
    with served.alone():
        Task.objects.filter(name="staging").update(owner="somebody else")
    expect(page.locator("#list")).to_contain_text("somebody else")
    assert page.get_by_role("checkbox", name="failing").is_checked()


def test_a_task_that_moved_meanwhile_is_told_to_the_second_of_two_people(person: Meet, served: Served):
    first, second = person("ada").page, person("bob").page
    for page in (first, second):
        page.goto("/tasks/steer?task=failing&to=paused")
        page.get_by_label("Why").fill("to look at the disk")
    first.get_by_role("button", name="Pause").click()
    expect(first.locator("td .pill.done")).to_have_count(1)
    second.get_by_role("button", name="Pause").click()
    expect(second.get_by_role("main")).to_contain_text("it is paused already")
    with served.alone():
        assert TaskEvent.objects.filter(task__name="failing", after="paused", chunk=None).count() == 1


def test_somebody_logs_in_goes_where_he_wanted_to_and_leaves(person: Meet, served: Served):
    with served.alone():
        account("carol", manages=False)
    page = person("").open("/login?next=/production/audit")
    page.get_by_label("Name").fill("carol")
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("No account has this name and this password")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Who did what")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")


def test_who_may_only_look_sees_everything_and_no_orders(person: Meet):
    page = person("eve", manages=False).open("/tasks/mc2016_reco")
    expect(page.locator("#ways")).to_have_count(0)
    page.goto("/tasks")
    expect(page.get_by_role("checkbox")).to_have_count(0)
