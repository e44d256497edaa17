"""The side bar's groups."""

from __future__ import annotations

from django.contrib import admin

from server.desk.navigation import GROUPS, groups


def app(label, *models):
    return {
        "app_label": label,
        "models": [
            {"object_name": name, "name": name.lower() + "s", "admin_url": f"/admin/{label}/{name.lower()}/"}
            for name in models
        ],
    }


def test_tables_stand_in_the_group_of_their_app_those_that_matter_first():
    (one,) = groups([app("taskbuffer", "Attempt", "Job", "Event")], "/admin/")
    assert one["title"] == "Jobs"
    assert [table["name"] for table in one["tables"]] == ["Jobs", "Attempts", "Events"]
    assert not one["open"]


def test_the_group_of_the_page_is_open_and_its_table_marked():
    production, jobs = groups(
        [app("taskbuffer", "Job", "Attempt"), app("production", "Task")], "/admin/taskbuffer/job/7/"
    )
    assert (production["open"], jobs["open"]) == (False, True)
    assert [table["here"] for table in jobs["tables"]] == [True, False]


def test_a_table_that_no_group_names_is_among_the_others():
    (one,) = groups([app("sites", "Site")], "/admin/")
    assert one["title"] == "Others"


def test_what_may_not_be_looked_at_has_no_address():
    (one,) = groups([{"app_label": "auth", "models": [{"object_name": "User", "name": "users"}]}], "/admin/")
    assert one["tables"] == [{"name": "Users", "address": "", "here": False}]


def test_every_app_of_the_admin_has_its_group():
    homes = [label for group in GROUPS for label in group.apps]
    assert len(homes) == len(set(homes))
    assert {model._meta.app_label for model in admin.site._registry} <= set(homes)


def test_every_table_that_is_named_first_is_a_table():
    known = {model._meta.label for model in admin.site._registry}
    assert {label for group in GROUPS for label in group.first} <= known
