"""The pages on data and on one job."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from pilot.contract.job import FileSpec, Role
from server.dataservice import logic
from server.dataservice.models import Dataset
from server.pandaconfig.logic import define_queue
from tests.server import jobs
from tests.server.dataservice.conftest import filled, world
from tests.server.monitor.test_views import parsed

__all__ = ["world"]
pytestmark = pytest.mark.usefixtures("open_pages")


@pytest.fixture
def busy(world):
    """A prestage of three files of which one came, and a job that waits for all of them; the tape is silent now."""
    define_queue({"nickname": "LOCAL", "status": "online"})
    files = filled(world, 3)
    inputs = tuple(FileSpec(f"cdr{n:05}-1.raw", Role.INPUT, dataset="raw") for n in range(3))
    (job,) = jobs.submit(waits=True, inputs=inputs)
    world.follow()
    request = logic.request_prestage(files, "TAPE", 86400, "manager", now=world.now)
    world.submit()
    world.tape.work("raw/cdr00000-1.raw")
    world.turn()
    world.tape.silent = True
    world.turn()
    return request, job


def test_an_empty_system_says_so(client, db):
    text = client.get("/data/").content.decode()
    for words in ("Nothing was asked of a storage yet", "There are no datasets yet", "No storage was asked"):
        assert words in text


def test_the_page_on_data_shows_requests_storages_and_datasets(client, busy):
    request, _ = busy
    answer = client.get("/data/")
    parsed(answer)
    text = answer.content.decode()
    for words in (f"prestage {request.pk}", "silent", "connection refused", "by manager", 'aria-current="page">Data'):
        assert words in text
    found = client.get("/data/?json").json()["data"]
    (line,) = found["requests"]
    assert (line["state"], line["states"], line["tries"]) == ("queued", {"queued": 2, "pinned": 1}, 1)
    assert line["silent_since"] is not None
    assert found["waiting_jobs"] == 1
    assert {dataset["name"] for dataset in found["datasets"]} == {"raw", "prod.out", "prod.log"}


def test_a_request_page_shows_each_file_and_its_history(client, busy):
    request, _ = busy
    answer = client.get(f"/data/requests/{request.pk}")
    parsed(answer)
    text = answer.content.decode()
    for words in ("cdr00000-1.raw", "pinned", "wanted on disk for", "1.0 d", "TAPE is silent"):
        assert words in text
    found = client.get(f"/data/requests/{request.pk}?json").json()["data"]
    assert sorted(one["state"] for one in found["transfers"]) == ["pinned", "queued", "queued"]
    assert found["moves"][0]["after"] == "pinned"


def test_a_dataset_page_shows_files_and_replicas(client, busy):
    dataset = Dataset.objects.get(name="raw")
    answer = client.get(f"/data/datasets/{dataset.pk}")
    parsed(answer)
    text = answer.content.decode()
    for words in ("cdr00002-1.raw", "on tape", "available", "raw/cdr00000-1.raw"):
        assert words in text
    (first, *_) = client.get(f"/data/datasets/{dataset.pk}?json").json()["data"]["contents"]
    assert first["replicas"] == [{"endpoint": "TAPE", "state": "available", "path": "raw/cdr00000-1.raw", "url": ""}]


def test_a_job_page_says_what_it_waits_for(client, busy):
    request, job = busy
    answer = client.get(f"/jobs/{job}")
    parsed(answer)
    text = answer.content.decode()
    assert "It waits for" in text
    assert "TAPE has not answered for" in text
    assert "cdr00000-1.raw:" not in text
    assert len(client.get(f"/jobs/{job}?json").json()["data"]["waitsFor"]) == 3
    assert f'cdr00001-1.raw: <a href="/data/requests/{request.pk}">prestage {request.pk}</a> at TAPE' in text


def test_a_job_that_somebody_else_lets_go_says_so(client, world):
    define_queue({"nickname": "LOCAL", "status": "online"})
    (job,) = jobs.submit(waits=True)
    assert "whoever submitted it has not let it go yet" in client.get(f"/jobs/{job}").content.decode()


def test_a_job_that_failed_shows_its_errors_and_attempts(client, world):
    define_queue({"nickname": "LOCAL", "status": "online"})
    (job,) = jobs.submit(max_attempts=1)
    jobs.claim()
    jobs.report(job, "failed", pilot_error=1305, pilot_error_words="it <broke>")
    answer = client.get(f"/jobs/{job}")
    parsed(answer)
    text = answer.content.decode()
    assert "pilot 1305: it &lt;broke&gt;" in text
    assert "It waits for" not in text


@pytest.mark.parametrize(
    "address", ["/data/requests/9", "/data/datasets/9", "/jobs/9", f"/jobs/{2**63}", f"/data/requests/{2**63}"]
)
def test_what_does_not_exist_is_404_with_a_way_back(client, db, address):
    answer = client.get(address)
    assert answer.status_code == 404
    assert "Back to the overview" in answer.content.decode()


def test_the_number_of_queries_does_not_grow(client, busy, world):
    request, job = busy
    dataset = Dataset.objects.get(name="raw")
    addresses = ["/data/", f"/data/requests/{request.pk}", f"/data/datasets/{dataset.pk}", f"/jobs/{job}"]
    counts = []
    for _ in range(2):
        counts.append([])
        for address in addresses:
            with CaptureQueriesContext(connection) as queries:
                assert client.get(address).status_code == 200
            counts[-1].append(len(queries))
        rows = filled(world, 30, dataset=f"more{len(counts)}")
        for n in range(5):
            logic.request_prestage(rows[n : n + 9], "TAPE", 60, "manager", now=world.now)
    assert counts[0] == counts[1]
    assert max(counts[0]) <= 15


def test_pages_on_data_need_a_login_or_a_token_elsewhere(client, db, settings):
    from dataclasses import replace

    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, open_pages=False)
    for address in ("/data/", "/data/requests/1", "/data/datasets/1", "/jobs/1"):
        assert client.get(address).status_code == 302
        assert client.get(f"{address}?json").status_code == 403
