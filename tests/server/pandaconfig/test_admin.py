"""The tables in the admin: forms that refuse, two people at one row, imports with a look, history and undoing."""

from __future__ import annotations

import json

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from server.accounts.models import SiteRight
from server.lib.uses import uses_of
from server.pandaconfig import logic, queries
from server.pandaconfig.groups import QUEUE, USER
from server.pandaconfig.logic import Author
from server.pandaconfig.models import Change, GlobalShare, ImportDraft, PandaUser, Siteaccess, StatusHold, UserLimits
from server.pandaconfig.tables import SCHEDCONFIG, SITEACCESS, TABLES, USERS
from tests.server import jobs

BOB = Author("bob", Change.Way.FORM, "more memory")


def page(model, name, *args):
    return reverse(f"admin:pandaconfig_{model}_{name}", args=args)


def posted(answer):
    """Answer what a browser would send back of a form."""
    form = answer.context["adminform"].form
    fields = {}
    for name in form.fields:
        value = form[name].value()
        if isinstance(value, list | tuple):
            fields |= {f"{name}_{number}": part or "" for number, part in enumerate(value)}
        elif value is not None and value is not False:
            fields[name] = json.dumps(value) if isinstance(value, dict) else value
    return fields


@pytest.fixture
def queue(db):
    logic.define_queue({"nickname": "Q", "status": "online", "maxrss": 2000, "params": {"a": 1}})
    Change.objects.all().delete()


@pytest.mark.parametrize(("groups", "table"), [(QUEUE, SCHEDCONFIG), (USER, USERS)], ids=["queue", "user"])
def test_every_column_stands_in_one_group_of_its_page(groups, table):
    shown = [name for _, _, names in groups for name in names.split()]
    assert sorted(shown) == sorted({*table.fields, "reason", *(["beside"] if table.beside else [])})


def test_a_row_is_changed_in_its_form_with_who_and_why(admin_client, queue):
    address = page("schedconfig", "change", "Q")
    fields = posted(admin_client.get(address)) | {"maxrss": 3000, "reason": "bought", "beside": '{"params": {}}'}
    assert admin_client.post(address, fields).status_code == 302
    (change,) = Change.objects.all()
    assert (change.person, change.way, change.reason) == ("admin", "form", "bought")
    assert (change.before, change.after) == (
        {"maxrss": 2000, "data": {"params": {"a": 1}}},
        {"maxrss": 3000, "data": {"params": {}}},
    )


def test_who_saves_after_somebody_else_is_told_and_may_save_again(admin_client, queue):
    address = page("schedconfig", "change", "Q")
    fields = posted(admin_client.get(address)) | {"maxrss": 3000}
    logic.write(SCHEDCONFIG, "Q", {"maxrss": 4000, "corecount": 8}, BOB)
    told = admin_client.post(address, fields)
    words = told.content.decode()
    assert told.status_code == 200
    assert "bob has changed this row" in words
    assert "maxrss says 4000 by now, yours 3000" in words
    assert queries.limits_of_queues()["Q"].cores == 8
    again = posted(told) | {"maxrss": 3000, "corecount": 4}
    assert admin_client.post(address, again).status_code == 302
    assert queries.limits_of_queues()["Q"].cores == 4


@pytest.mark.parametrize(
    ("fields", "column", "words"),
    [
        ({"status": "onlin"}, "status", "onlin is not one of the available choices"),
        ({"maxrss": "x"}, "maxrss", "Enter a whole number"),
        ({"corecount": 1000}, "corecount", "less than or equal to 999"),
        ({"cloud": "XX"}, "cloud", "is no cloud"),
        ({"catchall": "{x"}, "catchall", "write words without brackets"),
        ({"beside": '{"copytools": {"xrdpc": {}}}'}, "beside", "did you mean xrdcp"),
        ({"email": "x"}, "email", "valid email"),
    ],
)
def test_what_may_not_be_is_refused_beside_its_field(admin_client, queue, fields, column, words):
    address = page("schedconfig", "change", "Q")
    answer = admin_client.post(address, posted(admin_client.get(address)) | fields)
    assert answer.status_code == 200
    assert words in str(answer.context["adminform"].form.errors[column])
    assert Change.objects.count() == 0


