"""The factory over HTTP and on its pages: explained, tried with other settings, switched, confirmed."""

from __future__ import annotations

import json

import pytest
from django.urls import reverse
from django.utils import timezone

from server.accounts.logic import create_token
from server.accounts.models import Role
from server.factory.models import FactoryConfirmation, FactoryCycle, FactoryQueue
from server.harvester.models import HarvesterWorker
from server.pilots.logic import note_cancelled
from server.pilots.models import Pilot
from tests.server.factory.played import activate
from tests.server.monitor.conftest import open_pages
from tests.server.monitor.test_views import parsed

__all__ = ["open_pages"]

pytestmark = [pytest.mark.django_db, pytest.mark.one_python]


@pytest.fixture
def decided(cycle):
    activate(20)
    cycle()


@pytest.fixture
def ask(client, production_token):
    def ask(method, **query):
        return client.get(f"/api/v1/factory/{method}", query, HTTP_AUTHORIZATION=f"Bearer {production_token}").json()

    return ask


@pytest.fixture
def order(client, production_token):
    def order(method, token=production_token, **body):
        said = {"data": json.dumps(body), "content_type": "application/json"}
        return client.post(f"/api/v1/factory/{method}", **said, HTTP_AUTHORIZATION=f"Bearer {token}").json()

    return order


def test_the_whole_factory_is_told_in_one_answer(decided, ask):
    told = ask("get_overview")["data"]
    (system,), (queue,) = told["systems"], told["queues"]
    assert (system["name"], system["health"], system["pilots"]) == ("local", "well", 3)
    assert (queue["queue"], queue["decision"]["number"], queue["pilots"]["waiting"]) == ("LOCAL", 3, 3)
    assert queue["decision"]["reason"] == "3 slots"


def test_a_decision_is_explained_rule_by_rule_with_what_was_known(decided, ask):
    told = ask("explain", queue="LOCAL")["data"]
    assert [step["rule"] for step in told["trace"]][:2] == ["ready", "queue_status"]
    assert (told["facts"]["activated"], told["limits"]["slots"], told["cycles"][0]["submitted"]) == (20, 3, 3)
    assert "has no queue 'LOCL'" in ask("explain", queue="LOCL")["message"]


def test_a_decision_is_made_again_with_other_settings_and_nothing_is_changed(decided, ask):
    settings = ["slots=8", "max_waiting=5"]
    told = ask("replay", queue="LOCAL", settings=settings)["data"]
    assert (told["was"]["number"], told["number"]) == (3, 5)
    assert told["settings"] == {"slots": "8", "max_waiting": "5"}
    chain = 'rules=["ready", {"rule": "scale", "factor": 0.5}]'
    assert ask("replay", queue="LOCAL", settings=[chain])["data"]["number"] == 10
    assert ask("replay", queue="LOCAL", settings=[chain, "scale.factor=0.1"])["data"]["number"] == 2
    assert ask("replay", queue="LOCAL")["data"]["number"] == 3
    assert FactoryCycle.objects.count() == 1


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("slots", "'slots' is not name=value"),
        ("slotz=3", "slotz: no such field in settings; did you mean slots?"),
        ("slots=many", "settings: slots: 'many' is not a whole number"),
        ("scale.factor=2", "the queue's chain has no rule scale"),
        ("scal.factor=2", "there is no rule scal"),
        ("ready.offst=2", "offst: no such field in ready"),
        ("rules=[", "give JSON"),
        ('rules=["redy"]', "did you mean ready?"),
        (f"rules=[{'9' * 5000}]", "give JSON"),
        (f"rules={'[' * 3000}", "give JSON"),
        ("slots=-1", "settings: slots: -1 is too small; give at least 0"),
        ("pilot_nodes=0", "settings: pilot_nodes: 0 is too small; give at least 1"),
        ("pilot_cores=0", "give at least 1"),
    ],
)
def test_a_setting_that_is_none_is_named(decided, ask, setting, words):
    answer = ask("replay", queue="LOCAL", settings=setting)
    assert not answer["success"]
    assert words in answer["message"]


def test_a_cycle_that_was_not_is_named(decided, ask):
    assert "no such cycle" in ask("replay", queue="LOCAL", cycle=99999)["message"]


def test_a_queue_is_switched_by_those_who_may(decided, order):
    assert order("switch", queue="LOCAL", on=False)["data"] == {"queue": "LOCAL", "enabled": False}
    assert not FactoryQueue.objects.get().enabled
    assert order("switch", queue="LOCAL", on=True)["data"]["enabled"]
    assert "has no queue X" in order("switch", queue="X", on=True)["message"]
    assert "on: missing" in order("switch", queue="LOCAL")["message"]
    reader = create_token("a-reader", Role.READER)
    assert "needs" in order("switch", reader, queue="LOCAL", on=False)["message"]


