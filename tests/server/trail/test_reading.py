"""What a request says of what somebody did, without its secrets."""

from __future__ import annotations

import pytest

from server.trail import reading
from server.trail.reading import Thing
from server.trail.states import Action


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("state=failed&queue=LOCAL", "state=failed&queue=LOCAL"),
        ("q=a+b", "q=a+b"),
        ("token=abc&page=2", "token=(hidden)&page=2"),
        ("X-Amz-Signature=abc&X-Amz-Credential=d", "X-Amz-Signature=(hidden)&X-Amz-Credential=(hidden)"),
        ("csrfmiddlewaretoken=abc", "csrfmiddlewaretoken=(hidden)"),
        ("New_Password=abc&sig=1&key=2", "New_Password=(hidden)&sig=(hidden)&key=(hidden)"),
        ("code=abc&state=def", "code=(hidden)&state=(hidden)"),
        ("code=1305", "code=1305"),
        (f"q=cps_{'x' * 30}", "q=(hidden)"),
        ("next=https://me:secret@host/x", "next=https://(hidden)@host/x"),
    ],
)
def test_a_query_is_kept_without_its_secrets(query, kept):
    assert reading.scrubbed(query) == kept


def test_a_long_query_is_cut():
    assert len(reading.scrubbed("q=" + "x" * 100_000)) == 1000


def test_a_secret_that_stands_in_an_address_is_hidden():
    path = reading.scrubbed_path("/reset/7/abc-def/", {"user": 7, "token": "abc-def"})
    assert path == "/reset/7/(hidden)/"


@pytest.mark.parametrize(
    ("route", "name", "values", "thing"),
    [
        (
            "admin/pandaconfig/schedconfig/<path:object_id>/change/",
            "pandaconfig_schedconfig_change",
            {"object_id": "LOCAL"},
            Thing("pandaconfig.schedconfig", "LOCAL", "change"),
        ),
        ("admin/auth/user/add/", "auth_user_add", {}, Thing("auth.user", "", "add")),
        ("admin/auth/user/", "auth_user_changelist", {}, Thing("auth.user")),
        ("admin/", "index", {}, Thing("index")),
        ("admin/<app_label>/", "app_list", {"app_label": "auth"}, Thing("app_list", "auth")),
        ("tasks/<str:name>/clean", "clean-task", {"name": "demo1"}, Thing("clean-task", "demo1")),
        ("files/<str:token>", "", {"token": "secret"}, Thing("files")),
    ],
)
def test_an_address_says_what_it_is_of(route, name, values, thing):
    assert reading.thing_of(route, name, values) == thing


@pytest.mark.parametrize(
    ("method", "given", "action"),
    [
        ("GET", {}, Action.VIEW),
        ("GET", {"query": {"q": "x"}}, Action.FILTER),
        ("GET", {"query": {"csv": "1"}}, Action.EXPORT),
        ("GET", {"is_file": True}, Action.EXPORT),
        ("GET", {"status": 403}, Action.REFUSED),
        ("POST", {"verb": "add"}, Action.ADD),
        ("POST", {"verb": "delete"}, Action.DELETE),
        ("POST", {}, Action.ORDER),
        ("POST", {"status": 401}, Action.REFUSED),
        ("DELETE", {}, Action.DELETE),
        ("PATCH", {}, Action.CHANGE),
    ],
)
def test_a_word_says_what_was_done(method, given, action):
    said = {"query": {}, "verb": "", "status": 200, "is_file": False} | given
    assert reading.action_of(method, **said) is action


@pytest.mark.parametrize(
    ("path", "reads"),
    [
        ("/api/v1/production/get_task", True),
        ("/server/panda/getStatus", True),
        ("/api/v1/production/move_task", False),
        ("/api/v1/x/getaway", False),
        ("/server/panda/killJobs", False),
    ],
)
def test_methods_that_only_answer_are_known_by_their_names(path, reads):
    assert reading.only_reads(path) is reads


def test_forms_and_calls_say_which_rows_and_why():
    said = {"name": "demo1", "run": 277001, "why": " two \n lines ", "password": "x"}
    assert reading.key_in(said) == "name=demo1 run=277001"
    assert reading.reason_in(said) == "two lines"
    assert reading.key_in({"_selected_action": [str(number) for number in range(30)]}).endswith("18,19,… (30)")
    assert (reading.key_in({}), reading.reason_in({"why": 7})) == ("", "")