def test_a_queue_is_not_added_over_another(admin_client, queue):
    fields = posted(admin_client.get(page("schedconfig", "add"))) | {"nickname": "Q", "status": "test"}
    answer = admin_client.post(page("schedconfig", "add"), fields)
    assert "there is a queue of Q already" in answer.content.decode()
    assert queries.queue_status("Q") == "online"


ROWS = {
    "cloudconfig": {"name": "CERN", "status": "online"},
    "siteaccess": {"dn": "/DC=ch/CN=A", "pandasite": "Q", "status": "requested"},
    "pandauser": {"name": "ada", "vo": "compass"},
    "storageendpoint": {"name": "DISK", "data": "{}"},
    "globalshare": {"name": "mc", "value": 3, "position": 0},
    "userlimits": {"name": "ada", "max_queued": 5, "max_running_cores": 0},
}


@pytest.mark.parametrize("model", ROWS)
def test_each_table_is_added_to_changed_and_deleted_from_with_a_history(admin_client, queue, model):
    fields = posted(admin_client.get(page(model, "add"))) | ROWS[model]
    answer = admin_client.post(page(model, "add"), fields)
    assert answer.status_code == 302, answer.context and answer.context["adminform"].form.errors
    table = next(one for one in TABLES.values() if one.model._meta.model_name == model)
    key = table.model.objects.get().pk
    same = posted(admin_client.get(page(model, "change", key)))
    assert admin_client.post(page(model, "change", key), same).status_code == 302
    assert admin_client.post(page(model, "delete", key), {"post": "yes"}).status_code == 302
    assert [one.before is None for one in Change.objects.all()] == [False, True]
    words = admin_client.get(page(model, "history", key)).content.decode()
    assert "made" in words
    assert "deleted" in words
    assert table.model.objects.count() == 0


def test_the_history_of_a_row_shows_both_values_and_undoes(admin_client, queue):
    change = logic.write(SCHEDCONFIG, "Q", {"maxrss": 4000, "data": {"params": {"a": "<q1>"}}}, BOB)
    words = admin_client.get(page("schedconfig", "history", "Q")).content.decode()
    assert "<del>2000</del> <ins>4000</ins>" in words
    assert "data.params" in words
    assert "<q1>" not in words
    assert "more memory" in words
    answer = admin_client.post(page("schedconfig", "undo", "Q", change.pk), {"reason": "wrong"}, follow=True)
    assert "was undone" in answer.content.decode()
    assert SCHEDCONFIG.read("Q")["maxrss"] == 2000
    answer = admin_client.post(page("schedconfig", "undo", "Q", change.pk), {}, follow=True)
    assert "Nothing was undone" in answer.content.decode()
    assert "by now" in answer.content.decode()
    assert admin_client.get(page("schedconfig", "undo", "Q", change.pk)).status_code == 403


def upload(text, **more):
    return {"file": SimpleUploadedFile("queues.csv", text.encode()), **more}


def test_an_import_is_looked_at_before_it_is_written_and_undone_as_a_whole(admin_client, queue):
    address = page("schedconfig", "import")
    shown = admin_client.post(
        address, upload("nickname,maxrss,cloud\nQ,4000,\nNEW,1000,RU\nBAD,x,\n", make_clouds="on")
    )
    words = shown.content.decode()
    for one in (
        "<strong>1</strong> new",
        "<strong>1</strong> changed",
        "<strong>1</strong> refused",
        "would be made: RU",
    ):
        assert one in words
    assert "<del>2000</del> <ins>4000</ins>" in words
    assert queries.queue_names() == ["Q"]
    confirmed = {"draft": shown.context["draft"].pk, "digest": shown.context["plan"].digest, "reason": "from CRIC"}
    done = admin_client.post(address, confirmed, follow=True)
    assert "1 new, 1 changed, 1 passed over" in done.content.decode()
    assert queries.limits_of_queues()["Q"].memory == 4000 * 2**20
    assert {one.reason for one in Change.objects.all()} == {"queues.csv: from CRIC"}
    again = admin_client.post(address, confirmed, follow=True)
    assert "begin anew" in again.content.decode()
    numbers = list(Change.objects.values_list("pk", flat=True))
    undone = admin_client.post(
        page("change", "changelist"), {"action": "undo", "_selected_action": numbers}, follow=True
    )
    assert "3 changes were undone" in undone.content.decode()
    assert (queries.queue_names(), queries.limits_of_queues()["Q"].memory) == (["Q"], 2000 * 2**20)


