"""People look at what clean-up would remove, have it done now, and have tasks kept, with a reason."""

from __future__ import annotations

import pytest
from django.utils import timezone

from pilot.contract.queue import local_storage
from server.accounts.logic import create_token
from server.accounts.models import Role
from server.dataservice import logic as dataservice
from server.dataservice.models import DatasetFile, TransferRequest
from server.dataservice.states import DatasetKind
from server.pandaconfig.logic import define_storage
from server.production.cleanup.models import Removal
from server.production.models import CrossCheck, MergeGroup, MergeInput, Output, Task, TaskEvent
from tests.server.production.conftest import define_data

pytestmark = pytest.mark.one_python


@pytest.fixture
def call(queue, client):
    tokens = {role: create_token(role.value, role) for role in (Role.PRODUCTION, Role.READER)}

    def do(method, body, *, role=Role.PRODUCTION):
        headers = {"Authorization": f"Bearer {tokens[role]}"}
        answer = client.post(f"/api/v1/production/{method}", body, content_type="application/json", headers=headers)
        told = answer.json()
        return told["data"] if told["success"] else told["message"]

    return do


@pytest.fixture
def task(queue) -> Task:
    """An archived task with one mDST, whose merged file is on tape, and a RICH file."""
    define_storage("TAPE", local_storage("TAPE", "/TAPE"))
    task, now = define_data(runs=1, chunks=1, tape="TAPE"), timezone.now()
    task.chunks.update(state="finished")
    Task.objects.update(state="archived")
    run, chunk = task.runs.get(), task.chunks.get()
    group = MergeGroup.objects.create(task=task, run=run, kind="mdst", number=0, state="finished")
    CrossCheck.objects.create(task=task, run=run, kind="mdst", verdict="yes", at=now)
    dataset = dataservice.register_dataset("all", kind=DatasetKind.OUTPUT, by="test", now=now)
    for kind, where, tape in (("mdst", "DISK", ""), ("rich", "DISK", ""), ("merged_mdst", "TAPE", "finished")):
        (key,) = dataservice.add_files(
            dataset, [dataservice.NewFile(kind, size=10)], by="test", endpoint=where, on_tape=where == "TAPE", now=now
        )
        DatasetFile.objects.filter(pk=key).update(job_file=key)
        owner = {"group": group} if tape else {"chunk": chunk}
        said = {"dataset": "all", "endpoint": "DISK", "size": 10, "job_file_id": key, "tape": tape}
        file = Output.objects.create(task=task, run=run, kind=kind, lfn=kind, **owner, **said)
        if kind == "mdst":
            MergeInput.objects.create(group=group, output=file)
    return task


def test_a_preview_counts_and_removes_nothing(call, task):
    found = call("clean_task", {"name": "data", "preview": True})
    assert found["remove"] == {"mdst": {"files": 1, "bytes": 10}}
    assert {(one["kind"], one["why"], one["files"]) for one in found["kept"]} == {
        ("rich", "it is a result", 1),
        ("merged_mdst", "it is a result", 1),
    }
    assert not TransferRequest.objects.exists()


def test_it_is_done_now_with_a_reason_also_what_was_given_up(call, task):
    assert "why: give a reason" in call("clean_task", {"name": "data"})
    file = Output.objects.get(kind="mdst")
    said = {"endpoint": "DISK", "state": "failed", "tries": 5, "since": timezone.now()}
    Removal.objects.create(output=file, job_file_id=file.job_file_id, request=1, **said)
    found = call("clean_task", {"name": "data", "why": "the disk is full"})
    assert (found["asked_now"], found["asked"]) == (1, 1)
    request = TransferRequest.objects.get()
    assert (request.kind, request.endpoint, request.files, request.by) == ("delete", "DISK", 1, "production")
    assert TaskEvent.objects.filter(by="production", words="clean-up now: the disk is full").exists()
    assert Removal.objects.get().tries == 1


def test_a_task_is_kept_and_not_kept_any_more(call, task):
    found = call("keep_task", {"name": "data", "why": "a study"})
    assert found["kept_by"] == "production: a study"
    assert (found["remove"], {one["why"] for one in found["kept"]}) == (
        {},
        {"its task is to be kept: production: a study"},
    )
    assert "is kept (production: a study)" in call("clean_task", {"name": "data", "why": "full"})
    assert call("keep_task", {"name": "data", "why": "a study"}) == "task 'data' is kept already"
    assert call("keep_task", {"name": "data", "keep": False, "why": "it is over"})["kept_by"] == ""
    assert call("clean_task", {"name": "data", "why": "full"})["asked_now"] == 1


def test_what_cannot_be_is_refused_with_words(call, task):
    assert "'none'" in call("clean_task", {"name": "none", "preview": True})
    assert "preview" in call("clean_task", {"name": "data", "preview": "perhaps"})
    assert "more" in call("keep_task", {"name": "data", "more": 1})
    Task.objects.update(state="done")
    words = "task 'data' is done; only of archived tasks files are removed: compass task move data archive"
    assert call("clean_task", {"name": "data", "why": "full"}) == words
    assert isinstance(call("clean_task", {"name": "data", "preview": True}, role=Role.READER), str)
