from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from server.notify.models import Channel, Delivery, Message
from server.notify.states import Kind

pytestmark = pytest.mark.django_db

ENTERED = {
    "name": "mine",
    "kind": "mail",
    "address": "ann@example.org",
    "events": ["task.done", "service.late"],
    "enabled": "on",
    "digest": "at_once",
    "zone": "Europe/Zurich",
}


@pytest.fixture
def ann(django_user_model):
    found = django_user_model.objects.create_user("ann", "ann@example.org")
    found.groups.add(Group.objects.get_or_create(name="production")[0])
    return found


@pytest.fixture
def bob(django_user_model):
    return django_user_model.objects.create_user("bob")


@pytest.fixture
def at(client, ann):
    client.force_login(ann)
    return client


def words(answer, status: int = 200) -> str:
    assert answer.status_code == status
    return answer.content.decode()


def test_who_has_not_logged_in_is_asked_to(client):
    for name in ("notifications", "new-channel"):
        assert client.get(reverse(name)).status_code == 302


def test_who_has_no_rights_is_led_to_where_it_says_whom_to_ask(client, bob):
    client.force_login(bob)
    assert client.post(reverse("new-channel"), ENTERED).url == reverse("welcome")
    assert not Channel.objects.exists()


def test_somebody_chooses_among_what_they_may_see_alone(client, bob):
    bob.groups.add(Group.objects.get_or_create(name="user")[0])
    client.force_login(bob)
    page = words(client.get(reverse("new-channel")))
    assert "task.done" in page
    assert [name for name in ("credential.expiring", "service.late", "incident.burst") if name in page] == []
    said = words(client.post(reverse("new-channel"), {**ENTERED, "kind": "webhook"}), 400)
    assert "service.late is not one of the available choices" in said


def test_without_a_channel_it_is_said_what_to_do(at):
    assert "You have no channel yet" in words(at.get(reverse("notifications")))


