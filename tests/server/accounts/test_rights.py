"""What the groups mean in the admin and at the pages, and whose queues somebody may change."""

from __future__ import annotations

import json

import pytest
from django.apps import apps
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.core.exceptions import ValidationError

from server.accounts import rights
from server.accounts.apps import make_groups
from server.accounts.models import Role, SiteRight
from server.accounts.rights import GROUPS, PRIVATE, Places, permissions_of
from server.pandaconfig import logic
from server.pandaconfig.logic import Author
from server.pandaconfig.models import Change, Schedconfig

QUEUES = "/admin/pandaconfig/schedconfig/"


def test_every_table_that_a_group_names_exists():
    tables = {model._meta.label_lower for model in apps.get_models()}
    known = tables | {f"{table.split('.')[0]}.*" for table in tables}
    for group in GROUPS.values():
        assert {*group.sees, *group.writes, *group.changes, *group.changes_by_site} <= known


@pytest.mark.parametrize("group", GROUPS)
def test_no_group_sees_who_people_are_and_what_they_do_or_gives_rights(group):
    apart = PRIVATE - {"credentials"}
    assert not {one for one in permissions_of([group]) if one.split(".")[0] in apart}
    assert "credentials.view_usersecret" not in permissions_of([group])


def test_readers_change_nothing_and_groups_that_others_made_mean_nothing():
    assert {one.split(".")[1].split("_")[0] for one in permissions_of(["reader"])} == {"view"}
    assert permissions_of(["friends"]) == frozenset()


def test_production_changes_its_tables_and_no_queue():
    may = permissions_of(["production"])
    assert {"production.change_site", "production.add_template", "credentials.view_credential"} <= may
    assert "pandaconfig.view_schedconfig" in may
    assert "pandaconfig.change_schedconfig" not in may


@pytest.mark.parametrize(
    ("places", "siteid", "nickname", "answer"),
    [
        (Places(), "CERN", "Q", False),
        (Places(everywhere=True), "CERN", "Q", True),
        (Places(sites=frozenset({"CERN"})), "CERN", "Q", True),
        (Places(sites=frozenset({"CERN"})), "JINR", "Q", False),
        (Places(sites=frozenset({"Q"})), "", "Q", True),  # without a site, a queue is its own
        (Places(sites=frozenset({"Q"})), "JINR", "Q", False),
        (Places(sites=frozenset({""})), "", "Q", False),
        (Places(queues=frozenset({"Q"})), "JINR", "Q", True),
    ],
)
def test_a_place_is_a_site_or_a_queue(places, siteid, nickname, answer):
    assert places.include(siteid, nickname) is answer


@pytest.mark.parametrize(("site", "queue"), [("", ""), ("CERN", "Q")])
def test_a_right_names_a_site_or_a_queue(site, queue):
    with pytest.raises(ValidationError, match="Name a site, or else a queue"):
        SiteRight(site=site, queue=queue).clean()


def test_strangers_and_who_was_switched_off_may_nothing():
    off = User(username="off", is_active=False, is_superuser=True, is_staff=True)
    for nobody in (AnonymousUser(), off):
        assert not rights.may_read(nobody)
        assert not rights.may_enter_desk(nobody)
        assert rights.roles_of(nobody) == frozenset()
        assert rights.editable_queues(nobody) == Places()


@pytest.fixture
def people(db):
    """Answer what makes somebody of these groups."""

    def person(name, *groups):
        user = User.objects.create_user(name)
        user.groups.set(Group.objects.get_or_create(name=group)[0] for group in groups)
        return user

    return person


@pytest.fixture
def queues(db):
    for name, site in (("Q1", "CERN"), ("Q2", "CERN"), ("Q3", "JINR")):
        logic.define_queue({"nickname": name, "siteid": site, "status": "online"})
    Change.objects.all().delete()


@pytest.fixture
def keeper(people, client):
    """Somebody who looks after CERN, and has logged in."""
    user = people("keeper", "site_admin")
    SiteRight.objects.create(account=user, site="CERN")
    client.force_login(user)
    return user


def status():
    return dict(Schedconfig.objects.values_list("nickname", "status"))


def test_the_groups_are_there_and_are_made_once(db):
    make_groups(using="default")
    make_groups(using="default")
    assert Group.objects.filter(name__in=GROUPS).count() == len(GROUPS)


@pytest.mark.parametrize(
    ("group", "reads", "roles"),
    [
        ("production", True, {Role.PRODUCTION}),
        ("reader", True, {Role.READER}),
        ("friends", True, set()),
        ("", False, set()),
    ],
)
def test_an_account_alone_reads_nothing(people, group, reads, roles):
    user = people("ann", *([group] if group else []))
    assert rights.may_read(user) is reads
    assert rights.roles_of(user) == roles


def test_a_reader_looks_at_queues_and_changes_none(people, client, queues):
    client.force_login(people("rea", "reader"))
    assert client.get(QUEUES).status_code == 200
    page = client.get(f"{QUEUES}Q1/change/").content.decode()
    assert 'name="_save"' not in page
    assert client.post(f"{QUEUES}Q1/change/", {"status": "offline"}).status_code == 403
    client.post(QUEUES, {"action": "set_offline", "_selected_action": ["Q1"], "confirmed": "1", "reason": "r"})
    assert set(status().values()) == {"online"}
    assert client.get("/admin/accounts/token/").status_code == 403
    assert client.get("/admin/auth/user/").status_code == 403


