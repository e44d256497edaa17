"""Jobs that ended long ago move into the archive, and are found there."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DataError, OperationalError, transaction

from pilot.contract.job import FileSpec, Role
from server.monitor.jobs import descriptions
from server.production.jobs import stored, views
from server.services.registry import Turn
from server.taskbuffer import followers, logic, queries
from server.taskbuffer.logic import KillOutcome, archive
from server.taskbuffer.models import (
    ArchivedJob,
    Attempt,
    Job,
    JobEvent,
    JobFile,
    JobParameters,
    JobReport,
    Waiting,
    Walk,
)
from server.taskbuffer.tasks import archive_jobs
from tests.server import jobs

DAY = 86400.0
TABLES = (Job, Attempt, JobEvent, JobFile, JobParameters, JobReport)


@pytest.fixture(autouse=True)
def readers(monkeypatch):
    """Nobody reads events, unless a test says so."""
    found: dict[str, object] = {}
    monkeypatch.setattr(followers, "_POSITIONS", found)
    return found


def keep() -> None:
    """Nobody waits for a sign of life."""


def move(days: float) -> int:
    return archive.archive_ended(now=jobs.NOW + timedelta(days=days), after=30 * DAY, keep=keep)


def ended(**fields) -> int:
    """Run a job that fails first, and finishes then."""
    inputs = (FileSpec("in.raw", Role.INPUT, scope="data", dataset="raw", size=7),)
    (job_id,) = jobs.submit(inputs=inputs, task_id=5, name="an-old-job", user="ada", **fields)
    jobs.claim()
    transfers = '[{"lfn": "in.raw"}]'
    jobs.report(job_id, "failed", pilot_error=1099, pilot_error_words="no luck", transfers=transfers)
    jobs.claim()
    jobs.report(job_id, "running", 2)
    jobs.report(job_id, "finished", 2, files=jobs.stored("out.root", "job.log.tgz.2"), events=100)
    return job_id


def test_a_job_is_described_after_it_was_archived_as_before(queue):
    job_id = ended()
    before = descriptions([job_id])
    known = (queries.states_of([job_id]), queries.owners_of([job_id]), queries.standings([job_id]))
    made = (queries.counts_of_task(5), views([job_id]), stored([job_id]))
    handed = queries.parameters_of(queries.jobs([job_id]))
    assert move(31) == 1
    assert [model.objects.count() for model in TABLES] == [0] * len(TABLES)
    assert descriptions([job_id]) == before
    assert (queries.states_of([job_id]), queries.owners_of([job_id]), queries.standings([job_id])) == known
    assert (queries.counts_of_task(5), views([job_id]), stored([job_id])) == made
    assert queries.parameters_of(queries.jobs([job_id])) == handed
    assert queries.job(job_id) == Job(pk=job_id)
    assert before[0]["attempts"][0]["pilot_error_words"] == "no luck"


def test_archived_jobs_and_others_are_answered_together(queue):
    old = ended()
    move(31)
    (new,) = jobs.submit()
    assert [job.pk for job in queries.jobs([new, old, 999])] == [old, new]
    assert [file.lfn for file in queries.files_of([new])] == ["out.root", "job.log.tgz"]
    assert len(queries.files_of([new, old])) == 5
    assert set(queries.standings([new, old, 999])) == {new, old}


def test_only_what_ended_long_ago_moves(queue):
    old = ended()
    (failed,) = jobs.submit(waits=True)
    logic.kill([failed], by="alice", now=jobs.NOW + timedelta(days=5))
    (lives,) = jobs.submit()
    (waits,) = jobs.submit(waits=True)
    assert move(30) == 0
    assert move(30.1) == 1
    assert move(35.1) == 1
    assert set(ArchivedJob.objects.values_list("pk", flat=True)) == {old, failed}
    assert set(Job.objects.values_list("pk", flat=True)) == {lives, waits}
    assert Waiting.objects.count() == 1
    jobs.audit()


def test_a_job_that_somebody_has_still_to_look_at_stays(queue, readers):
    job_id = ended()
    newest = queries.newest_event()
    position = newest - 1
    readers["a"], readers["b"] = (lambda: newest), (lambda: position)
    assert move(31) == 0
    position = newest
    assert move(31) == 1
    assert not Job.objects.filter(pk=job_id).exists()


def test_the_productions_and_the_data_service_are_asked(db):
    from django.apps import apps

    for label in ("production", "dataservice", "accounting"):
        apps.get_app_config(label).ready()
    assert set(followers._POSITIONS) == {"accounting.fold", "production.collect", "dataservice.sweep"}
    assert followers.read_by_all() == 0


@pytest.mark.parametrize("table", ["documents", "delete"])
def test_a_death_in_the_middle_loses_and_doubles_nothing(queue, monkeypatch, table):
    job_id = ended()
    before = descriptions([job_id])

    class Died(BaseException):
        pass

    def die(*args, **kwargs):
        raise Died

    with monkeypatch.context() as broken:
        if table == "documents":
            broken.setattr(ArchivedJob.objects, "bulk_create", die)
        else:
            broken.setattr("django.db.models.query.QuerySet.delete", die)
        with pytest.raises(Died), transaction.atomic():
            move(31)
    assert descriptions([job_id]) == before
    assert ArchivedJob.objects.count() == 0
    assert move(31) == 1
    assert move(31) == 0
    assert ArchivedJob.objects.count() == 1


def failing(broken: int, error: Exception):
    """Make the writing of one job's document fail."""
    right = archive.archive.documents_of

    def documents_of(found):
        if any(job.pk == broken for job in found):
            raise error
        return right(found)

    return documents_of