def test_an_import_that_is_not_what_was_looked_at_is_shown_again(admin_client, queue):
    address = page("schedconfig", "import")
    shown = admin_client.post(address, {"text": "nickname,maxrss\nQ,4000\n"})
    logic.write(SCHEDCONFIG, "Q", {"corecount": 8}, BOB)
    confirmed = {"draft": shown.context["draft"].pk, "digest": shown.context["plan"].digest}
    told = admin_client.post(address, confirmed)
    assert "The table has changed since you looked" in told.content.decode()
    assert queries.limits_of_queues()["Q"].memory == 2000 * 2**20
    confirmed["digest"] = told.context["plan"].digest
    assert admin_client.post(address, confirmed).status_code == 302


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Give a file, or an address, or the text"),
        ({"text": "nickname,statsu\nQ,x"}, "did you mean status?"),
        ({"file": SimpleUploadedFile("x", b"\xff\xfe")}, "no text in UTF-8"),
        ({"address": "http://127.0.0.1:1/x"}, "none is allowed"),
    ],
)
def test_what_cannot_be_imported_is_told(admin_client, queue, fields, words):
    answer = admin_client.post(page("schedconfig", "import"), fields)
    assert words in answer.content.decode().replace("&#x27;", "'")
    assert ImportDraft.objects.count() == 0


def test_somebody_elses_import_is_not_written(admin_client, queue, django_user_model):
    shown = admin_client.post(page("schedconfig", "import"), {"text": "nickname,maxrss\nQ,4000\n"})
    django_user_model.objects.create_superuser("eve", "", "x")
    eve = Client()
    eve.force_login(get_user_model().objects.get(username="eve"))
    confirmed = {"draft": shown.context["draft"].pk, "digest": shown.context["plan"].digest}
    assert "begin anew" in eve.post(page("schedconfig", "import"), confirmed, follow=True).content.decode()
    assert eve.post(page("schedconfig", "import"), {"draft": "x"}).status_code == 302


def test_a_reader_of_the_tables_changes_nothing(queue, django_user_model):
    reader = django_user_model.objects.create_user("rea", "", "x", is_staff=True)
    reader.user_permissions.set(Permission.objects.filter(codename__in=["view_schedconfig", "view_change"]))
    client = Client()
    client.force_login(reader)
    change = logic.write(SCHEDCONFIG, "Q", {"maxrss": 4000}, BOB)
    assert client.get(page("schedconfig", "changelist")).status_code == 200
    assert "Undo</button>" not in client.get(page("schedconfig", "history", "Q")).content.decode()
    for address in (page("schedconfig", "import"), page("schedconfig", "undo", "Q", change.pk)):
        assert client.post(address, {}).status_code == 403
    told = client.post(page("change", "changelist"), {"action": "undo", "_selected_action": [change.pk]}, follow=True)
    assert "by administrators alone" in told.content.decode()
    action = {
        "action": "set_offline",
        "_selected_action": ["Q"],
        "confirmed": "yes",
        "status": "offline",
        "reason": "x",
    }
    client.post(page("schedconfig", "changelist"), action)
    assert queries.queue_status("Q") == "online"


@pytest.fixture
def keeper(db, django_user_model):
    """Answer a client of who looks after the site S, with the queues Q, of S, and R, of T."""
    for name, site in (("Q", "S"), ("R", "T")):
        logic.write(SCHEDCONFIG, None, {"nickname": name, "siteid": site, "status": "online"}, BOB)
    user = django_user_model.objects.create_user("keeper", "", "x")
    user.groups.set([Group.objects.get_or_create(name="site_admin")[0]])
    SiteRight.objects.create(account=user, site="S")
    client = Client()
    client.force_login(user)
    return client