def test_nobody_enters_the_admin_without_rights(people, client):
    client.force_login(people("ann"))
    assert client.get("/admin/").status_code == 302


def posted(answer):
    form = answer.context["adminform"].form
    fields = {}
    for name in form.fields:
        value = form[name].value()
        if isinstance(value, list | tuple):
            fields |= {f"{name}_{number}": part or "" for number, part in enumerate(value)}
        elif value is not None and value is not False:
            fields[name] = json.dumps(value) if isinstance(value, dict) else value
    return fields


def test_who_looks_after_a_site_changes_its_queues_and_no_other(keeper, client, queues):
    fields = posted(client.get(f"{QUEUES}Q1/change/"))
    assert client.post(f"{QUEUES}Q1/change/", fields | {"status": "test"}).status_code == 302
    assert client.post(f"{QUEUES}Q3/change/", fields | {"nickname": "Q3", "status": "test"}).status_code == 403
    assert status() == {"Q1": "test", "Q2": "online", "Q3": "online"}
    assert 'name="_save"' not in client.get(f"{QUEUES}Q3/change/").content.decode()
    assert client.get(f"{QUEUES}add/").status_code == 403
    assert client.get(f"{QUEUES}Q1/delete/").status_code == 403
    assert client.get("/admin/pandaconfig/cloudconfig/add/").status_code == 403


def test_no_queue_is_moved_out_of_the_sites_that_somebody_looks_after(keeper, client, queues):
    fields = posted(client.get(f"{QUEUES}Q1/change/"))
    told = client.post(f"{QUEUES}Q1/change/", fields | {"siteid": "JINR"}, follow=True).content.decode()
    assert "ask an administrator to name the site for you" in told
    assert Schedconfig.objects.get(pk="Q1").siteid == "CERN"


def test_an_action_on_many_queues_leaves_those_of_others_and_says_whom_to_ask(keeper, client, queues):
    sent = {"action": "set_offline", "_selected_action": ["Q1", "Q3"], "confirmed": "1", "status": "offline"}
    told = client.post(QUEUES, sent | {"reason": "power cut", "hours": ""}, follow=True).content.decode()
    assert "Q3 is a queue of the site JINR, and keeper may change site CERN; ask an administrator" in told
    assert status() == {"Q1": "offline", "Q2": "online", "Q3": "online"}


def test_a_change_of_another_site_is_not_undone(keeper, client, queues):
    logic.set_status(["Q3"], "offline", Author("bob", Change.Way.ACTION, "r"))
    change = Change.objects.get()
    assert client.post(f"{QUEUES}Q3/undo/{change.pk}/", {"reason": "r"}).status_code == 403
    assert status()["Q3"] == "offline"


def test_who_was_given_the_permission_by_hand_is_bound_to_no_site(people, client, queues):
    user = people("all", "site_admin")
    user.user_permissions.set(Permission.objects.filter(codename="change_schedconfig"))
    assert rights.editable_queues(User.objects.get(pk=user.pk)) == Places(everywhere=True)


def test_rights_are_asked_of_the_database_once_for_each_request(keeper, queues, django_assert_max_num_queries):
    user = User.objects.get(pk=keeper.pk)
    rows = list(Schedconfig.objects.all())
    with django_assert_max_num_queries(4):
        for _ in range(3):
            assert [user.has_perm("pandaconfig.change_schedconfig", row) for row in rows] == [True, True, False]


def test_nobody_but_administrators_gives_rights_or_changes_administrators(people, client, admin_user):
    clerk = people("clerk", "reader")
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "change_user"]))
    client.force_login(clerk)
    page = client.get(f"/admin/auth/user/{clerk.pk}/change/").content.decode()
    assert 'name="email"' in page
    assert 'name="is_superuser"' not in page
    assert 'name="groups"' not in page
    assert client.post(f"/admin/auth/user/{admin_user.pk}/change/", {"username": "mine"}).status_code == 403
    assert client.post(f"/admin/auth/user/{admin_user.pk}/password/", {"password1": "x"}).status_code == 403


def test_an_administrator_names_somebodys_site_on_the_page_of_the_account(people, admin_client):
    user = people("keeper", "site_admin")
    rows = "site_rights"
    counted = {f"{rows}-TOTAL_FORMS": 1, f"{rows}-INITIAL_FORMS": 0, f"{rows}-0-site": "CERN", f"{rows}-0-queue": ""}
    sent = {"username": "keeper", "is_active": "on", "groups": [user.groups.get().pk], f"{rows}-0-account": user.pk}
    answer = admin_client.post(f"/admin/auth/user/{user.pk}/change/", {**sent, **counted})
    assert answer.status_code == 302
    assert rights.editable_queues(User.objects.get(pk=user.pk)) == Places(sites=frozenset({"CERN"}))
