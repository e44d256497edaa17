"""What workers' pilots say of themselves and of their nodes, in both dialects, and where it is to be seen."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.urls import reverse

from pilot.api.replies import resource_types
from pilot.contract import routes
from pilot.contract.codec import Dialect, encode
from pilot.contract.resource_types import read_resource_types
from pilot.contract.worker import FINISHED, STARTED, WorkerGpus, WorkerNode, WorkerStatus
from server.accounts.logic import create_token
from server.accounts.models import Role
from server.pilots.models import Node, NodeGpus, Pilot, Worker

NODE = WorkerNode(site="SITE", host="wn1", cpu_model="AMD EPYC", queue="Q", logical=64, clock=2450.5, memory=256000)
GPUS = WorkerGpus(site="SITE", host="wn1", vendor="NVIDIA", model="A100", count=4, memory=40000)


def status(word, worker=7):
    return WorkerStatus(worker_id=worker, harvester_id="H1", status=word, node="wn1", queue="Q")


def said(peer, dialect, word, **more):
    fields = {**encode(status(word), dialect), **more}
    if dialect is Dialect.V1:
        return peer.v1(routes.WORKER_STATUS_V1, fields)["success"]
    return peer.packed(routes.WORKER_STATUS, fields) == {"StatusCode": 0}


@pytest.mark.parametrize("dialect", list(Dialect))
def test_a_workers_pilot_begins_and_ends(db, pilot, dialect):
    assert said(pilot, dialect, STARTED)
    worker = Worker.objects.get()
    assert (str(worker), worker.state, worker.node, worker.finished_at) == ("H1/7", "started", "wn1", None)
    assert worker.queue == ("Q" if dialect is Dialect.LEGACY else "")
    assert said(pilot, dialect, FINISHED)
    worker = Worker.objects.get()
    assert worker.state == "finished"
    assert worker.started_at <= worker.finished_at


def test_what_is_said_again_or_late_changes_nothing(db, pilot):
    for word in (STARTED, STARTED, FINISHED):
        assert said(pilot, Dialect.V1, word)
    before = Worker.objects.values().get()
    for word in (FINISHED, STARTED):
        assert said(pilot, Dialect.V1, word)
    assert Worker.objects.values().get() == before


def test_an_end_without_a_beginning_is_kept(db, pilot):
    assert said(pilot, Dialect.V1, FINISHED)
    assert Worker.objects.values_list("state", "started_at").get() == ("finished", None)


@pytest.fixture
def ours(db):
    """A pilot that our factory has submitted."""
    when = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    where = {"queue": "Q", "batch_system": "condor", "batch_id": "7.3", "state": "queued"}
    return Pilot.objects.create(submission="s", number=3, submitted_at=when, **where)


def our_word(word, **more):
    return {"worker_id": 0, "harvester_id": "factory", "status": word, "node_id": "slot1_2@wn7", **more}


@pytest.mark.parametrize("name", ["7.3", "s/3"])
def test_a_pilot_of_ours_says_on_its_own_row_that_it_begins_and_ends(ours, pilot, name):
    assert pilot.v1(routes.WORKER_STATUS_V1, our_word(STARTED, batch_id=name))["success"]
    ours.refresh_from_db()
    assert (ours.reported, ours.node, ours.state) == ("started", "wn7", "queued")
    assert ours.started_at == ours.reported_at
    began = ours.started_at
    for word in (FINISHED, STARTED, FINISHED):
        pilot.v1(routes.WORKER_STATUS_V1, our_word(word, batch_id=name))
    ours.refresh_from_db()
    assert (ours.reported, ours.started_at) == ("finished", began)
    assert ours.reported_at >= began
    assert not Worker.objects.exists()


def test_what_our_batch_system_said_of_its_start_stays(ours, pilot):
    Pilot.objects.update(started_at=ours.submitted_at)
    pilot.v1(routes.WORKER_STATUS_V1, our_word(STARTED, batch_id="7.3"))
    ours.refresh_from_db()
    assert ours.started_at == ours.submitted_at


def test_an_id_that_no_pilot_of_ours_has_is_a_harvesters_worker(ours, pilot):
    assert pilot.v1(routes.WORKER_STATUS_V1, our_word(STARTED, batch_id="8.0"))["success"]
    ours.refresh_from_db()
    assert (ours.reported, str(Worker.objects.get())) == ("", "factory/0")


def test_a_token_for_another_queue_does_not_speak_for_a_pilot_of_ours(ours, client):
    token = create_token("other", Role.PILOT, queues=["R"])
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {token}"}
    word = our_word(STARTED, batch_id="7.3")
    answer = client.post(routes.WORKER_STATUS_V1, word, content_type="application/json", **bearer)
    assert answer.status_code == 403
    ours.refresh_from_db()
    assert ours.reported == ""


def test_of_two_pilots_with_the_same_id_the_one_of_its_tokens_queue_speaks(ours, client):
    where = {"batch_system": "slurm", "batch_id": "7.3", "state": "queued", "submitted_at": ours.submitted_at}
    newer = Pilot.objects.create(submission="t", number=0, queue="R", **where)
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {create_token('ours', Role.PILOT, queues=['Q'])}"}
    word = our_word(STARTED, batch_id="7.3")
    answer = client.post(routes.WORKER_STATUS_V1, word, content_type="application/json", **bearer)
    assert answer.status_code == 200
    ours.refresh_from_db()
    newer.refresh_from_db()
    assert (ours.reported, newer.reported) == ("started", "")


def test_stock_pilots_forms_are_read(db, pilot):
    fields = {"workerID": "9", "harvesterID": "H1", "status": "started", "site": "Q", "node_id": "wn2"}
    assert pilot.form(routes.WORKER_STATUS, fields) == {"StatusCode": 0}
    assert Worker.objects.get(worker_id=9).node == "wn2"


def test_pandas_own_time_limit_is_no_mistake(db, pilot):
    assert said(pilot, Dialect.V1, STARTED, timeout=60)
    assert pilot.v1(routes.WORKER_NODE, {**encode(NODE, Dialect.V1), "timeout": 60})["success"]


def test_a_node_and_its_gpus_are_kept_as_they_were_said_last(db, pilot):
    for message in (NODE, WorkerNode(**{**vars(NODE), "logical": 128, "level": "x86_64-v4"})):
        assert pilot.v1(routes.WORKER_NODE, encode(message, Dialect.V1))["data"] is True
    assert pilot.v1(routes.WORKER_GPUS, encode(GPUS, Dialect.V1))["data"] is True
    node, gpus = Node.objects.get(), NodeGpus.objects.get()
    assert (node.host, node.logical, node.clock, node.memory, node.level) == ("wn1", 128, 2450.5, 256000, "x86_64-v4")
    assert node.disk is None
    assert str(gpus) == "4 A100 in wn1"


def test_the_slots_of_a_node_are_one_node(db, pilot):
    for host in ("wn1", "slot1_1@wn1", "slot1_2@wn1"):
        assert pilot.v1(routes.WORKER_NODE, encode(WorkerNode(**{**vars(NODE), "host": host}), Dialect.V1))["data"]
        assert pilot.v1(routes.WORKER_GPUS, encode(WorkerGpus(**{**vars(GPUS), "host": host}), Dialect.V1))["data"]
    assert (Node.objects.get().host, NodeGpus.objects.get().host) == ("wn1", "wn1")


@pytest.mark.parametrize(
    ("path", "fields", "words"),
    [
        (routes.WORKER_STATUS_V1, {"worker_id": 7, "harvester_id": "H1", "status": "bored"}, "status: 'bored' is not"),
        (routes.WORKER_STATUS_V1, {"worker_id": 7, "status": "started"}, "harvester_id: missing"),
        (routes.WORKER_STATUS_V1, {"worker_id": 2**63, "harvester_id": "H", "status": "started"}, "worker_id: 92233"),
        (routes.WORKER_STATUS_V1, {"worker_id": 7, "harvester_id": "H" * 51, "status": "started"}, "harvester_id: 'H"),
        (routes.WORKER_NODE, {"site": "S", "host_name": "a\nb", "cpu_model": "C"}, "host_name: 'a"),
        (routes.WORKER_NODE, {"site": "S", "host_name": "h"}, "cpu_model: missing"),
        (routes.WORKER_NODE, {"site": "S", "host_name": "h", "cpu_model": "C", "total_memory": -1}, "total_memory: -1"),
        (routes.WORKER_NODE, {"site": "S", "host_name": "h", "cpu_model": "C", "gpu": 1}, "gpu: no such field"),
        (routes.WORKER_GPUS, {"site": "S", "host_name": "h", "vendor": "N", "model": "A"}, "count: missing"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name(db, pilot, path, fields, words):
    answer = pilot.v1(path, fields)
    assert not answer["success"]
    assert words in answer["message"]
    assert [table.objects.count() for table in (Worker, Node, NodeGpus)] == [0, 0, 0]


def test_only_pilots_may_say_it(db, manager):
    answer = manager.post(routes.WORKER_NODE, b"{}", "application/json")
    assert answer.status_code == 403


def test_workers_and_nodes_are_shown_in_the_admin(admin_client, pilot):
    said(pilot, Dialect.V1, STARTED)
    pilot.v1(routes.WORKER_NODE, encode(NODE, Dialect.V1))
    pilot.v1(routes.WORKER_GPUS, encode(GPUS, Dialect.V1))
    for table, words in (("worker", "H1/7"), ("node", "AMD EPYC"), ("nodegpus", "A100")):
        assert words in admin_client.get(reverse(f"admin:pilots_{table}_changelist")).content.decode()


def test_there_are_no_resource_types_and_every_pilot_can_read_that(db, pilot, client, pilot_token):
    said = client.get(routes.RESOURCE_TYPES_V1, headers={"Authorization": f"Bearer {pilot_token}"})
    assert resource_types((said.status_code, said.content), Dialect.V1) == {}
    assert pilot.packed(routes.RESOURCE_TYPES, {}) == {"StatusCode": 0, "ResourceTypes": "[]"}
    assert read_resource_types(pilot.packed(routes.RESOURCE_TYPES, {})) == {}