@pytest.mark.parametrize("error", [DataError("the row is too long"), ValueError("no JSON")])
def test_a_job_that_cannot_be_written_keeps_no_other_and_is_counted_and_told(queue, monkeypatch, caplog, error):
    first, broken, last = (ended() for _ in range(3))
    with monkeypatch.context() as patched:
        patched.setattr(archive.archive, "documents_of", failing(broken, error))
        found = archive_jobs(Turn("taskbuffer.archive", jobs.NOW + timedelta(days=31), keep))
    assert found == {"archived": 2, "not archived": 1, "purged": 0}
    assert set(ArchivedJob.objects.values_list("pk", flat=True)) == {first, last}
    assert queries.job(broken).attempts.count() == 2
    assert f"1 ended jobs cannot be archived and stay where they are; job {broken}: " in caplog.text
    assert f"{type(error).__name__}: {error}" in caplog.text
    assert move(31) == 1


def test_a_database_that_is_gone_ends_the_turn_at_once(queue, monkeypatch, caplog):
    ended()

    def gone(*_):
        raise OperationalError("no database")

    class Gone:
        in_atomic_block = False

        close_if_unusable_or_obsolete, ensure_connection = (lambda self: None), gone

    monkeypatch.setattr(archive, "_move", gone)
    monkeypatch.setattr(archive, "connection", Gone())
    with pytest.raises(OperationalError):
        move(31)
    assert "cannot be archived" not in caplog.text


def test_the_walk_passes_by_what_stays_and_begins_anew(queue, monkeypatch):
    monkeypatch.setattr(archive, "PIECE", 2)
    monkeypatch.setattr(archive, "BATCH", 1)
    jobs.submit(3)
    old = ended(priority=50)
    assert [move(31), Walk.objects.get(pk="archive").position > 0] == [0, True]
    assert [move(31), Walk.objects.get(pk="archive").position] == [1, old]
    assert ArchivedJob.objects.get().pk == old
    assert move(31) == 0
    assert Walk.objects.get(pk="archive").position == 0


def test_nobody_acts_on_an_archived_job(queue):
    job_id = ended()
    move(31)
    assert logic.kill([job_id], by="alice") == {job_id: KillOutcome.OVER}
    assert logic.retry([job_id], by="alice") == {job_id: "it is in the archive; submit it again"}
    assert jobs.report(job_id, "running", 2) == "tobekilled"


def test_what_is_too_old_even_for_the_archive_is_forgotten(queue):
    job_id = ended()
    move(31)
    wishes = {"after": 100 * DAY, "keep": keep}
    assert archive.purge(now=jobs.NOW + timedelta(days=100), **wishes) == 0
    assert archive.purge(now=jobs.NOW + timedelta(days=101), **wishes) == 1
    assert queries.job(job_id) is None


def test_the_service_reads_its_settings(queue, settings):
    ended()
    later = jobs.NOW + timedelta(days=31)
    made = type(settings.ENVIRONMENT)
    settings.ENVIRONMENT = made(archive_after=0)
    assert archive_jobs(Turn("taskbuffer.archive", later, keep)) == {"archived": 0, "not archived": 0, "purged": 0}
    settings.ENVIRONMENT = made(purge_after=1)
    assert archive_jobs(Turn("taskbuffer.archive", later, keep)) == {"archived": 1, "not archived": 0, "purged": 1}


def test_the_admin_finds_archived_jobs(admin_client, queue):
    job_id = ended()
    move(31)
    page = admin_client.get("/admin/taskbuffer/archivedjob/?q=an-old").content.decode()
    assert f'href="/jobs/{job_id}"' in page
    assert admin_client.get(f"/admin/taskbuffer/archivedjob/{job_id}/change/").status_code == 200
    shown = admin_client.get(f"/jobs/{job_id}").content.decode()
    assert "an-old-job" in shown
    assert "no luck" in shown
