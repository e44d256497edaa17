"""A definition chooses a site, a type, a release and a template from the rows, and what cannot be chosen is named."""

from __future__ import annotations

import pytest

from server.pandaconfig.logic import define_storage
from server.production import logic
from server.production.definition import BadDefinition
from server.production.frames import tape_of
from server.production.models import Task
from server.production.reference.models import Site
from tests.server.production.conftest import DATA, GENERATION, RECONSTRUCTION

TAPE = {
    "type": "TEST_TAPE",
    "arprotocols": {"read_lan": [{"endpoint": "root://127.0.0.1:1094", "path": "/archive/", "flavour": "XROOTD"}]},
}


@pytest.fixture
def site(queue) -> Site:
    define_storage("CTA", TAPE)
    return Site.objects.create(name="CERN_COMPASS_PROD", queue="LOCAL", tape="CTA", files_endpoint="DISK")


def define(**said: object) -> Task:
    data = {**DATA, "site": "CERN_COMPASS_PROD", **said}
    return logic.define_task({name: value for name, value in data.items() if value is not None}, by="manager")


def slips(**said: object) -> dict[str, str]:
    with pytest.raises(BadDefinition) as bad:
        define(**said)
    return bad.value.slips


def test_a_site_fills_in_what_a_definition_leaves_out(site):
    task = define(queue=None)
    assert (task.queue, task.tape, task.files_endpoint, task.site) == ("LOCAL", "CTA", "DISK", site)
    assert tape_of(task) == "CTA"


def test_what_a_definition_says_itself_wins_over_its_site(site):
    define_storage("CTA2", TAPE)
    assert tape_of(define(tape="CTA2")) == "CTA2"


@pytest.mark.parametrize("word", ["-", "none"])
def test_a_task_may_leave_its_files_on_disk_whatever_its_site_has(site, word):
    assert tape_of(define(tape=word)) == ""


def test_a_task_that_names_only_a_queue_has_no_tape(site):
    assert tape_of(define(site=None)) == ""


def test_a_task_whose_site_got_its_tape_later_has_that(site):
    Site.objects.update(tape="")
    task = define(queue=None)
    Site.objects.update(tape="CTA")
    assert tape_of(Task.objects.get(pk=task.pk)) == "CTA"


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("site", "CERN_COMPAS_PROD", "did you mean 'CERN_COMPASS_PROD'"),
        ("site", "x' OR 1=1 --", "is no site"),
        ("site", ["CERN_COMPASS_PROD"], "is no site"),
        ("site", "../CERN", "is no site"),
        ("tape", "CTB", "did you mean 'CTA'"),
        ("tape", "DISK", "'DISK' has no tapes"),
        ("tape", 7, "7 cannot be used"),
        ("limits", {"jobs_per_tsk": 3}, "did you mean jobs_per_task"),
        ("limits", {"max_attempts": 3}, "give the field max_attempts"),
        ("limits", {"queue_floor": 3}, "a site may have it"),
        ("limits", {"events_per_cycle": 3}, "set it in PRODUCTION"),
        ("limits", {"jobs_per_task": 10**30}, "from 1 to"),
        ("limits", [], "is no object"),
    ],
)
def test_what_cannot_be_chosen_is_named_with_its_remedy(site, field, value, words):
    found = slips(**{field: value}, queue=None)
    assert set(found) == {field}
    assert words in found[field]


def test_a_reconstruction_has_a_parent_that_generates(queue):
    logic.define_task(GENERATION, by="manager")
    queue.PRODUCTION = {"chunks_per_task": 5}
    assert "6 chunks are more than 5" in slips_of_child()
    queue.PRODUCTION = {}
    logic.move_task(GENERATION["name"], "cancelled", by="manager")
    assert "is cancelled and generates nothing more; name another one" in slips_of_child()


def slips_of_child() -> str:
    with pytest.raises(BadDefinition) as bad:
        logic.define_task(RECONSTRUCTION, by="manager")
    return bad.value.slips["parent"]


def test_a_site_that_is_switched_off_is_refused(site):
    Site.objects.update(enabled=False)
    assert "switched off on the admin's page Sites" in slips(queue=None)["site"]
