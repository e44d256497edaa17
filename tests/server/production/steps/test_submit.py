"""Jobs are submitted in order and within bounds, and a job and its link are written together or not at all."""

from __future__ import annotations

import json

from django.db.models.signals import post_save

from pilot.contract.job_wire import from_panda
from server.pandaconfig.models import Schedconfig
from server.production import jobs
from server.production.door import move
from server.production.models import Chunk, TaskEvent
from server.production.states import ChunkState
from server.production.steps import submit
from server.taskbuffer.models import Job, JobParameters
from tests.server.production.conftest import reload, turn


def test_a_generation_job_says_all_that_its_pilot_needs(tasks, pilot):
    submit.submit_chunks()
    job = pilot.claim()
    chunk = Chunk.objects.get(job_id=job.id)
    assert job.transformation == "compass-mc"
    assert job.arguments == (
        *("generate", "--run", "278473", "--chunk", "1", "--seed", str(chunk.seed), "--events", "100"),
        *("--output", "mcr00001-278473_run000.tgeant"),
    )
    assert (job.processing_type, job.label, job.priority) == ("mcgen", "managed", 2000)
    assert job.name == "mc2016P07-2016--278473-1-0-7"
    assert job.log.endpoint == job.outputs[0].endpoint == "DISK"
    assert job.task_id == tasks[0].pk


def test_a_reconstruction_job_reads_what_the_generation_stored(tasks, pilot):
    turn()
    pilot.run()
    turn()
    job = pilot.claim()
    assert [(file.lfn, file.size, file.checksum, file.endpoint) for file in job.inputs] == [
        ("mcr00001-278473_run000.tgeant", 1000, "adler32:00000001", "DISK")
    ]
    assert job.arguments == (
        *("reconstruct", "--run", "278473", "--chunk", "1", "--slot", "1", "--phast", "7"),
        *("--input", "mcr00001-278473_run000.tgeant", "--mdst", "mDST-278473-1-1-7.root"),
        *("--histograms", "278473-1-1.root", "--event-dump", "evtdump1-1-278473.raw"),
    )


def test_a_merging_job_goes_first_and_names_its_inputs(tasks, pilot):
    for _ in range(2):
        turn()
        pilot.run()
    turn()
    job = from_panda(json.loads(JobParameters.objects.latest("pk").panda))
    assert job.arguments == (
        *("merge", "--kind", "mdst", "--output", "mDST-278474-1-7.root", "--max-size", "6000000000"),
        *(f"mDST-278474-{chunk}-1-7.root" for chunk in (1, 2, 3)),
    )
    assert [file.lfn for file in job.inputs] == list(job.arguments[-3:])
    assert job.priority == 5000


def test_a_cycle_submits_no_more_than_its_bound_and_the_first_runs_first(tasks, settings):
    settings.PRODUCTION = {"jobs_per_task": 4}
    assert submit.submit_chunks() == 4
    sent = Chunk.objects.filter(state="sent").values_list("run__number", "number")
    assert sorted(sent) == [(278473, 1), (278473, 2), (278473, 3), (278474, 1)]
    assert [submit.submit_chunks(), submit.submit_chunks()] == [2, 0]


def test_a_full_queue_gets_nothing_more(tasks, settings):
    settings.PRODUCTION = {"queued_per_queue": 5}
    assert [submit.submit_chunks(), submit.submit_chunks()] == [5, 0]
    assert jobs.queued()["LOCAL"] == 5


def test_the_first_jobs_set_the_task_running(tasks):
    submit.submit_chunks()
    task = reload(tasks[0])
    assert (task.state, task.started is not None) == ("running", True)
    assert reload(tasks[1]).state == "send"


def test_a_queue_that_has_gone_keeps_the_chunks_waiting(tasks, caplog):
    Schedconfig.objects.all().delete()
    assert submit.submit_chunks() == 0
    assert "queue 'LOCAL' is not known here" in caplog.text
    assert Chunk.objects.filter(state="staged").count() == 6


def test_a_chunk_that_moved_meanwhile_undoes_its_whole_batch(tasks, caplog):
    """Somebody cancels one of the chunks between the look and the submission: no job may be left without a chunk."""

    def cancel(sender, instance, **_):
        last = Chunk.objects.filter(state="staged", run__number=278474, number=3).first()
        if instance.after == "sent" and last is not None:
            move(last, ChunkState.CANCELLED, by="somebody")

    post_save.connect(cancel, sender=TaskEvent)
    try:
        submit.submit_chunks()
    finally:
        post_save.disconnect(cancel, sender=TaskEvent)
    assert "was moved by somebody else" in caplog.text
    assert Job.objects.count() == 0
    assert not Chunk.objects.exclude(job_id=None).exists()
