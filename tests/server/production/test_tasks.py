"""Every step is a periodic service, and one that has done something wakes those that live on it."""

from __future__ import annotations

from django.utils import timezone

from server.production import tasks as services
from server.services.models import Service
from server.services.registry import Declared, Turn, declared
from server.services.schedules import install

OURS = {thing.name: thing for thing in vars(services).values() if isinstance(thing, Declared)}


def run(name):
    return OURS[name](Turn(name, timezone.now(), lambda: None))


def test_every_step_is_declared_once():
    assert set(OURS) <= set(declared())
    assert OURS.keys() == {name for name in declared() if name.startswith("production.")}


def test_new_jobs_wake_the_factory_and_what_did_nothing_wakes_nobody(tasks):
    install(declared())
    assert run("production.submit") == {"submitted": 6}
    assert run("production.collect")["moved"] == 0
    assert [service.name for service in Service.objects.filter(wanted=True)] == ["factory.cycle"]


def test_what_moved_wakes_what_lives_on_it(tasks, pilot):
    install(declared())
    run("production.submit")
    Service.objects.update(wanted=False)
    pilot.run()
    assert run("production.collect") == {"moved": 6}
    woken = set(Service.objects.filter(wanted=True).values_list("name", flat=True))
    assert woken == {
        f"production.{name}"
        for name in ("submit", "merge_mdst", "check_events", "check_dumps", "finish", "retry", "pack_logs")
    }
