"""Credentials are defined in the admin, and nothing secret is ever shown there."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from server.credentials.logic import secrets
from server.credentials.models import Credential, HandOut, Kind, Source, UserSecret
from tests.server.credentials import making
from tests.server.credentials.making import HOUR, NOW, credential

pytestmark = [pytest.mark.django_db, pytest.mark.one_python, pytest.mark.usefixtures("home")]

ADD, LIST = "admin:credentials_credential_add", "admin:credentials_credential_changelist"


def form(**said):
    blank = dict.fromkeys(("asked_as", "person", "working_group", "path", "endpoint", "client_id", "scope"), "")
    rest = {"audience": "", "ca_file": "", "queues": "[]", "command": "[]", "key_days": 0, "renew_ahead": 21600}
    whole = {"name": "robot", "kind": "token", "source": "entered", "enabled": "on", **blank, **rest}
    return {**whole, **said}


def fresh():
    return making.token(timezone.now() + HOUR)


def test_what_is_entered_is_sealed_and_never_shown_again(admin_client):
    text = fresh()
    assert admin_client.post(reverse(ADD), form(text=text)).status_code == 302
    row = Credential.objects.get()
    assert row.ends_at is not None
    assert text.encode() not in bytes(row.sealed)
    for page in (reverse("admin:credentials_credential_change", args=[row.pk]), reverse(LIST)):
        shown = admin_client.get(page).content.decode()
        assert text not in shown
        assert "ends soon" in shown or "good" in shown


def test_what_is_wrong_is_told_at_its_field_without_what_was_entered(admin_client, settings):
    wrong = [
        (form(text="geheim"), "it is no JSON web token that says when it ends"),
        (form(kind="proxy", text="geheim"), "no certificates in PEM"),
        (form(source="file", path="relative"), "the absolute path of a file"),
        (form(source="file", path="/a", text="geheim"), "only for what is entered here"),
        (form(source="command", command='["/bin/sh"]'), "is not among COMPASS_SERVER_CREDENTIAL_PROGRAMS"),
        (form(source="endpoint", endpoint="http://a", client_secret="geheim"), "it has to be https://host/path"),
        (form(source="endpoint", kind="proxy", refresh_token="geheim"), "an endpoint gives tokens alone"),
        (form(queues='{"a": 1}'), "a list of texts"),
    ]
    for said, words in wrong:
        page = admin_client.post(reverse(ADD), said)
        assert (page.status_code, words in page.content.decode()) == (200, True), words
        assert b"geheim" not in page.content
    assert not Credential.objects.exists()


def test_a_grant_is_kept_and_an_edit_leaves_what_the_service_writes(admin_client):
    said = form(source="endpoint", endpoint="https://a/token", client_secret="geheim")
    assert admin_client.post(reverse(ADD), said).status_code == 302
    row = Credential.objects.get()
    sealed = bytes(row.sealed_grant)
    assert b"geheim" not in sealed
    Credential.objects.update(last_error="away", failures=3)
    change = reverse("admin:credentials_credential_change", args=[row.pk])
    assert admin_client.post(change, {**said, "client_secret": "", "scope": "a"}).status_code == 302
    row.refresh_from_db()
    assert (bytes(row.sealed_grant), row.scope, row.last_error, row.failures) == (sealed, "a", "away", 3)
    page = admin_client.get(change).content.decode()
    assert "geheim" not in page
    assert "away" in page


def test_the_kind_of_a_credential_stays(admin_client):
    row = credential("t")
    page = admin_client.get(reverse("admin:credentials_credential_change", args=[row.pk])).content.decode()
    assert 'name="kind"' not in page


def test_a_credential_is_renewed_at_will(admin_client, private_file):
    row = credential(source=Source.FILE, path=str(private_file(fresh())), kind=Kind.TOKEN)
    said = {"action": "renew_now", "_selected_action": [row.pk]}
    assert admin_client.post(reverse(LIST), said).status_code == 302
    row.refresh_from_db()
    assert row.sealed is not None


def test_hand_outs_are_looked_at_and_users_secrets_only_removed(admin_client):
    HandOut.objects.create(at=NOW, what="robot", kind="proxy", to="a-pilot")
    assert "robot" in admin_client.get(reverse("admin:credentials_handout_changelist")).content.decode()
    secrets.set_secret("alice", "key", "geheim", now=NOW)
    row = UserSecret.objects.get()
    page = admin_client.get(reverse("admin:credentials_usersecret_change", args=[row.pk])).content.decode()
    assert "alice" in page
    assert "geheim" not in page
    assert 'name="_save"' not in page
    gone = admin_client.post(reverse("admin:credentials_usersecret_delete", args=[row.pk]), {"post": "yes"})
    assert gone.status_code == 302
    assert not UserSecret.objects.exists()