def test_a_channel_is_made_and_listed_with_how_it_does(at, ann):
    assert at.post(reverse("new-channel"), ENTERED).status_code == 302
    mine = Channel.objects.get()
    assert (mine.person, mine.events, mine.zone) == (ann, ["task.done", "service.late"], "Europe/Zurich")
    page = words(at.get(reverse("notifications")))
    assert "task.done, service.late" in page
    assert "nothing was sent yet" in page
    assert 'value="ann@example.org"' in words(at.get(reverse("channel", args=[mine.pk])))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"address": "bob@example.org"}, "Mail goes only to that of your account, ann@example.org."),
        ({"address": "no address"}, "This is no mail address"),
        ({"events": []}, "This field is required"),
        ({"events": ["task.dune"]}, "task.dune is not one of the available choices"),
        ({"zone": "Mars/Olympus"}, "not one of the available choices"),
        ({"quiet_from": "22:00"}, "Give both ends of the quiet hours"),
        ({"quiet_from": "25:00", "quiet_to": "07:00"}, "Enter a valid time"),
        ({"kind": "webhook", "address": "http://10.0.0.1/", "secret": "x" * 16}, "http is not safe"),
        ({"kind": "webhook", "address": "https://hooks.example.org/"}, "Give a secret"),
        ({"kind": "webhook", "address": "https://hooks.example.org/", "secret": "short"}, "at least 16 characters"),
        ({"kind": "pigeon"}, "pigeon is not one of the available choices"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words_beside_its_field(at, change, told):
    page = words(at.post(reverse("new-channel"), {**ENTERED, **change}), 400)
    assert told in page.replace("&#x27;", "'")
    assert not Channel.objects.exists()


def test_a_secret_is_sealed_and_never_shown_and_stays_when_it_is_left_empty(at, keys):
    keys()
    hook = {**ENTERED, "kind": "webhook", "address": "https://hooks.example.org/1", "secret": "a secret of sixteen"}
    at.post(reverse("new-channel"), hook)
    mine = Channel.objects.get()
    assert mine.sealed
    address = reverse("channel", args=[mine.pk])
    assert "a secret of sixteen" not in words(at.get(address))
    at.post(address, {**hook, "secret": "", "name": "other"})
    changed = Channel.objects.get()
    assert (changed.name, bytes(changed.sealed)) == ("other", bytes(mine.sealed))


def test_without_keys_a_secret_is_refused_and_nothing_is_saved(at, keys):
    (keys() / "credential_keys").unlink()
    hook = {**ENTERED, "kind": "webhook", "address": "https://hooks.example.org/1", "secret": "a secret of sixteen"}
    assert "tell an administrator" in words(at.post(reverse("new-channel"), hook), 400)
    assert not Channel.objects.exists()


def test_somebody_elses_channel_is_as_if_there_were_none(at, bob):
    other = Channel.objects.create(name="bob's", person=bob, address="bob@example.org")
    assert at.get(reverse("channel", args=[other.pk])).status_code == 404
    for name in ("channel", "try-channel", "delete-channel"):
        assert at.post(reverse(name, args=[other.pk]), ENTERED).status_code == 404
    assert "bob" not in words(at.get(reverse("notifications")))
    assert Channel.objects.get().name == "bob's"


def test_a_trial_is_put_into_the_outbox_and_its_fate_is_shown(at, ann, settings, tmp_path):
    settings.HOME = tmp_path
    mine = Channel.objects.create(name="mine", person=ann, address="ann@example.org")
    assert at.get(reverse("try-channel", args=[mine.pk])).status_code == 405
    answer = at.post(reverse("try-channel", args=[mine.pk]), follow=True)
    assert "waits" in words(answer)
    assert Message.objects.get().event == "trial"
    Delivery.objects.update(last_error="the mail server is <b>away</b>")
    assert "the mail server is &lt;b&gt;away" in words(at.get(reverse("channel", args=[mine.pk])))


def test_a_channel_is_deleted_with_all_that_waits_for_it(at, ann, settings, tmp_path):
    settings.HOME = tmp_path
    mine = Channel.objects.create(name="mine", person=ann, address="ann@example.org")
    at.post(reverse("try-channel", args=[mine.pk]))
    assert at.get(reverse("delete-channel", args=[mine.pk])).status_code == 405
    assert at.post(reverse("delete-channel", args=[mine.pk])).status_code == 302
    assert not Message.objects.exists()


def test_one_person_has_twenty_channels_at_most(at, ann):
    Channel.objects.bulk_create([Channel(name=str(n), person=ann, address="ann@example.org") for n in range(20)])
    assert at.post(reverse("new-channel"), ENTERED).status_code == 302
    assert Channel.objects.count() == 20


def test_the_list_asks_as_often_for_many_as_for_one(at, ann):
    def asked(begin: int, end: int) -> int:
        some = [Channel(name=str(n), person=ann, address="ann@example.org") for n in range(begin, end)]
        Channel.objects.bulk_create(some)
        with CaptureQueriesContext(connection) as seen:
            at.get(reverse("notifications"))
        return len(seen)

    asked(0, 1)  # what is remembered of a person is read once
    assert asked(1, 2) == asked(2, 20)


def test_an_administrator_enters_any_address_for_anybody_in_the_admin(admin_client, bob, keys):
    keys(webhook_hosts="chat.example.org")
    entered = {
        **ENTERED,
        "person": bob.pk,
        "kind": Kind.WEBHOOK,
        "address": "http://chat.example.org/1",
        "secret": "a secret of sixteen",
    }
    assert admin_client.post(reverse("admin:notify_channel_add"), entered).status_code == 302
    assert Channel.objects.get().sealed
    chosen = {"action": "send_trial", "_selected_action": [Channel.objects.get().pk]}
    admin_client.post(reverse("admin:notify_channel_changelist"), chosen)
    assert Delivery.objects.count() == 1
    again = {"action": "try_again", "_selected_action": [str(Delivery.objects.get().pk)]}
    page = admin_client.post(reverse("admin:notify_delivery_changelist"), again, follow=True)
    assert "1 deliveries are tried again" in words(page)
