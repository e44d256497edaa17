"""What was decided is kept and told: by task, with reasons, in a bounded number of rows and statements."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from server.accounts.logic import create_token
from server.accounts.models import Role
from server.pandaconfig.models import Schedconfig
from server.production import logic, queries
from server.production.models import Chunk
from server.production.resend.wishes import What, Wish
from server.production.steering_models import SubmitDecision
from server.production.steps import collect, submit
from server.production.submission.record import Record
from tests.server.production.conftest import GENERATION, failed, turn, work

BIG = {**GENERATION, "runs": "278473, 30"}


@pytest.fixture
def big(queue):
    """A generation of 30 chunks that is on its way."""
    return logic.define_task(BIG, by="manager", start=True)


def sent(task):
    return list(SubmitDecision.objects.filter(task=task).order_by("serial").values_list("sent", flat=True))


def test_a_new_task_is_probed_and_opens_with_its_first_success(big, pilot):
    submit.submit_chunks()
    assert Chunk.objects.filter(state="sent").count() == 10
    submit.submit_chunks()
    found = queries.explanation(big)
    assert found.answer == (
        "nothing is sent, though 20 chunks are staged: it is new: 10 jobs at a time until one has finished, "
        "and 10 are on their way"
    )
    pilot.run(most=1)
    turn()
    assert Chunk.objects.filter(state="staged").count() == 0
    assert sent(big) == [10, 0, 20]
    assert queries.explanation(big).answer == "nothing is left to send: every chunk has its job"


def test_a_task_that_only_fails_is_held_to_probes_until_one_finishes(big, pilot, settings):
    settings.PRODUCTION = {"retry_delay": 3600, "probe_jobs": 10}
    pilot.spoil = lambda job: failed(payload_error=1246)
    for _ in range(5):
        submit.submit_chunks()
        pilot.run()
        collect.collect()
    assert Chunk.objects.filter(state="failed").count() == 10 + 4 * 2
    found = queries.explanation(big)
    assert "its last 18 jobs have all failed: 2 at a time until one finishes" in found.steps[3].reason
    (waits,) = found.waits
    first = Chunk.objects.filter(state="failed").earliest("due").due
    assert waits == f"18 chunks that failed are tried again, the first at {first:%Y-%m-%d %H:%M:%S} UTC"
    pilot.spoil = lambda job: {}
    for _ in range(3):
        submit.submit_chunks()
        pilot.run()
        collect.collect()
    found = queries.explanation(big).facts
    assert (found.finished, found.failed, found.failed_since) == (6, 18, 0)
    settings.PRODUCTION = {"latest_results": 6}
    assert submit.submit_chunks() == 6


def test_failures_before_the_window_or_before_a_success_are_forgotten(big, pilot, settings):
    settings.PRODUCTION = {"retry_delay": 3600}
    pilot.spoil = lambda job: failed(payload_error=1246) if pilot.jobs.index(job) < 6 else {}
    submit.submit_chunks()
    pilot.run()
    collect.collect()
    facts = queries.explanation(big).facts
    assert (facts.finished, facts.failed, facts.failed_since, facts.succeeded) == (4, 6, 0, True)
    later = timezone.now() + timedelta(days=2)
    assert submit.submit_chunks(later) == 20


def test_the_same_outcome_prolongs_its_row_and_old_rows_go(big, settings):
    settings.PRODUCTION = {"probe_jobs": 1, "decisions_kept": 3}
    submit.submit_chunks()
    for _ in range(3):
        submit.submit_chunks()
    assert list(SubmitDecision.objects.values_list("sent", "times")) == [(0, 3), (1, 1)]
    for most in (2, 3, 4, 5):
        settings.PRODUCTION = {"probe_jobs": most, "decisions_kept": 3}
        submit.submit_chunks()
    assert list(SubmitDecision.objects.values_list("serial", flat=True)) == [6, 5, 4]


def test_a_queue_that_has_gone_is_told(big):
    Schedconfig.objects.all().delete()
    submit.submit_chunks()
    assert "nothing could be sent: queue 'LOCAL' is not known here" in queries.explanation(big).answer


@pytest.mark.parametrize(
    ("to", "words"), [("paused", "move it to running to go on"), ("cancelled", "nothing of it is sent any more")]
)
def test_a_task_that_is_not_on_its_way_says_so(big, to, words):
    task = logic.move_task("mc2016_gen", to, by="manager")
    answer = queries.explanation(task).answer
    assert words in answer
    # Its state stands before the answer already.
    assert task.get_state_display() not in answer


def test_a_draft_says_what_to_do(queue):
    assert (
        queries.explanation(logic.define_task(BIG, by="manager")).answer == "nothing of it is sent until you start it"
    )


def test_chunks_that_wait_for_their_parent_are_told(tasks):
    submit.submit_chunks()
    assert queries.explanation(tasks[1]).answer == ("nothing is sent: all 6 chunks without a job wait for their input")


def test_what_gave_up_and_what_needs_a_look_is_told(tasks, pilot):
    pilot.spoil = lambda job: failed(payload_error=1243 if job.arguments[4] == "2" else 1246)
    work(pilot)
    assert queries.explanation(tasks[0]).waits == [
        "4 chunks have failed and used their attempts: send them again by hand",
        "2 chunks wait for a person to look at them, by rule 'calibration string'",
    ]


def test_a_cycle_with_nothing_to_do_asks_the_same_for_one_task_and_for_many(
    queue, pilot, django_assert_max_num_queries
):
    for number in range(4):
        named = {**GENERATION, "name": f"gen{number}", "soft": f"mc-{number}", "runs": "5, 3"}
        logic.define_task(named, by="manager", start=True)
    submit.submit_chunks()
    submit.submit_chunks()
    with django_assert_max_num_queries(17):
        submit.submit_chunks()


def test_two_tasks_of_a_queue_share_its_room(queue, settings):
    settings.PRODUCTION = {"queue_floor": 8}
    for name in ("a", "b"):
        named = {**GENERATION, "name": name, "soft": name, "runs": "5, 9"}
        logic.define_task(named, by="manager", start=True)
    submit.submit_chunks()
    assert list(SubmitDecision.objects.order_by("task").values_list("sent", flat=True)) == [4, 4]


def test_clients_and_the_page_are_told_why(big, client):
    submit.submit_chunks()
    looker = {"Authorization": f"Bearer {create_token('looker', Role.READER)}"}
    told = client.get("/api/v1/production/explain_task", {"name": "mc2016_gen"}, headers=looker).json()["data"]
    assert [step["rule"] for step in told["steps"]][-2:] == ["room", "share"]
    assert (told["decisions"][0]["sent"], told["facts"]["task"]["staged"]) == (10, 20)
    text = client.get("/tasks/mc2016_gen", headers=looker).content.decode()
    assert "nothing is sent, though 20 chunks are staged" in text
    assert "brokerage chooses" not in text


def test_what_a_person_undoes_is_no_failure_of_a_job(big, pilot, settings):
    settings.PRODUCTION = {"retry_delay": 3600}
    pilot.spoil = lambda job: failed(payload_error=1246)
    submit.submit_chunks()
    pilot.run()
    collect.collect()
    before = queries.explanation(big).facts
    record = logic.resend_task(big.name, Wish(What.FAILED), by="ada", why="by mistake")
    logic.undo_resend(record.pk, by="ada")
    after = queries.explanation(big).facts
    assert (before.failed, after.failed, after.finished) == (10, 10, 0)


def test_decisions_on_very_many_tasks_are_written_at_once(big):
    record = Record([big.pk], timezone.now())
    submit.submit_chunks()
    (row,) = SubmitDecision.objects.filter(task=big)
    said = {"task": big, "began": row.began, "latest": row.latest, "sent": 0, "trace": [], "facts": {}}
    SubmitDecision.objects.bulk_create([SubmitDecision(serial=each, number=0, **said) for each in range(2, 1300)])
    record._new = [SubmitDecision(serial=each, number=1, **said) for each in range(2000, 3100)]
    record.write(keep=100)
    assert not SubmitDecision.objects.filter(task=big, serial__lt=2999).exists()
