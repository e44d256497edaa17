"""The audit log in the admin: for administrators alone, with filters that cost the same however many rows there are."""

from __future__ import annotations

import csv
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from server.trail import logic
from server.trail.models import Entry
from server.trail.states import Action

LIST = "admin:trail_entry_changelist"


@pytest.fixture(autouse=True)
def _nothing_on_its_way():
    logic.LATER._afresh()
    yield
    logic.LATER._afresh()


@pytest.fixture
def entries(db):
    now = timezone.now()
    common = {"method": "POST", "outcome": 302, "duration": 12}
    return Entry.objects.bulk_create([
        logic.entry(
            at=now - timedelta(hours=number), person=f"person{number % 3}", action=list(Action)[number % 10],
            table="pandaconfig.schedconfig", key=f"Q{number}", path=f"/admin/{number}/", reason="power cut", **common
        )
        for number in range(60)
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "shown", "hidden"),
    [
        ({"person": "person1"}, "Q1<", "Q2<"),
        ({"action": "export"}, "Q2<", "Q3<"),
        ({"table": "pandaconfig.schedconfig", "key": "Q7"}, "Q7<", "Q8<"),
        ({"period": "hour"}, "Q0<", "Q1<"),
        ({"q": "/admin/5/"}, "Q5<", "Q6<"),
        ({"q": "nothing at all"}, "Nobody has done anything of this kind", "Q1<"),
    ],
)
def test_the_list_is_filtered(admin_client, entries, asked, shown, hidden):
    page = admin_client.get(reverse(LIST), asked).content.decode()
    assert shown in page
    assert hidden not in page


def test_the_list_asks_as_much_for_one_row_as_for_sixty(admin_client, entries, django_assert_max_num_queries):
    admin_client.get(reverse(LIST))
    with django_assert_max_num_queries(14) as many:
        admin_client.get(reverse(LIST))
    Entry.objects.exclude(pk=entries[0].pk).delete()
    with django_assert_max_num_queries(14) as few:
        admin_client.get(reverse(LIST))
    # What sessions and messages ask is theirs.
    asked = [sum("trail_" in one["sql"] for one in each.captured_queries) for each in (many, few)]
    assert asked[0] == asked[1] > 1


def test_an_export_has_the_filtered_rows_newest_first_and_is_itself_written_down(admin_client, entries):
    answer = admin_client.get(reverse("admin:trail_entry_export"), {"person": "person1"})
    rows = list(csv.DictReader(answer.getvalue().decode().splitlines()))
    assert [row["key"] for row in rows] == [f"Q{number}" for number in range(1, 60, 3)]
    assert rows[0]["reason"] == "power cut"
    own = Entry.objects.get(person="admin")
    assert (own.action, own.filters) == (Action.EXPORT, "person=person1")


def test_an_export_reads_on_where_it_stopped(entries, monkeypatch):
    from server.trail import queries

    monkeypatch.setattr(queries, "AT_ONCE", 7)
    Entry.objects.update(at=timezone.now())  # all of one moment
    assert len(list(queries.as_csv(Entry.objects.all()))) == 61
    assert len(list(queries.as_csv(Entry.objects.all(), most=20))) == 21


@pytest.mark.parametrize("address", [LIST, "admin:trail_entry_export"])
def test_who_is_no_administrator_is_refused_whatever_rights_there_are(client, django_user_model, address, entries):
    staff = django_user_model.objects.create_user("paul", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(content_type__app_label="trail"))
    client.force_login(staff)
    assert client.get(reverse(address)).status_code == 403


def test_nobody_changes_a_row(admin_client, entries):
    address = reverse("admin:trail_entry_change", args=[entries[0].pk])
    assert admin_client.get(address).status_code == 200
    assert admin_client.post(address, {"reason": "none"}).status_code == 403
    assert admin_client.post(reverse("admin:trail_entry_delete", args=[entries[0].pk])).status_code == 403
