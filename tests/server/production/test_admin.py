"""Every table that the production writes can be looked at in the admin, and nobody can write there."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.urls import reverse
from django.utils import timezone

from server.production import logic
from server.production.cleanup.models import Cleaning, Removal
from server.production.models import CatalogueFile, Output
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
    Removal.objects.create(output=file, job_file_id=1, request=2, endpoint="DISK", state="asked", since=now)


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
