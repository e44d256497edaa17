"""A production with something of everything: tasks that are done, on their way, stuck, archived, and not begun."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from pilot.contract.queue import local_storage
from pilot.contract.states import JobState
from server.dataservice.models import TransferRequest
from server.pandaconfig.logic import define_queue, define_storage
from server.production import logic
from server.production.models import Chunk, Run, Task
from server.production.resend.wishes import What, Wish
from server.production.rules.compass import first_rows
from server.production.rules.models import ProductionRule
from server.production.staging.models import Prestage, StagedFile
from server.production.totals.count import count_totals
from tests.server.production.conftest import DATA, GENERATION, RECONSTRUCTION, FakePilot, define_data, failed, work

#: The run of the reconstruction that has lost an event in its merge.
RUN = 278473


def make() -> None:
    """Write it."""
    if not ProductionRule.objects.exists():
        ProductionRule.objects.bulk_create([ProductionRule(**columns) for columns in first_rows()])
    for name in ("DISK", "TAPE"):
        define_storage(name, local_storage(name, f"/{name.lower()}"))
    storages = {name: ["DISK"] for name in ("pr", "pw", "pl")}
    define_queue({"nickname": "LOCAL", "status": "online", "astorages": storages})
    pilot = FakePilot()
    logic.define_task(GENERATION, by="ada", start=True)
    logic.define_task(RECONSTRUCTION, by="ada", start=True)
    pilot.spoil = lambda job: {"events": 269} if f"merge-mdst-{RUN}" in job.name else {}
    work(pilot)
    _failing(pilot)
    _archived()
    logic.define_task({**DATA, "name": "draft2016", "slot": 7}, by="ada")
    _waiting_for_tape()
    count_totals()


def _failing(pilot: FakePilot) -> None:
    """A task of which two chunks fail whatever is tried, and that somebody sends again."""
    define_data(name="failing", runs=2, chunks=2, slot=3, production="broken", max_attempts=1)
    pilot.spoil = lambda job: failed(state=JobState.FAILED) if job.processing_type.endswith("-production") else {}
    work(pilot)
    pilot.spoil = lambda job: {}
    chunk = Chunk.objects.filter(task__name="failing").order_by("pk")[0]
    logic.resend_task("failing", Wish(What.CHUNKS, chunk.run.number, chunk.number), by="ada", why="it is mended")


def _archived() -> None:
    task = define_data(name="archived", runs=1, chunks=1, slot=4, production="old", tape="TAPE")
    task.chunks.update(state="finished")
    Task.objects.filter(pk=task.pk).update(state="archived")


def _waiting_for_tape() -> None:
    """A task whose raw files were asked for two days ago."""
    task, at = define_data(name="staging", runs=1, chunks=2, slot=5, production="tape"), timezone.now() - timedelta(2)
    said = {"kind": "prestage", "endpoint": "TAPE", "files": 2, "by": "production.prestage", "state": "open"}
    request = TransferRequest.objects.create(created=at, asked=at, **said)
    one = Prestage.objects.create(
        task=task, request=request.pk, endpoint="TAPE", runs=[Run.objects.get(task=task).number], files=2, at=at
    )
    for chunk in task.chunks.all():
        StagedFile.objects.create(chunk=chunk, prestage=one, endpoint="TAPE", since=at)
    task.chunks.update(state="staging")
