"""Batch systems in the admin: what cannot be opened is refused at its field, and one open system serves all queues."""

from __future__ import annotations

import gc
import weakref
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse

from server.batch.base import BatchState, Template
from server.batch.registry import Registry
from server.factory import systems
from server.factory.models import FactoryQueue, FactorySystem
from server.factory.systems import Described, UnknownSystem, open_systems
from server.pilots.models import Pilot
from tests.server.factory.played import PlayedBatch

pytestmark = [pytest.mark.django_db, pytest.mark.one_python]
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Options:
    """``host``: where it is."""

    host: str = ""


@dataclass(frozen=True)
class JobOptions:
    """``partition``: which part of it."""

    partition: str = ""


class Shared(PlayedBatch):
    """A system of which one serves all queues."""

    name = "shared"
    job_options = JobOptions

    @classmethod
    def open(cls, place):
        if not place.read_options(Options).host:
            raise place.wrong("options.host", "missing: give the name of the machine")
        return cls(place.folder)


@pytest.fixture(autouse=True)
def kinds(monkeypatch):
    from server.batch.local import LocalBatch

    known = Registry({"local": LocalBatch, "shared": Shared})
    monkeypatch.setattr(systems, "registry", lambda: known)


def test_queues_of_a_system_share_one_and_those_of_this_machine_have_their_own(tmp_path):
    described = {"big": Described("big", "shared", {"host": "h"}), "here": Described("here", "local")}
    system_of = open_systems(described, {"A": 1, "B": 2}, tmp_path)
    assert system_of("big", "A") is system_of("big", "B")
    assert system_of("here", "A") is not system_of("here", "B")
    assert system_of("local", "A") is system_of("local", "A")
    with pytest.raises(UnknownSystem, match="there is no batch system gone"):
        system_of("gone", "A")


def test_what_was_removed_is_let_go_and_the_rest_stays_open(tmp_path):
    described = {name: Described(name, "shared", {"host": "h"}) for name in ("big", "small")}
    system_of = open_systems(described, {"A": 1, "B": 2}, tmp_path)
    ends = weakref.ref(system_of("big", "A"))
    stays, here = system_of("small", "A"), system_of("local", "A")
    left = weakref.ref(system_of("local", "B"))
    again = open_systems({"small": described["small"]}, {"A": 1}, tmp_path)
    gc.collect()
    assert (ends(), left()) == (None, None)
    assert (again("small", "A"), again("local", "A")) == (stays, here)


def test_nothing_is_started_on_this_machine_for_a_queue_without_slots(tmp_path):
    system = open_systems({}, {"A": 0}, tmp_path)("local", "A")
    ids = system.submit(Template("key", ("/bin/true",), {}), 2)
    assert {found.state for found in system.status(ids).values()} == {BatchState.QUEUED}


@pytest.mark.parametrize(
    ("name", "kind", "options", "field", "words"),
    [
        ("big", "shared", {}, "options", "options.host: missing: give the name of the machine"),
        ("big", "shared", {"hst": "h"}, "options", "hst: no such field in options; did you mean host?"),
        ("local", "local", {}, "name", "needs no row"),
        ("here", "local", {"slots": -1}, "options", "options.slots: -1"),
        ("../x", "local", {}, "name", "Give letters, digits"),
        ("big", "shared", ["h"], "options", "Give a JSON object"),
    ],
)
def test_a_system_that_cannot_be_is_refused_at_its_field(name, kind, options, field, words):
    with pytest.raises(ValidationError) as caught:
        FactorySystem(name=name, kind=kind, options=options).full_clean()
    assert words in " ".join(caught.value.message_dict[field])


def test_a_queue_names_a_system_that_is_there_and_options_that_it_has():
    FactorySystem.objects.create(name="big", kind="shared", options={"host": "h"})
    FactoryQueue(queue="A", batch_system="big", job_options={"partition": "short"}).full_clean()
    FactoryQueue(queue="A").full_clean()
    with pytest.raises(ValidationError, match="There is no batch system bg; there are local, big"):
        FactoryQueue(queue="A", batch_system="bg").full_clean()
    with pytest.raises(ValidationError, match="partitin: no such field in job options"):
        FactoryQueue(queue="A", batch_system="big", job_options={"partitin": "short"}).full_clean()
    with pytest.raises(ValidationError, match="there is no rule redy"):
        FactoryQueue(queue="A", rules=["redy"]).full_clean()


def test_a_system_with_living_pilots_is_not_deleted_in_the_admin(admin_client):
    FactorySystem.objects.create(name="here", kind="local")
    delete = reverse("admin:factory_factorysystem_delete", args=["here"])
    pilot = Pilot.objects.create(queue="A", batch_system="here", submission="s", number=0, submitted_at=NOW)
    assert admin_client.post(delete, {"post": "yes"}).status_code == 403
    pilot.delete()
    assert admin_client.post(delete, {"post": "yes"}).status_code == 302
    assert not FactorySystem.objects.exists()
