from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from server.factory import logic, queries
from server.factory.chain import decide
from server.factory.facts import Facts
from server.factory.models import FactoryCycle, FactoryQueue
from server.factory.readings import limits_of
from server.factory.record import Record
from server.pilots.models import Pilot

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def decided() -> FactoryCycle:
    row = logic.define_queue("LOCAL", slots=2, pilot_options=["-v", "1"])
    facts = Facts(status="offline", activated=3, waiting=0, running=0)
    record = Record(NOW)
    record.note(row, facts, decide(facts, limits_of(row)))
    record.write()
    return FactoryCycle.objects.get()


def words_of(form) -> dict[str, object]:
    """Answer what a browser sends back of a form."""
    words = {name: "" if value is None else value for name, value in form.items() if name != "queue"}
    return {name: json.dumps(value) if isinstance(value, dict | list) else value for name, value in words.items()}


def test_what_a_queue_is_allowed_is_edited_and_its_last_decision_shown(admin_client, decided):
    page = admin_client.get(reverse("admin:factory_factoryqueue_changelist")).content.decode()
    assert "0: the queue is offline" in page
    change = reverse("admin:factory_factoryqueue_change", args=["LOCAL"])
    form = admin_client.get(change).context["adminform"].form.initial
    words = words_of(form)
    answer = admin_client.post(change, {**words, "slots": 5, "enabled": "on", "pilot_options": '["-v", "2"]'})
    assert answer.status_code == 302
    row = FactoryQueue.objects.get()
    assert (row.slots, row.pilot_options) == (5, ["-v", "2"])


def test_a_list_of_many_queues_asks_as_often_as_one_of_few(admin_client, decided):
    admin_client.get(reverse("admin:index"))  # the first page of a session writes down that somebody is there
    counts = []
    for name in ("A", "B", "C"):
        row = logic.define_queue(name, slots=1)
        FactoryCycle.objects.create(queue=row, began=NOW, latest=NOW, number=1, words=f"because of {name}")
        with CaptureQueriesContext(connection) as asked:
            page = admin_client.get(reverse("admin:factory_factoryqueue_changelist")).content.decode()
        counts.append(len(asked))
    assert "0: the queue is offline" in page
    assert "1: because of B" in page
    assert len(set(counts)) == 1


@pytest.mark.parametrize("options", ['{"-v": 1}', "[1]", "-v 1"])
def test_options_that_are_no_list_of_words_are_refused(admin_client, decided, options):
    change = reverse("admin:factory_factoryqueue_change", args=["LOCAL"])
    form = admin_client.get(change).context["adminform"].form.initial
    words = words_of(form)
    assert admin_client.post(change, {**words, "pilot_options": options}).status_code == 200
    assert FactoryQueue.objects.get().pilot_options == ["-v", "1"]


@pytest.mark.parametrize("name", ["../../elsewhere", "a/b", ".hidden", "a\n"])
def test_a_name_that_is_no_folder_of_its_own_is_refused(db, name):
    with pytest.raises(ValidationError, match="Give letters, digits"):
        FactoryQueue(queue=name).full_clean()


def test_a_decision_is_shown_rule_by_rule_and_not_edited(admin_client, decided):
    page = admin_client.get(reverse("admin:factory_factorycycle_change", args=[decided.pk])).content.decode()
    assert "queue_status: <b>0</b> (the queue is offline)" in page
    assert "ready: <b>3</b>" in page
    assert "the queue is offline" in admin_client.get(reverse("admin:factory_factorycycle_changelist")).content.decode()
    assert admin_client.get(reverse("admin:factory_factorycycle_add")).status_code == 403


def test_pilots_are_shown_and_not_edited(admin_client):
    pilot = Pilot.objects.create(queue="LOCAL", batch_system="local", submission="s", number=0, submitted_at=NOW)
    assert "s/0" in admin_client.get(reverse("admin:pilots_pilot_changelist")).content.decode()
    assert admin_client.get(reverse("admin:pilots_pilot_change", args=[pilot.pk])).status_code == 200
    assert admin_client.get(reverse("admin:pilots_pilot_add")).status_code == 403


def test_a_queue_without_a_cycle_says_so():
    logic.define_queue("LOCAL", slots=2)
    assert queries.decisions()[0].reason == "no cycle yet"


def test_defining_a_queue_again_keeps_what_an_admin_has_set():
    logic.define_queue("LOCAL", slots=2, pilot_options=["-v", "1"])
    FactoryQueue.objects.update(max_waiting=1, enabled=False)
    row = logic.define_queue("LOCAL", slots=4)
    assert (row.slots, row.max_waiting, row.enabled, row.pilot_options) == (4, 1, False, ["-v", "1"])
