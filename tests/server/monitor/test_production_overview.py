"""The production manager's first page: services, what moved, what is stuck by cause, and what to do when nothing is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from server.credentials.models import Credential
from server.production.models import Chunk, TaskEvent
from server.production.steps import submit
from server.services.models import Service
from tests.server.monitor.test_production_views import HOSTILE, questions, text_of
from tests.server.production.conftest import define_data

pytestmark = pytest.mark.usefixtures("open_pages")


def test_an_empty_system_says_how_to_define_the_first_task(client, db):
    text = text_of(client, "/production")
    for words in ("compass task create", "No service has run yet"):
        assert words in text
    assert "colour: there is no such filter; there are none" in text_of(client, "/production?colour=red", 400)


def test_what_moved_and_what_is_stuck_is_told_by_cause(client, queue):
    task = define_data(runs=1)
    Chunk.objects.filter(task=task).update(state="manual_check", words=HOSTILE)
    chunk = Chunk.objects.filter(task=task).first()
    for minutes in (10, 300):
        at = timezone.now() - timedelta(minutes=minutes)
        TaskEvent.objects.create(task=task, chunk=chunk, before="running", after="manual_check", by="x", at=at)
    found = client.get("/production?json").json()["data"]
    assert found["moved"] == [
        {"task": "data", "status": "send", "hour": {"manual_check": 1}, "day": {"manual_check": 2}}
    ]
    assert [(one["cause"], one["tasks"]) for one in found["stuck"]] == [
        ("look", [{"task": "data", "words": "3 chunks wait for a person to look at them"}])
    ]
    assert 'href="/production/failures?task=data"' in text_of(client, "/production")


def test_open_tasks_that_go_on_are_not_stuck(client, queue):
    define_data(runs=1)
    assert "every open task goes on by itself" in text_of(client, "/production")


def test_services_that_do_not_run_are_counted(client, db):
    for name in ("production.submit", "elsewhere.sweep"):
        Service.objects.create(name=name, what="works", last_run=timezone.now(), declared_period=5, time_limit=60)
    found = client.get("/production?json").json()["data"]["services"]
    assert [(one["name"], one["health"]) for one in found] == [("production.submit", "off")]
    assert "1 of 1 need a look." in text_of(client, "/production")


def test_the_page_asks_the_same_however_many_tasks_there_are(client, queue):
    counts = set()
    for number in (2, 10):
        for one in range(number):
            define_data(runs=1, chunks=1, name=f"data{number}_{one}")
        counts.add(questions(client, "/production"))
    assert len(counts) == 1


def test_queues_are_told_beside_what_may_wait_there_and_credentials_with_their_ends(client, queue, settings):
    settings.PRODUCTION = {"queued_per_queue": 2}
    define_data(runs=1, chunks=3)
    submit.submit_chunks()
    now = timezone.now()
    for name, ends in (("voms", timedelta(hours=30)), ("old", timedelta(hours=-1))):
        said = {"kind": "proxy", "source": "entered", "sealed": b"x", "obtained_at": now - timedelta(hours=40)}
        Credential.objects.create(name=name, ends_at=now + ends, renew_ahead=60, **said)
    found = client.get("/production?json").json()["data"]
    assert [(one["name"], one["waiting"], one["most"]) for one in found["queues"]] == [("LOCAL", 2, 2)]
    assert [(one["name"], one["standing"], one["well"]) for one in found["credentials"]] == [
        ("old", "ended", False),
        ("voms", "good", True),
    ]
    text = text_of(client, "/production")
    for words in ("LOCAL", ">full<", ">ended<", "1.2 d left"):
        assert words in text, words