def test_a_queue_that_would_leave_ones_site_is_refused_beside_its_field_with_all_that_was_typed(keeper):
    address = page("schedconfig", "change", "Q")
    fields = posted(keeper.get(address)) | {"siteid": "T", "maxrss": 4321}
    told = keeper.post(address, fields)
    form = told.context["adminform"].form
    assert "Q is a queue of the site T" in str(form.errors["siteid"])
    assert form["maxrss"].value() == "4321"
    assert SCHEDCONFIG.read("Q")["maxrss"] == 0
    assert keeper.post(address, fields | {"siteid": "S"}).status_code == 302
    assert SCHEDCONFIG.read("Q")["maxrss"] == 4321


def test_who_looks_after_a_site_changes_and_undoes_there_alone(keeper):
    mine, other = (logic.write(SCHEDCONFIG, name, {"maxrss": 4000}, BOB) for name in ("Q", "R"))
    moved = logic.write(SCHEDCONFIG, "Q", {"comment": "moved"}, BOB)
    assert "Undo</button>" in keeper.get(page("schedconfig", "history", "Q")).content.decode()
    assert "Undo</button>" not in keeper.get(page("schedconfig", "history", "R")).content.decode()
    assert keeper.post(page("schedconfig", "undo", "R", other.pk), {}).status_code == 403
    for change in (moved, mine):
        assert keeper.post(page("schedconfig", "undo", "Q", change.pk), {}).status_code == 302
    assert (SCHEDCONFIG.read("Q")["maxrss"], SCHEDCONFIG.read("R")["maxrss"]) == (0, 4000)
    made = Change.objects.get(key="Q", before__isnull=True)
    assert keeper.post(page("schedconfig", "undo", "Q", made.pk), {}).status_code == 403, "that would delete it"
    assert keeper.post(page("schedconfig", "change", "R"), {"maxrss": 1}).status_code == 403
    assert keeper.post(page("schedconfig", "delete", "Q"), {"post": "yes"}).status_code == 403
    assert keeper.get(page("schedconfig", "import")).status_code == 403
    both = {"action": "set_offline", "_selected_action": ["Q", "R"], "confirmed": "yes", "status": "offline"}
    told = keeper.post(page("schedconfig", "changelist"), both | {"reason": "x"}, follow=True).content.decode()
    assert "R is a queue of the site T" in told
    assert (queries.queue_status("Q"), queries.queue_status("R")) == ("offline", "online")


def test_a_program_that_leaves_the_json_out_of_a_form_leaves_it_as_it_is(admin_client, queue):
    address = page("schedconfig", "change", "Q")
    fields = {name: said for name, said in posted(admin_client.get(address)).items() if name != "beside"}
    assert admin_client.post(address, fields | {"maxrss": 3000}).status_code == 302
    assert SCHEDCONFIG.read("Q")["data"] == {"params": {"a": 1}}


def test_a_row_that_an_action_may_not_write_is_named_and_the_others_are_written(admin_client, queue):
    for name in ("A", "B"):
        logic.write(USERS, None, {"name": name}, BOB)
    PandaUser.objects.filter(name="A").update(njobs1=9, njobs7=3)  # past this server
    chosen = {"action": "disable", "_selected_action": list(PandaUser.objects.values_list("pk", flat=True))}
    told = admin_client.post(page("pandauser", "changelist"), chosen, follow=True).content.decode()
    assert "A: njobs1: 9 is more than njobs7" in told
    assert "1 are disabled" in told


