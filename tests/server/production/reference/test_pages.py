"""People edit the rows in the admin, where what no task could use is refused; clients and forms list them."""

from __future__ import annotations

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from server.accounts.logic import create_token
from server.accounts.models import Role
from server.pandaconfig.logic import define_storage
from server.production import logic
from server.production.models import Task
from server.production.reference.models import Site, SoftwareRelease, TaskKind, Template
from tests.server.production.conftest import DATA, define_data
from tests.server.production.test_defining import TAPE

SITE = {
    "name": "CERN_COMPASS_PROD",
    "queue": "LOCAL",
    "tape": "CTA",
    "limits": '{"jobs_per_task": 200}',
    "enabled": "on",
}
KIND = {"word": "dy_mass", "label": "DY mass production", "chain": "mass_production", "limits": "{}", "enabled": "on"}
RELEASE = {"name": "dvcs2016P07t1", "home": "/cvmfs/compass.cern.ch/", "path": "generalprod/", "enabled": "on"}
TEMPLATE = {"name": "plain", "enabled": "on"}


@pytest.fixture
def storages(queue):
    define_storage("CTA", TAPE)
    TaskKind.objects.get_or_create(word="mass_production", defaults={"label": "mass", "chain": "mass_production"})


def add(client, table: str, said: dict[str, str]):
    return client.post(reverse(f"admin:production_{table}_add"), said)


def refused(client, table: str, said: dict[str, str]) -> dict[str, str]:
    answer = add(client, table, said)
    assert answer.status_code == 200
    return {field: " ".join(words) for field, words in answer.context["adminform"].form.errors.items()}


def test_a_site_is_added_and_a_task_runs_there(storages, admin_client):
    assert add(admin_client, "site", {**SITE, "queue": "LOCAL"}).status_code == 302
    data = {name: value for name, value in DATA.items() if name != "queue"}
    task = logic.define_task({**data, "site": "CERN_COMPASS_PROD"}, by="manager")
    assert (task.queue, task.tape) == ("LOCAL", "CTA")


@pytest.mark.parametrize(
    ("table", "field", "value", "words"),
    [
        ("site", "queue", "LOCL", "did you mean 'LOCAL'"),
        ("site", "merging_queue", "NONE", "there is no queue 'NONE'; add it"),
        ("site", "tape", "DISK", "'DISK' has no tapes"),
        ("site", "tape", "CTB", "did you mean 'CTA'"),
        ("site", "files_endpoint", "DISC", "did you mean 'DISK'"),
        ("site", "home", "cvmfs", "must start and end with a slash"),
        ("site", "name", "../etc", "cannot be used"),
        ("site", "name", "", "required"),
        ("site", "limits", '{"jobs_per_tsk": 2}', "did you mean jobs_per_task"),
        ("site", "limits", '{"max_attempts": 1000}', "from 1 to 100"),
        ("site", "limits", "[]", "is no object"),
        ("site", "limits", "{", "valid JSON"),
        ("taskkind", "word", "DY mass", "small letters"),
        ("taskkind", "word", "mass_production", "already exists"),
        ("taskkind", "chain", "user_analysis", "choose another chain"),
        ("taskkind", "chain", "mine", "not one of the available choices"),
        ("taskkind", "limits", '{"processing_priority": 5}', "give it as the field priority"),
        ("taskkind", "limits", '{"queue_fill": 5}', "a site may have it"),
        ("taskkind", "priority", "20000", "from 1 to 10000"),
        ("taskkind", "program", "rm -rf /", "cannot be used"),
        ("template", "file", "../../etc/passwd", "leads out of its folder"),
        ("softwarerelease", "name", "a/b", "cannot be used"),
        ("softwarerelease", "path", "/generalprod", "must not start with a slash"),
        ("softwarerelease", "path", "x" * 80 + "/", "more than 80 letters"),
    ],
)
def test_what_no_task_could_use_is_refused_in_the_form(storages, admin_client, table, field, value, words):
    said = {"site": SITE, "taskkind": KIND, "template": TEMPLATE, "softwarerelease": RELEASE}[table]
    found = refused(admin_client, table, {**said, field: value})
    assert words in found[field]
    assert not Site.objects.exists()