def test_a_sites_administrator_steers_its_own_queues_alone(decided, order):
    site = create_token("a-site", Role.SITE_ADMIN, queues=["OTHER"])
    assert "your queues alone (OTHER)" in order("switch", site, queue="LOCAL", on=False)["message"]
    assert FactoryQueue.objects.get().enabled


def test_a_large_change_is_confirmed_by_a_call(decided, order):
    assert "waits for a confirmation" in order("confirm", queue="LOCAL")["message"]
    now = timezone.now()
    FactoryConfirmation.objects.create(queue_id="LOCAL", change=-90, asked_at=now, latest=now)
    told = order("confirm", queue="LOCAL")["data"]
    assert told == {"queue": "LOCAL", "change": -90, "confirmed_by": "a-manager"}


def test_a_large_change_is_confirmed_in_the_admin(decided, admin_client):
    now = timezone.now()
    one = FactoryConfirmation.objects.create(queue_id="LOCAL", change=90, asked_at=now, latest=now)
    chosen = {"action": "confirm", "_selected_action": [one.pk]}
    address = reverse("admin:factory_factoryconfirmation_changelist")
    page = admin_client.post(address, chosen, follow=True).content.decode()
    assert "a change of 90 pilots is confirmed" in page
    one.refresh_from_db()
    assert one.confirmed_by == "admin"
    assert "change of the pilots of LOCAL waits" in admin_client.post(address, chosen, follow=True).content.decode()


def test_the_page_shows_systems_queues_and_reasons(decided, client, open_pages):
    answer = client.get("/factory")
    parsed(answer)
    text = answer.content.decode()
    for words in ("local", "well", 'href="/factory/LOCAL"', "3 slots"):
        assert words in text
    assert client.get("/factory?json").json()["data"]["queues"][0]["queue"] == "LOCAL"


def test_an_empty_factory_says_what_to_do(client, open_pages):
    assert "Add one under" in client.get("/factory").content.decode()


def test_the_page_of_a_queue_explains_and_tries(decided, client, open_pages):
    answer = client.get("/factory/LOCAL", {"settings": "slots=8\nmax_waiting=5"})
    parsed(answer)
    text = answer.content.decode()
    for words in ("queue_status", "the queue is online", "it would be <b>5</b>", "Decisions before"):
        assert words in text
    wrong = client.get("/factory/LOCAL", {"settings": "slotz=8"})
    assert (wrong.status_code, "did you mean slots?" in wrong.content.decode()) == (400, True)
    assert client.get("/factory/LOCAL", {"settings": "slots=1", "json": ""}).json()["data"]["again"]["number"] == 1
    assert client.get("/factory/NONE").status_code == 404
    cycle = FactoryCycle.objects.get()
    assert "it would be <b>3</b>" in client.get(f"/factory/LOCAL?cycle={cycle.pk}").content.decode()


def test_workers_of_harvesters_are_shown_beside_the_factorys_own_pilots(decided, client, open_pages):
    for number, (state, queue) in enumerate((("running", "LOCAL"), ("finished", "LOCAL"), ("submitted", "OTHER"))):
        line = {"harvester": "H", "worker_id": number, "state": state, "queue": queue, "updated_at": timezone.now()}
        HarvesterWorker.objects.create(**line)
    here, there = (
        {"queue": queue, "harvester": "H", "workers": {state: 1}}
        for queue, state in (("LOCAL", "running"), ("OTHER", "submitted"))
    )
    for address, expected in (("/factory", [here, there]), ("/factory/LOCAL", [here])):
        answer = client.get(address)
        parsed(answer)
        assert "1 running" in answer.content.decode()
        assert ("1 submitted" in answer.content.decode()) is (there in expected)
        assert client.get(f"{address}?json").json()["data"]["beside"] == expected


def test_a_change_that_waits_for_somebody_is_on_both_pages(decided, client, open_pages):
    now = timezone.now()
    FactoryConfirmation.objects.create(queue_id="LOCAL", change=-90, asked_at=now, latest=now)
    assert "wants a confirmation" in client.get("/factory").content.decode()
    assert "A change of -90 pilots" in client.get("/factory/LOCAL").content.decode()


def test_the_page_of_a_pilot_that_was_told_to_end_says_why(decided, client, open_pages):
    pilot = Pilot.objects.first()
    note_cancelled([pilot.pk], "held for more than 60 minutes: the disk is full", now=timezone.now())
    assert "Why the factory told it to end" in client.get(f"/pilots/{pilot.pk}").content.decode()
    assert client.get(f"/pilots/{pilot.pk}?json").json()["data"]["cancelled_for"].endswith("the disk is full")
