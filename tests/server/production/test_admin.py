"""Every table that the production writes can be looked at in the admin, and nobody can write there."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.urls import reverse
from django.utils import timezone

from server.production import logic
from server.production.cleanup.models import Cleaning, Removal
from server.production.models import CatalogueFile, MergeGroup, MergeInput, Output, Task
from server.production.resend.wishes import What, Wish
from server.production.staging.models import Prestage, StagedFile, TaskStaging
from server.production.totals.count import count_totals
from tests.server.production.conftest import define_data, work
from tests.server.production.test_user_tasks import submit

#: What tasks choose from, and rules, are people's.
PEOPLES = {"site", "taskkind", "template", "softwarerelease", "productionrule"}
MODELS = [
    model._meta.model_name
    for model in apps.get_app_config("production").get_models()
    if model._meta.model_name not in PEOPLES
]


@pytest.fixture
def filled(tasks, pilot):
    submit()
    data = define_data(runs=1, chunks=1)
    TaskStaging.objects.create(task=data, endpoints=["CTA"])
    asked = Prestage.objects.create(task=data, request=1, endpoint="CTA", files=1, at=timezone.now(), by="staging")
    StagedFile.objects.create(chunk=data.chunks.get(), prestage=asked, endpoint="CTA", since=timezone.now())
    Cleaning.objects.create(task=data, kept="ada: for a study")
    CatalogueFile.objects.create(run=278473, chunk=1, lfn="cdr1-278473.raw", dataset="raw", updated=timezone.now())
    work(pilot)
    logic.resend_task("mc2016_reco", Wish(What.CROSSCHECK), by="ada", why="it was judged too early")
    work(pilot)
    count_totals()
    file, now = Output.objects.filter(kind="log").first(), timezone.now()
    pack(data)
    Removal.objects.create(output=file, job_file_id=1, request=2, endpoint="DISK", state="asked", since=now)


def pack(task: Task) -> MergeGroup:
    """Logs of a task, packed and on their way to tape."""
    run = task.runs.get()
    group = MergeGroup.objects.create(task=task, run=run, kind="logs", number=0, state="finished", size=777)
    place = {"task": task, "run": run, "dataset": "packed", "endpoint": "DISK", "size": 777}
    way = {"checksum": "adler32:0a0b0c0d", "tape": "sent", "tape_request": 4711}
    Output.objects.create(**place, **way, group=group, kind="packed_logs", lfn="logs.tar")
    for number in range(2):
        said = {**place, "chunk": task.chunks.get(), "kind": "log", "lfn": f"{number}.log"}
        MergeInput.objects.create(output=Output.objects.create(**said), group=group)
    return group


def test_log_archives_have_a_list_of_their_own(admin_client, queue, django_assert_max_num_queries):
    task = define_data(runs=1, chunks=1)
    group = pack(task)
    MergeGroup.objects.create(task=task, run=group.run, kind="mdst", number=9, size=999999)
    MergeGroup.objects.create(task=task, run=group.run, kind="logs", number=1, size_expected=55)
    with django_assert_max_num_queries(8):
        text = admin_client.get(reverse("admin:production_logarchive_changelist")).content.decode()
    for words in ("278473", ">777<", ">2<", "finished", "sent", "4711", "adler32:0a0b0c0d", ">55<", "2 log archives"):
        assert words in text, words
    assert "999999" not in text
    page = admin_client.get(reverse("admin:production_logarchive_changelist"), {"q": "logs.tar"}).content.decode()
    assert "1 log archive" in page


@pytest.mark.usefixtures("filled")
def test_every_table_and_row_can_be_looked_at(admin_client):
    for name in MODELS:
        listing = admin_client.get(reverse(f"admin:production_{name}_changelist"))
        assert listing.status_code == 200, name
        row = apps.get_model("production", name)._default_manager.first()
        page = admin_client.get(reverse(f"admin:production_{name}_change", args=[row.pk]))
        assert page.status_code == 200, name
        assert str(row) in page.content.decode() or name == "taskevent"


@pytest.mark.django_db
@pytest.mark.parametrize("name", MODELS)
def test_nobody_writes_there(admin_client, name):
    assert admin_client.get(reverse(f"admin:production_{name}_add")).status_code == 403