@pytest.mark.parametrize("subject", ['/DC=ch/CN=O\'Brien "x" <b>', "/CN=../a_b?c=d&e#f%2FЖук"])
def test_a_row_of_an_odd_name_has_its_pages(admin_client, queue, subject):
    change = logic.write(SITEACCESS, None, {"dn": subject, "pandasite": "Q"}, BOB)
    for name in ("change", "history", "delete"):
        answer = admin_client.get(page("siteaccess", name, change.key))
        assert answer.status_code == 200
        assert escape(subject) in answer.content.decode()
    logic.write(TABLES["limits"], None, {"name": subject}, BOB)
    for name in ("change", "history", "delete"):
        assert admin_client.get(page("userlimits", name, quote(subject))).status_code == 200
    limits = Change.objects.get(table="limits")
    assert admin_client.post(page("userlimits", "undo", quote(subject), limits.pk), {}).status_code == 302
    assert not UserLimits.objects.exists()


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_what_is_chosen_is_exported(admin_client, queue, ending):
    chosen = {"action": f"export_{ending}", "_selected_action": ["Q"]}
    answer = admin_client.post(page("schedconfig", "changelist"), chosen)
    assert answer.headers["Content-Disposition"].endswith(f'.{ending}"')
    text = b"".join(answer.streaming_content).decode()
    assert '"params"' in text.replace('""', '"')
    shown = admin_client.post(page("schedconfig", "import"), {"text": text})
    assert shown.context["plan"].rows[0].kind == "same"


def test_statuses_are_set_by_an_action_that_asks_why_and_for_how_long(admin_client, queue):
    jobs.submit(queue="Q")
    chosen = {"action": "set_offline", "_selected_action": ["Q"]}
    asked = admin_client.post(page("schedconfig", "changelist"), chosen).content.decode()
    assert "jobs that wait there: 1" in asked
    assert queries.queue_status("Q") == "online"
    said = chosen | {"confirmed": "yes", "status": "offline", "reason": "", "hours": "2"}
    assert "This field is required" in admin_client.post(page("schedconfig", "changelist"), said).content.decode()
    said["reason"] = "maintenance"
    done = admin_client.post(page("schedconfig", "changelist"), said, follow=True).content.decode()
    assert "1 queues are offline until" in done
    assert "then online: maintenance" in done
    assert (queries.queue_status("Q"), StatusHold.objects.get().person) == ("offline", "admin")


def test_requests_for_access_are_approved_and_users_disabled_in_bulk(admin_client, queue):
    for name in ("A", "B"):
        logic.write(SITEACCESS, None, {"dn": f"/CN={name}", "pandasite": "Q"}, BOB)
        logic.write(USERS, None, {"name": name}, BOB)
    for model, rows, action in ((Siteaccess, "siteaccess", "approve"), (PandaUser, "pandauser", "disable")):
        numbers = list(model.objects.values_list("pk", flat=True))
        admin_client.post(page(rows, "changelist"), {"action": action, "_selected_action": numbers})
    assert set(Siteaccess.objects.values_list("status", flat=True)) == {"approved"}
    assert set(PandaUser.objects.values_list("status", flat=True)) == {"disabled"}
    assert Change.objects.filter(way="action", person="admin").count() == 4


def test_what_hangs_on_a_row_is_told_before_it_is_changed(admin_client, queue):
    GlobalShare.objects.create(name="a", value=1)
    GlobalShare.objects.create(name="b", value=1, parent="a")
    assert [str(use) for use in uses_of("shares", ["a"])] == ["shares that are parts of it: 1"]
    logic.define_storage("DISK", {})
    logic.define_queue({"nickname": "Q", "astorages": {"pr": ["DISK"]}})
    assert [str(use) for use in uses_of("storages", ["DISK"])] == ["queues that name the storage: 1"]
    words = admin_client.get(page("storageendpoint", "change", "DISK")).content.decode()
    assert "queues that name the storage: 1" in words
    UserLimits.objects.create(name="ada")
    assert "Nothing uses this row" in admin_client.get(page("userlimits", "change", "ada")).content.decode()


@pytest.mark.parametrize("model", ["schedconfig", "cloudconfig", "siteaccess", "pandauser", "change"])
def test_a_list_asks_as_often_for_many_rows_as_for_few(admin_client, queue, model, django_assert_max_num_queries):
    logic.define_queue({"nickname": "R"})
    for number in range(30):
        logic.write(TABLES["cloudconfig"], None, {"name": f"C{number}"}, BOB)
        logic.write(SITEACCESS, None, {"dn": f"/CN={number}", "pandasite": "Q"}, BOB)
        logic.write(USERS, None, {"name": f"u{number}"}, BOB)
        logic.define_queue({"nickname": f"Q{number}"})
    with django_assert_max_num_queries(12):
        assert admin_client.get(page(model, "changelist")).status_code == 200
