"""Why a job goes where it goes, for clients and on its page."""

from __future__ import annotations

import pytest

from server.brokerage import readings
from server.pandaconfig.logic import define_queue
from tests.server import jobs
from tests.server.monitor.test_views import parsed


@pytest.fixture
def job(queue):
    define_queue({"nickname": "SMALL", "status": "online", "maxrss": 1000})
    (number,) = jobs.submit(memory=2 * 10**9)
    return number


def test_the_page_shows_each_queue_with_its_rules_and_weights(client, open_pages, job):
    answer = client.get(f"/jobs/{job}/queues")
    parsed(answer)
    text = answer.content.decode()
    for words in ("passes, weight", "refused: -lowmemory", "maxrss", "attempts failed lately", "no limit"):
        assert words in text
    assert f'href="/jobs/{job}/queues"' in client.get(f"/jobs/{job}").content.decode()


def test_its_twin_and_the_method_tell_the_same(client, open_pages, job, production_token):
    twin = client.get(f"/jobs/{job}/queues?json").json()["data"]
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {production_token}"}
    told = client.get(f"/api/v1/job/explain?job_id={job}", **bearer).json()["data"]
    assert [one["queue"] for one in twin["queues"]] == [one["queue"] for one in told["queues"]] == ["LOCAL", "SMALL"]
    one = client.get(f"/api/v1/job/explain?job_id={job}&queue=SMALL", **bearer).json()["data"]
    assert [queue["tags"] for queue in one["queues"]] == [["-lowmemory"]]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "job_id: missing"),
        ("job_id=x", "job_id: 'x' is not a whole number"),
        ("job_id=999999", "there is no job 999999"),
        (f"job_id={2**70}", "job_id"),
        ("job_id=1&qeue=X", "qeue"),
    ],
)
def test_a_slip_is_named(client, production_token, query, words):
    answer = client.get(f"/api/v1/job/explain?{query}", HTTP_AUTHORIZATION=f"Bearer {production_token}").json()
    assert not answer["success"]
    assert words in answer["message"]


def test_an_unknown_queue_is_named(client, production_token, job):
    query = f"job_id={job}&queue=SMAL"
    answer = client.get(f"/api/v1/job/explain?{query}", HTTP_AUTHORIZATION=f"Bearer {production_token}").json()
    assert "did you mean SMALL" in answer["message"]


def test_a_job_that_is_not_there_has_no_page(client, open_pages, db):
    assert client.get("/jobs/999999/queues").status_code == 404
    assert client.get(f"/jobs/{10**30}/queues").status_code == 404


def test_a_stranger_is_told_nothing(client, job):
    assert client.get(f"/api/v1/job/explain?job_id={job}").status_code == 403


def test_the_page_of_a_queues_pilots_shows_what_they_are_given_and_why_no_more(client, open_pages, job):
    jobs.submit(2, cores=64)
    answer = client.get("/queues/LOCAL/pilots")
    parsed(answer)
    text = answer.content.decode()
    for words in ("it is given a job: 1 queued jobs fit", "cores: 64 needed, "):
        assert words in text
    assert 'href="/queues/LOCAL/pilots"' in client.get(f"/jobs/{job}/queues").content.decode()
    assert client.get("/queues/NONE/pilots").status_code == 404
    assert client.get("/queues/LOCAL/pilots?json").json()["data"]["fitting"] == 1


def test_programs_ask_for_a_pilot_with_what_it_has(client, job, production_token):
    def ask(query):
        return client.get(f"/api/v1/pilot/explain?{query}", HTTP_AUTHORIZATION=f"Bearer {production_token}").json()

    told = ask("queue=LOCAL&memory=1000&cores=2")["data"]
    assert told["words"].endswith("it may have none of them: see the words of each kind")
    assert [kind["words"] for kind in told["kinds"]] == ["memory: 2 GB needed, 1.049 GB offered"]
    assert ask("queue=LOCAL&label=user")["data"]["kinds"][0]["words"].startswith("label: these jobs are managed")
    assert ask("queue=LOCAL&working_group=exotic")["data"]["kinds"][0]["words"].startswith("working group: these jobs")
    of_country = ask("queue=LOCAL&country=cz&other_countries=false")["data"]
    assert of_country["kinds"][0]["words"].startswith("country: these jobs are of no country")
    define_queue({"nickname": "SMALL", "status": "offline"})
    readings.forget()
    assert ask("queue=SMALL")["data"]["words"].startswith("queue SMALL is offline: its pilots are given nothing")
    assert "did you mean SMALL" in ask("queue=SMAL")["message"]


def test_jobs_that_wait_for_their_inputs_are_counted_apart(client, open_pages, queue):
    jobs.submit(2, waits=True)
    told = client.get("/queues/LOCAL/pilots?json").json()["data"]
    assert (told["waiting_for_inputs"], told["queued"], told["words"]) == (2, 0, "no job is queued for it")
