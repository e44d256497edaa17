"""The page of failures by cause: its groups, samples, the end of a log, and the way to send them again."""

from __future__ import annotations

import pytest

from pilot.contract.states import JobState
from server.production import logic
from server.production.models import Chunk, Task
from server.production.steps.collect import collect
from tests.server.monitor.test_views import parsed
from tests.server.production.conftest import FakePilot, define_data, failed, turn

PAGE = "/production/failures"


@pytest.fixture
def broken(queue):
    """Of six jobs one fails for a person, two by their node, and one stores nothing."""
    define_data(runs=2, chunks=3)
    pilot = FakePilot()
    first = {"payload_error": 1243, "payload_error_words": "_LEDinSpills <b>empty</b>"}
    full = {"pilot_error": 1098, "pilot_error_words": "no room"}
    ends = (failed(**first), failed(**full), failed(**full), {"files": ()})
    pilot.spoil = lambda job: dict(ends[number]) if (number := at[job.id]) < len(ends) else {}
    turn()
    at = {number: place for place, number in enumerate(Chunk.objects.order_by("pk").values_list("job_id", flat=True))}
    pilot.run()
    collect()
    return Task.objects.get()


def groups(client, query="") -> dict[str, dict]:
    found = client.get(f"{PAGE}?{query}&json" if query else f"{PAGE}?json").json()["data"]["groups"]
    return {group["cause"]: group for group in found}


def test_failures_are_told_by_cause_most_first(admin_client, broken):
    found = groups(admin_client)
    assert list(found) == ["pilot:1098", "data:200", "payload:1243"]
    assert (found["pilot:1098"]["failed"], found["pilot:1098"]["queues"]) == (2, {"LOCAL": 2})
    assert (found["payload:1243"]["manual_check"], found["payload:1243"]["tasks"]) == (1, {"data": 1})
    assert found["payload:1243"]["advice"]
    assert groups(admin_client, "queue=OTHER") == groups(admin_client, "task=other") == {}


def test_each_task_leads_to_what_is_there_to_be_sent_again_of_it(admin_client, queue):
    for slot, (name, state) in enumerate((("one", "failed"), ("two", "manual_check"))):
        define_data(name=name, runs=1, chunks=1, slot=slot).chunks.update(state=state)
    (cause,) = groups(admin_client)
    text = admin_client.get(f"{PAGE}?cause={cause}").content.decode()
    for name, what, there in (("one", "failed", True), ("one", "manual_check", False), ("two", "failed", False)):
        assert (f"/tasks/{name}/resend?what={what}&amp;" in text) is there


def test_samples_of_a_cause_have_their_jobs_words_and_log(admin_client, broken):
    answer = admin_client.get(f"{PAGE}?cause=payload:1243")
    parsed(answer)
    text = answer.content.decode()
    chunk = Chunk.objects.get(state="manual_check", words__contains="1243")
    assert f"/jobs/{chunk.job_id}" in text
    assert "/tasks/data/resend?what=manual_check&amp;cause=payload:1243" in text
    assert f"of job {chunk.job_id}</h2>" in text
    assert "<b>empty" not in text
    told = admin_client.get(f"{PAGE}?cause=payload:1243&json").json()["data"]
    assert [(one["what"], one["job"]) for one in told["samples"]] == [(f"chunk {chunk.number}", chunk.job_id)]


def test_a_resend_by_cause_takes_what_that_made_fail(admin_client, broken):
    text = admin_client.get("/tasks/data/resend?what=failed&cause=pilot:1098").content.decode()
    assert "failed by pilot:1098" in text
    record = logic.resend_task("data", logic.wish_of({"what": "failed", "cause": "pilot:1098"}), by="me", why="mended")
    assert Chunk.objects.filter(state="staged", words__contains="mended").count() == record.counts["chunks"] == 2
    with pytest.raises(logic.TaskRefused, match="nothing of task"):
        logic.resend_task("data", logic.wish_of({"what": "failed", "cause": "pilot:1098"}), by="me", why="again")
    assert set(groups(admin_client)) == {"data:200", "payload:1243"}


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"what": "chunks", "cause": "pilot:1098"}, "cause: only failed and manual_check have one, not chunks"),
        ({"what": "failed", "cause": "sun"}, "cause: 'sun' is no cause"),
    ],
)
def test_a_cause_that_cannot_be_is_refused(wish, words):
    with pytest.raises(logic.TaskRefused, match=words):
        logic.wish_of(wish)


def test_what_failed_in_a_task_that_is_over_is_history(admin_client, broken):
    Task.objects.update(state="cancelled")
    assert "Nothing has failed" in admin_client.get(PAGE).content.decode()
    assert "Nothing failed by pilot:1098 any more" in admin_client.get(f"{PAGE}?cause=pilot:1098").content.decode()


@pytest.mark.parametrize("query", ["cause=<b>", "job=x", "log=/etc/passwd", "colour=1"])
def test_what_makes_no_sense_is_refused(admin_client, query):
    answer = admin_client.get(f"{PAGE}?{query}")
    assert answer.status_code == 400
    assert "<b>" not in answer.content.decode().partition("<main")[2].replace("<b></b>", "")


@pytest.mark.parametrize("more", [0, 4])
def test_the_number_of_questions_does_not_grow(admin_client, broken, django_assert_num_queries, more):
    for number in range(more):
        Chunk.objects.filter(state="finished").update(state="failed")
        define_data(name=f"more{number}", slot=number + 2, runs=1, chunks=1)
    with django_assert_num_queries(11):
        assert admin_client.get(PAGE).status_code == 200


def test_jobs_that_run_are_no_failures(admin_client, queue):
    define_data()
    turn()
    pilot = FakePilot()
    pilot.report(pilot.claim(), JobState.RUNNING)
    assert groups(admin_client) == {}
