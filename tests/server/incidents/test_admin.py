"""Incidents in the admin: filters, bars, moves with notes, and who may do them."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from server.incidents import logic
from server.incidents.models import Incident
from server.incidents.sighting import Sighting
from server.incidents.states import State
from server.trail.models import Entry

LIST = "admin:incidents_incident_changelist"


@pytest.fixture
def incidents(db):
    now = timezone.now()
    one = Sighting(
        "production", "server.production", logging.ERROR, "broken pipe", "OSError", "x.py:f", "<sample>", now, now
    )
    other = replace(one, app="django", words="slow page", level=logging.WARNING, first=now - timedelta(days=2))
    logic.record([replace(one, times=7), replace(other, latest=other.first)], host="here", process="serve (1)")
    return Incident.objects.get(words="broken pipe"), Incident.objects.get(words="slow page")


@pytest.mark.parametrize(
    ("asked", "shown", "hidden"),
    [
        ({"app": "production"}, "broken pipe", "slow page"),
        ({"state__exact": "resolved"}, "No incident is of this kind", "broken pipe"),
        ({"level__exact": logging.WARNING}, "slow page", "broken pipe"),
        ({"period": "day"}, "broken pipe", "slow page"),
        ({"q": "OSError broken"}, "broken pipe", "slow page"),
    ],
)
def test_the_list_is_filtered(admin_client, incidents, asked, shown, hidden):
    page = admin_client.get(reverse(LIST), asked).content.decode()
    assert shown in page
    assert hidden not in page


def test_the_list_says_how_many_there_were_and_draws_them(admin_client, incidents):
    page = admin_client.get(reverse(LIST)).content.decode()
    assert "7 records of 1 incident, 1 of them new" in page
    assert page.count('class="bars"') == 2  # of all in the week, and of the one of today


def test_an_empty_log_says_what_it_would_show(admin_client):
    assert "No incident: no process of this server" in admin_client.get(reverse(LIST)).content.decode()


def test_the_list_asks_as_much_for_one_incident_as_for_many(admin_client, incidents, django_assert_max_num_queries):
    now = timezone.now()
    with django_assert_max_num_queries(16) as few:
        admin_client.get(reverse(LIST))
    many = [Sighting("x", "server.x", 40, f"words {word}", "", "", "", now, now) for word in "abcdefghijkl"]
    logic.record(many, host="", process="")
    with django_assert_max_num_queries(16) as more:
        admin_client.get(reverse(LIST))
    # What sessions and messages ask is theirs.
    asked = [sum("incidents_" in one["sql"] for one in each.captured_queries) for each in (few, more)]
    assert asked[0] == asked[1] > 1


def test_a_page_of_one_shows_its_sample_as_text(admin_client, incidents):
    page = admin_client.get(reverse("admin:incidents_incident_change", args=[incidents[0].pk])).content.decode()
    assert "&lt;sample&gt;" in page
    assert 'class="bars"' in page


@pytest.mark.parametrize("key", ["0", "x", "9" * 30])
def test_an_incident_that_is_not_there_leads_away(admin_client, key):
    assert admin_client.get(reverse("admin:incidents_incident_change", args=[key])).status_code == 302


def test_who_resolves_says_why_and_stands_in_the_audit_log(admin_client, incidents):
    address = reverse("admin:incidents_incident_change", args=[incidents[0].pk])
    answer = admin_client.post(address, {"state": "resolved", "note": "disk replaced", "was": "new"})
    assert answer.status_code == 302
    incident = Incident.objects.get(pk=incidents[0].pk)
    assert (incident.state, incident.note, incident.by) == (State.RESOLVED, "disk replaced", "admin")
    assert (incident.words, incident.count) == ("broken pipe", 7)
    said = Entry.objects.get()
    assert (said.what, said.reason, said.key) == ("incident resolved", "disk replaced", str(incident.pk))


def test_who_has_an_old_page_open_is_told(admin_client, incidents):
    logic.move(incidents[0], State.SEEN, by="petra")
    address = reverse("admin:incidents_incident_change", args=[incidents[0].pk])
    answer = admin_client.post(address, {"state": "resolved", "note": "", "was": "new"})
    assert "when this page was opened" in answer.content.decode()
    assert Incident.objects.get(pk=incidents[0].pk).state == State.SEEN


@pytest.mark.parametrize(("action", "state"), [("mark_seen", "seen"), ("resolve", "resolved"), ("open_again", "new")])
def test_several_are_moved_together(admin_client, incidents, action, state):
    keys = [one.pk for one in incidents]
    admin_client.post(reverse(LIST), {"action": action, "_selected_action": keys})
    assert set(Incident.objects.values_list("state", flat=True)) == {state}
    assert Entry.objects.count() == 2


def test_nobody_adds_or_deletes_one(admin_client, incidents):
    assert admin_client.get(reverse("admin:incidents_incident_add")).status_code == 403
    delete = reverse("admin:incidents_incident_delete", args=[incidents[0].pk])
    assert admin_client.post(delete, {"post": "yes"}).status_code == 403
