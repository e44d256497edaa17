"""What a pilot says of itself as a worker: by files, and to the server."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from pilot.api.environment import Environment
from pilot.api.shared_files import KILL, OWN_MARK
from pilot.api.worker import HEARTBEAT, FileWorker, ServerWorker, WorkerDoor, node_messages
from pilot.contract import routes
from pilot.contract.worker import WorkerGpus, WorkerNode, WorkerStatus
from pilot.settings import Queue, Server
from pilot.site.gpus import Gpu
from tests.pilot.dispatcher import serving

NOW = datetime(2026, 11, 22, 1, 2, 3, tzinfo=timezone.utc)


def worker(folder, withdraw=lambda: None):
    return FileWorker(folder, withdraw, lambda: NOW)


def test_a_sign_of_life_is_written_from_the_beginning__peer_defect_16(tmp_path):
    worker(tmp_path).begin()
    said = json.loads((tmp_path / HEARTBEAT).read_text())
    assert (said["state"], said["time"]) == ("running", "2026-11-22T01:02:03+00:00")


@pytest.mark.parametrize("name", KILL)
def test_that_somebody_wants_the_end_is_told_once(tmp_path, name):
    here = worker(tmp_path)
    here.begin()
    (tmp_path / name).touch()
    assert "Harvester wants the worker ended" in here.beat()
    assert here.beat() is None


def test_that_somebody_wants_the_end_from_the_beginning_is_told_too(tmp_path):
    (tmp_path / KILL[0]).touch()
    here = worker(tmp_path)
    here.begin()
    assert here.beat() is not None


def test_at_the_end_both_names_of_the_kill_file_are_written__peer_defect_16(tmp_path):
    taken_back = []
    here = worker(tmp_path, lambda: taken_back.append(True))
    here.begin()
    here.end()
    assert taken_back == [True]
    assert all(OWN_MARK.items() <= json.loads((tmp_path / name).read_text()).items() for name in KILL)
    assert json.loads((tmp_path / HEARTBEAT).read_text())["state"] == "ended"


def test_what_a_former_pilot_left_ends_nobody_and_is_removed(tmp_path):
    worker(tmp_path).end()
    here = worker(tmp_path)
    here.begin()
    assert here.beat() is None
    assert not any((tmp_path / name).exists() for name in KILL)


def test_somebody_elses_word_is_not_overwritten(tmp_path):
    (tmp_path / KILL[0]).write_text("why")
    worker(tmp_path).end()
    assert (tmp_path / KILL[0]).read_text() == "why"


def test_an_access_point_that_is_gone_harms_nobody(tmp_path):
    def fail():
        raise OSError("away")

    here = worker(tmp_path / "gone", fail)
    here.begin()
    here.end()


def status(word):
    return WorkerStatus(12, "hv", word, "node7", "Q")


@pytest.fixture
def dispatcher(tmp_path):
    with serving(tmp_path) as made:
        yield made


def door(dispatcher, **more):
    return WorkerDoor(replace(Server(url=dispatcher.url), **more))


def listen(dispatcher, path, answer):
    """Let the server take what comes to a path; answer the list that it is put to."""
    heard, known = [], dispatcher._answer

    def take(asked, body, headers):
        if asked != path:
            return known(asked, body, headers)
        heard.append(body)
        return 200, json.dumps(answer).encode()

    dispatcher._answer = take
    return heard


def test_beginning_and_end_are_told_in_v1(dispatcher):
    heard = listen(dispatcher, routes.WORKER_STATUS_V1, {"success": True, "message": "", "data": None})
    here = ServerWorker(door(dispatcher), status)
    here.begin()
    assert here.beat() is None
    here.end()
    assert [json.loads(body) for body in heard] == [
        {"worker_id": 12, "harvester_id": "hv", "status": word, "node_id": "node7"} for word in ("started", "finished")
    ]


def test_an_older_server_is_told_in_its_own_words(dispatcher):
    import gzip

    heard = listen(dispatcher, routes.WORKER_STATUS, {"StatusCode": 0})
    assert door(dispatcher).tell(status("started"), routes.WORKER_STATUS_V1, routes.WORKER_STATUS)
    assert json.loads(gzip.decompress(heard[0])) == {
        "workerID": 12,
        "harvesterID": "hv",
        "status": "started",
        "node_id": "node7",
        "site": "Q",
    }


def test_a_server_that_knows_no_workers_or_is_away_harms_nobody(dispatcher):
    assert not door(dispatcher).tell(status("started"), routes.WORKER_STATUS_V1, routes.WORKER_STATUS)
    here = ServerWorker(WorkerDoor(Server(url="http://127.0.0.1:9")), status)
    here.begin()
    here.end()


def test_a_node_is_told_in_v1_only(dispatcher):
    heard = listen(dispatcher, routes.WORKER_NODE, {"success": True, "message": "", "data": None})
    node = WorkerNode("S", "node7", "Fast CPU")
    ServerWorker(door(dispatcher, dialect="v1"), status, lambda: iter([node])).begin()
    assert [json.loads(body) for body in heard] == [{"site": "S", "host_name": "node7", "cpu_model": "Fast CPU"}]
    assert not door(dispatcher, dialect="legacy").tell(node, routes.WORKER_NODE)


def test_this_node_can_be_described_in_pandas_words(tmp_path):
    found = Environment(tmp_path)
    found.__dict__["gpus"] = (Gpu("NVIDIA", "T4", "1", 2**34, "550"), Gpu("NVIDIA", "T4", "2", 2**34, "550"))
    node, gpus = node_messages(found, Queue(name="Q"), "SITE")
    assert isinstance(node, WorkerNode)
    assert (node.site, node.queue, node.host) == ("SITE", "Q", found.network.host)
    assert node.memory == found.memory.total // 2**20
    assert gpus == WorkerGpus("SITE", found.network.host, "NVIDIA", "T4", 2, 2**14, framework="CUDA", driver="550")
    assert next(iter(node_messages(found, Queue(name="Q")))).site == "Q"
