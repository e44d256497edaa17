"""Who stands where the server would for a Harvester's worker, and where its files lie."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pilot.api import harvester
from pilot.api.communicator import Communicator
from pilot.api.harvester import Pushed
from pilot.api.job_files import STORAGE
from pilot.api.shared_files import REQUEST, SharedFiles
from pilot.api.worker import FileWorker, ServerWorker
from pilot.contract.messages import WorkRequest
from pilot.settings import Queue, Server, Settings
from pilot.settings.harvester import Harvester
from tests.pilot.dispatcher import serving


def made(*, updates=True, url="http://127.0.0.1:9", **more):
    return Settings(server=Server(url=url, updates=updates), queue=Queue(name="Q"), harvester=Harvester(**more))


def test_files_alone_need_no_server(tmp_path):
    found = harvester.server_for(made(updates=False, url="", workdir=str(tmp_path)), str, tmp_path / "base")
    assert isinstance(found, SharedFiles)
    assert found.name == f"harvester {tmp_path}"


def test_without_a_folder_of_its_own_the_access_point_is_where_the_pilot_works(tmp_path):
    access = harvester.access_point(made(datadir="/data", worker_attributes="a", event_status_dump="d"), tmp_path)
    assert (access.folder, access.attributes, access.dump) == (tmp_path, "a", "d")
    assert [str(folder) for folder in access.job_folders] == ["/data", str(tmp_path)]


def test_looking_for_files_has_waits_of_its_own_that_do_not_grow():
    job = harvester.adjusted(made(requests=7, ask_wait=3.0)).job
    assert (job.requests, job.ask_wait, job.ask_wait_most) == (7, 3.0, 3.0)


def test_a_pushed_worker_takes_files_and_asks_the_server_for_all_else(tmp_path):
    with serving(tmp_path) as dispatcher:
        settings = made(url=dispatcher.url, id="hv", submit_mode="PUSH", workdir=str(tmp_path))
        found = harvester.server_for(settings, str, tmp_path)
        assert isinstance(found, Pushed)
        assert found.acquire(WorkRequest("TEST", count=2), "r1").jobs == ()
        assert (tmp_path / REQUEST).exists()
        assert set(found.storages()) == {STORAGE, "STORE"}
        assert found.queue_data("TEST").name == "TEST"
        found.withdraw()
        assert not (tmp_path / REQUEST).exists()


@pytest.mark.parametrize(
    ("more", "kinds"),
    [
        ({"id": "hv", "worker": 12}, [ServerWorker]),
        ({"id": "hv", "worker": 12, "status": False}, []),
        ({"id": "hv"}, []),
        ({"worker": 12}, []),
    ],
)
def test_the_server_is_told_of_a_worker_that_has_both_numbers(tmp_path, more, kinds):
    found = harvester.workers_for(made(**more), str, Communicator(Server(url="http://x")), tmp_path, "node7")
    assert [type(worker) for worker in found] == kinds


def test_a_pushed_worker_tells_both(tmp_path):
    settings = made(id="hv", worker=12, submit_mode="PUSH")
    server = harvester.server_for(settings, str, tmp_path)
    found = harvester.workers_for(settings, str, server, tmp_path, "node7")
    assert [type(worker) for worker in found] == [FileWorker, ServerWorker]


def test_without_reports_to_a_server_it_is_not_told_of_the_worker_either(tmp_path):
    settings = made(updates=False, id="hv", worker=12, workdir=str(tmp_path))
    server = harvester.server_for(settings, str, tmp_path)
    assert [type(one) for one in harvester.workers_for(settings, str, server, tmp_path, "n")] == [FileWorker]


def test_the_node_is_told_when_a_setting_asks_for_it(tmp_path):
    import json

    with serving(tmp_path) as dispatcher:
        heard, known = {}, dispatcher._answer

        def answer(path, body, headers):
            if "/pilot/update_worker" not in path:
                return known(path, body, headers)
            heard[path.rpartition("/")[2]] = json.loads(body)
            return 200, b'{"success": true, "message": "", "data": null}'

        dispatcher._answer = answer
        dispatcher.queue["atlas_site"] = "SITE"
        settings = made(url=dispatcher.url, id="hv", worker=12, node=True)
        settings = replace(settings, queue=Queue(name="TEST"))
        (worker,) = harvester.workers_for(settings, str, Communicator(settings.server), tmp_path, "node7")
        worker.begin()
    assert heard["update_worker_status"]["node_id"] == "node7"
    assert (heard["update_worker_node"]["site"], heard["update_worker_node"]["panda_queue"]) == ("SITE", "TEST")
