"""Who did what is written down: by pages and by the interface, and of pilots nothing."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from server.accounts import logic as accounts
from server.accounts.models import Role
from server.trail import logic
from server.trail.models import Entry
from server.trail.states import Action
from tests.kits.people import reader


@pytest.fixture(autouse=True)
def _nothing_on_its_way():
    logic.LATER._afresh()
    yield
    logic.LATER._afresh()


def rows(**filters):
    assert logic.LATER.flush()
    return Entry.objects.filter(**filters).order_by("id")


def test_a_page_its_filters_and_its_export_are_written_down(admin_client):
    list_of_users = reverse("admin:auth_user_changelist")
    admin_client.get(list_of_users)
    admin_client.get(list_of_users, {"q": "petra", "token": "abc"})
    admin_client.get(reverse("audit"), {"csv": 1})
    view, filtered = rows(table="auth.user")
    assert (view.person, view.action, view.method, view.outcome) == ("admin", Action.VIEW, "GET", 200)
    assert (view.path, view.how, view.address) == (list_of_users, "password", "127.0.0.1")
    assert (filtered.action, filtered.filters) == (Action.FILTER, "q=petra&token=(hidden)")
    assert rows(action=Action.EXPORT).get().table == "audit"


def test_what_is_changed_is_written_down_before_the_next_request(admin_client):
    form = {"every": 5, "period": "minutes", "password": "unusual words here"}
    form |= {f"periodictask_set-{name}_FORMS": 0 for name in ("TOTAL", "INITIAL")}
    admin_client.post(reverse("admin:django_celery_beat_intervalschedule_add"), form)
    entry = Entry.objects.get()
    assert (entry.action, entry.table) == (Action.ADD, "django_celery_beat.intervalschedule")
    assert (entry.outcome, entry.method, entry.person) == (302, "POST", "admin")
    assert "unusual" not in json.dumps(list(Entry.objects.values()), default=str)


def test_an_order_for_several_rows_says_which(admin_client):
    user = User.objects.create(username="paul")
    address = reverse("admin:auth_user_changelist")
    admin_client.post(address, {"action": "delete_selected", "_selected_action": [user.pk], "why": "has left"})
    entry = rows(action=Action.ORDER).get()
    assert (entry.what, entry.key) == ("delete_selected", f"_selected_action={user.pk}")
    assert entry.reason == "has left"


def test_logins_and_logouts_are_written_down_and_how_somebody_was_known(client, django_user_model):
    reader("petra", password="unusual words here")
    address = reverse("login")
    client.post(address, {"username": "petra", "password": "wrong"})
    client.post(address, {"username": "my-password-in-the-wrong-field", "password": "wrong"})
    client.post(address, {"username": "petra", "password": "unusual words here"})
    client.post(reverse("logout"))
    said = rows().values_list("action", "person", "how").order_by("at")
    assert list(said) == [
        ("refused", "petra", ""),
        ("refused", "(no such account)", ""),
        ("login", "petra", "password"),
        ("logout", "petra", ""),
    ]
    assert "wrong" not in json.dumps(list(Entry.objects.values()), default=str)


def test_who_may_not_is_written_down(client, django_user_model):
    client.force_login(django_user_model.objects.create_user("paul", is_staff=True))
    assert client.get(reverse("admin:trail_entry_changelist")).status_code == 403
    assert rows(action=Action.REFUSED).get().person == "paul"


def test_refusals_of_one_address_do_not_fill_the_table(client, django_user_model):
    client.force_login(django_user_model.objects.create_user("paul", is_staff=True))
    for _ in range(30):
        client.get(reverse("admin:trail_entry_changelist"))
    assert 20 <= rows(action=Action.REFUSED).count() < 25


@pytest.mark.parametrize("header", ["X-Compass-Refresh", "HX-Request"])
def test_a_page_that_renews_itself_is_written_down_once(admin_client, header):
    for _ in range(3):
        admin_client.get(reverse("overview"), headers={header: "1"})
    assert rows(table="overview").count() == 1


def test_strangers_and_static_files_leave_no_row(client, db):
    client.get(reverse("login"))
    client.get("/static/monitor/refresh.js")
    client.get("/there/is/no/such/page")
    assert not rows().exists()


def token(name, role, **more):
    return {"Authorization": f"Bearer {accounts.create_token(name, role, **more)}"}


def call(client, method, headers, **body):
    return client.post(f"/api/v1/{method}", json.dumps(body), content_type="application/json", headers=headers)


def test_what_a_person_does_by_the_interface_is_written_down_by_the_tokens_name(client, db):
    headers = token("petras", Role.PRODUCTION, person="petra")
    call(client, "production/move_task", headers, name="demo1", to="paused", words="the disk is full")
    client.get("/api/v1/production/get_task", {"name": "demo1"}, headers=headers)
    entry = rows().get()
    assert (entry.person, entry.how, entry.table) == ("petra", "token petras", "production/move_task")
    assert (entry.action, entry.key, entry.reason) == (Action.ORDER, "name=demo1", "the disk is full")


def test_a_token_of_another_role_is_refused_and_that_is_written_down(client, db):
    call(client, "production/move_task", token("petras", Role.USER, person="petra"), name="demo1", to="paused")
    entry = rows().get()
    assert (entry.action, entry.what, entry.outcome) == (Action.REFUSED, "role", 403)


def test_pilots_calls_leave_no_row_and_ask_the_database_nothing_more(client, queue, pilot_token):
    form = {"siteName": queue, "computingElement": queue, "node": "n"}
    client.post("/server/panda/getJob", form, headers={"Authorization": f"Bearer {pilot_token}"})
    assert not rows().exists()


def test_a_view_says_more_of_what_it_does(rf, db):
    from django.http import HttpResponse

    from server.trail.middleware import Trail

    def view(request):
        logic.note(request, "change", "put two queues offline", "power cut", table="queues", key="A,B", person="petra")
        logic.note(request, "export", "took a copy", person="petra")
        return HttpResponse()

    Trail(view)(rf.post("/x"))
    change, export = rows()
    assert (change.person, change.action, change.key, change.reason) == ("petra", "change", "A,B", "power cut")
    assert export.what == "took a copy"


def test_an_action_that_nobody_knows_is_refused(rf):
    with pytest.raises(ValueError, match="bakes"):
        logic.note(rf.get("/"), "bakes", "a cake")


def test_a_session_says_how_it_began(client, django_user_model):
    client.force_login(reader("petra"))
    session = client.session
    session["compass.by"] = "certificate"
    session.save()
    client.get(reverse("overview"))
    assert rows().get().how == "certificate"
