"""Every table is in the admin; what the machine owns cannot be changed there."""

from __future__ import annotations

import json

import pytest
from django.apps import apps
from django.contrib import admin
from django.urls import reverse

from server.accounts.models import Token
from server.pandaconfig import queries
from server.taskbuffer.models import Job, RetryRule
from tests.server import jobs

OURS = [model for model in apps.get_models() if model.__module__.startswith("server.")]
MACHINE_OWNED = [model for model in OURS if model._meta.app_label == "taskbuffer" and model is not RetryRule]


def address(model, page, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label)
def test_every_table_has_a_page(admin_client, model):
    # The JSON beside a queue is edited on the queue's own page.
    if model._meta.label == "pandaconfig.SchedconfigJson":
        return
    assert admin.site.is_registered(model)
    assert admin_client.get(address(model, "changelist")).status_code == 200


@pytest.mark.parametrize("model", MACHINE_OWNED, ids=lambda model: model._meta.label)
def test_what_the_machine_owns_can_only_be_looked_at(admin_client, model):
    assert admin_client.get(address(model, "add")).status_code == 403


def test_a_job_is_shown_with_its_files_attempts_and_moves(admin_client, queue):
    (job_id,) = jobs.submit(name="a-job")
    jobs.claim()
    jobs.finish(job_id)
    page = admin_client.get(address(Job, "change", job_id)).content.decode()
    assert "out.root" in page
    assert "finished" in page
    assert 'name="_save"' not in page


FORM = {
    "nickname": "NEW",
    "status": "online",
    "corecount": 2,
    **dict.fromkeys(("maxrss", "maxtime", "maxwdir", "maxinputsize", "timefloor"), 0),
}


def test_a_queue_is_defined_in_the_admin(admin_client, db):
    model = apps.get_model("pandaconfig", "Schedconfig")
    beside = {"acopytools": {"pr": ["cp"]}}
    answer = admin_client.post(address(model, "add"), {**FORM, "beside": json.dumps(beside)})
    assert answer.status_code == 302
    assert queries.queue("NEW").copytools_for("pr") == ("cp",)
    changed = admin_client.post(address(model, "change", "NEW"), {**FORM, "status": "test", "beside": "{}"})
    assert changed.status_code == 302
    assert queries.queue_status("NEW") == "test"


@pytest.mark.parametrize(
    ("beside", "words"),
    [("{not json", "Enter a valid JSON"), ('{"acopytools": {"pr": "cp"}}', "acopytools.pr"), ("[1]", "JSON object")],
)
def test_a_queue_that_pilots_could_not_read_is_refused_in_the_form(admin_client, db, beside, words):
    model = apps.get_model("pandaconfig", "Schedconfig")
    answer = admin_client.post(address(model, "add"), {**FORM, "beside": beside})
    assert answer.status_code == 200
    assert words in answer.content.decode()
    assert queries.queue_names() == []


def test_a_storage_is_defined_and_refused_in_the_admin(admin_client, db):
    model = apps.get_model("pandaconfig", "StorageEndpoint")
    bad = admin_client.post(address(model, "add"), {"name": "DISK", "data": '{"arprotocols": {"pr": [{}]}}'})
    assert "DISK.arprotocols.pr" in bad.content.decode()
    good = admin_client.post(address(model, "add"), {"name": "DISK", "data": '{"arprotocols": {}}'})
    assert good.status_code == 302
    assert queries.storages_json() == {"DISK": {"arprotocols": {}}}


def test_a_token_is_revoked_in_the_admin_and_never_shown(admin_client, pilot_token):
    page = admin_client.post(
        address(Token, "changelist"), {"action": "revoke", "_selected_action": [Token.objects.get().pk]}, follow=True
    )
    assert Token.objects.get().revoked_at is not None
    assert pilot_token not in page.content.decode()
    assert Token.objects.get().digest not in page.content.decode()
