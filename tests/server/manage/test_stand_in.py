"""When no worker runs services, who answers pages tells people so: once, and only then."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from server.manage import stand_in
from server.notify.models import Channel, Delivery, Message
from server.services import lease, schedules
from server.services.models import Service, ServiceRun
from server.services.registry import declared

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def own_thread(settings, monkeypatch):
    # The tests' connection is this thread's own.
    monkeypatch.setattr(stand_in.connections, "close_all", lambda: None)
    settings.EMAIL_HOST = "mail.example.org"


@pytest.fixture
def services():
    schedules.install(declared())
    Channel.objects.create(name="shift", address="shift@example.org", events=["service.late"])

    def ran(ago):
        then = timezone.now() - ago
        Service.objects.update(last_run=then, next_run=then + timedelta(seconds=20), scheduled_at=then)

    return ran


def test_people_are_told_once_when_nothing_has_run_for_long(services):
    services(HOUR)
    assert stand_in.stand_in() == 2
    assert stand_in.stand_in() == 0  # it was just done
    a_minute_ago = timezone.now() - timedelta(minutes=1)  # it is their time again
    Service.objects.filter(name__in=stand_in.NAMES).update(last_run=a_minute_ago, next_run=timezone.now())
    assert stand_in.stand_in() == 2
    (told,) = mail.outbox
    assert told.to == ["shift@example.org"]
    assert "late" in told.subject + told.body
    assert Message.objects.filter(event="service.late").count() > 5
    assert set(Delivery.objects.values_list("state", flat=True)) == {"sent"}
    assert Delivery.objects.count() == 1
    assert ServiceRun.objects.filter(service="notify.deliver", outcome="ok").exists()


def test_nothing_is_done_while_services_run(services):
    services(timedelta(minutes=1))
    assert stand_in.stand_in() == 0
    services(HOUR)
    Service.objects.filter(name="production.finish").update(last_run=timezone.now())
    assert stand_in.stand_in() == 0
    assert mail.outbox == []


def test_a_long_run_that_goes_on_is_a_sign_of_life(services):
    services(HOUR)
    lease.acquire("production.clean", "somebody", now=timezone.now(), seconds=300, is_dead=lambda owner: False)
    assert stand_in.stand_in() == 0


def test_a_server_whose_services_never_ran_tells_nobody(services):
    Service.objects.update(last_run=None, next_run=None)
    assert stand_in.stand_in() == 0


def test_services_that_are_switched_off_are_not_missed(services):
    services(HOUR)
    for service in Service.objects.select_related("schedule"):
        schedules.switch(service, on=False)
    assert stand_in.stand_in() == 0


def test_a_database_that_is_not_up_to_date_is_told_in_the_log(monkeypatch, caplog):
    def broken(now):
        raise stand_in.DatabaseError("no such table")

    monkeypatch.setattr(stand_in.queries, "overview", broken)
    assert stand_in.stand_in() == 0
    assert "could not be seen: no such table" in caplog.text