def test_the_queue_of_another_site_is_refused(storages, admin_client):
    add(admin_client, "site", SITE)
    assert "already exists" in refused(admin_client, "site", {**SITE, "name": "OTHER"})["queue"]


def test_a_row_that_tasks_name_is_counted_and_not_deleted(storages, admin_client):
    site = Site.objects.create(name="CERN", queue="LOCAL")
    kind = TaskKind.objects.create(word="dy_mass", label="DY", chain="mass_production")
    template, release = Template.objects.create(name="mu"), SoftwareRelease.objects.create(name="dvcs", path="p/")
    define_data(kind="mass_production")
    Task.objects.update(site=site, kind="dy_mass", template="mu", soft="dvcs", path="p/")
    for row in (site, kind, template, release):
        table = f"admin:production_{row._meta.model_name}"
        (line,) = [
            one for one in admin_client.get(reverse(f"{table}_changelist")).context["cl"].result_list if one == row
        ]
        assert line.named_by == 1
        assert admin_client.post(reverse(f"{table}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
        Task.objects.update(site=None, kind="", template="", soft="other")
        assert admin_client.post(reverse(f"{table}_delete", args=[row.pk]), {"post": "yes"}).status_code == 302
        Task.objects.update(site=None, kind="dy_mass", template="mu", soft="dvcs")


def test_a_type_that_comes_with_the_product_stays_and_may_be_switched_off(storages, admin_client):
    row, _ = TaskKind.objects.get_or_create(word="ddd_filtering", chain="ddd_filtering", defaults={"label": "DDD"})
    assert admin_client.post(reverse("admin:production_taskkind_delete", args=[row.pk])).status_code == 403
    page = reverse("admin:production_taskkind_change", args=[row.pk])
    assert admin_client.post(page, {"label": "DDD", "limits": "{}"}).status_code == 302
    with pytest.raises(ValueError, match="switched off on the admin's page Task types"):
        logic.define_task({**DATA, "type": "ddd_filtering"}, by="manager")


def test_a_type_of_ones_own_follows_a_built_in_chain_with_its_own_defaults(storages):
    TaskKind.objects.create(
        word="dy_mass", label="DY", chain="mass_production", priority=1700, limits={"max_attempts": 9}
    )
    task = logic.define_task({**DATA, "type": "dy_mass"}, by="manager")
    assert (task.type, task.kind, task.priority, task.max_attempts) == ("mass_production", "dy_mass", 1700, 9)


def test_rows_of_releases_and_templates_bind_what_the_experiments_own_programs_run(storages):
    SoftwareRelease.objects.create(name="dvcs2016P07t1", path="generalprod/", phast=8)
    Template.objects.create(name="mu+", file="dvcs/mu+.opt")
    task = logic.define_task({**DATA, "path": None, "template": "mu+"}, by="manager")
    assert (task.path, task.phast, task.template) == ("generalprod/", 8, "dvcs/mu+.opt")
    with pytest.raises(ValueError, match="soft: 'new' is no release.*template: 'mu-' is no template"):
        logic.define_task({**DATA, "name": "b", "soft": "new", "template": "mu-"}, by="manager")
    assert logic.define_task({**DATA, "name": "c", "soft": "new", "program": "compass-mc"}, by="manager")


def test_lists_for_forms_answer_all_rows_in_a_fixed_number_of_statements(storages, client):
    Site.objects.create(name="CERN", queue="LOCAL", tape="CTA")
    for name in ("mu+", "mu-"):
        Template.objects.create(name=name).kinds.set(TaskKind.objects.all())
    SoftwareRelease.objects.create(name="dvcs")
    token = create_token("reader", Role.READER)
    found = {}
    for what in ("sites", "types", "templates", "releases"):
        with CaptureQueriesContext(
            connection,
        ) as asked:
            answer = client.get(f"/api/v1/production/list_{what}", headers={"Authorization": f"Bearer {token}"})
        assert len(asked) < 10
        found[what] = json.loads(answer.content)["data"]
    assert found["sites"][0]["tape"] == "CTA"
    assert {"mass_production", "user_analysis"} <= {kind["type"] for kind in found["types"]}
    assert [row["file"] for row in found["templates"]] == ["mu+", "mu-"]
    assert found["releases"][0]["home"] == "/cvmfs/compass.cern.ch/"
