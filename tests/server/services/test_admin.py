from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.urls import reverse
from django.utils import timezone

from server.services import lease, logic, schedules
from server.services.models import Lease, Service, ServiceRun
from server.services.registry import declared

pytestmark = pytest.mark.django_db


@pytest.fixture
def service(clock, settings, tmp_path):
    schedules.install(declared())
    logic.run_service("services.prune", "me", clock=clock)
    return Service.objects.get(name="services.prune")


def list_of(model) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def page_of(row) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def text(response) -> str:
    assert response.status_code == 200
    return response.content.decode()


def test_the_list_shows_what_each_service_does_and_how_its_last_run_ended(admin_client, service):
    page = text(admin_client.get(list_of(Service)))
    assert "Delete old lines of the services" in page
    assert "nothing to do" in page
    assert "3600 s" in page


def test_the_list_asks_as_often_for_many_services_as_for_one(admin_client, service, django_assert_max_num_queries):
    with django_assert_max_num_queries(8):
        admin_client.get(list_of(Service))


def test_period_and_switch_are_edited_and_reach_the_schedule(admin_client, service):
    assert admin_client.post(page_of(service), {"seconds": "7", "on": ""}).status_code == 302
    service = Service.objects.get(pk=service.pk)
    assert (service.period, service.enabled) == (7, False)
    admin_client.post(list_of(Service), {"action": "switch_on", "_selected_action": [service.pk]})
    assert Service.objects.get(pk=service.pk).enabled
    admin_client.post(list_of(Service), {"action": "switch_off", "_selected_action": [service.pk]})
    assert not Service.objects.get(pk=service.pk).enabled


@pytest.mark.parametrize(
    ("entered", "words"),
    [
        ({"seconds": "0"}, "greater than or equal to 1"),
        ({}, "Give a period or a crontab"),
        ({"seconds": "5", "crontab": "0 4 * * *"}, "empty one of them"),
        ({"crontab": "0 4 * *"}, "a crontab has five"),
        ({"crontab": "0 4 30 2 *"}, "there is no such day"),
        ({"crontab": "0 4 * * *", "zone": "Mars/Olympus"}, "not one of the available choices"),
    ],
)
def test_a_schedule_that_cannot_be_meant_is_refused_in_words(admin_client, service, entered, words):
    assert words in text(admin_client.post(page_of(service), {"on": "on", "zone": "UTC", **entered}))
    assert Service.objects.get(pk=service.pk).period == 3600


def test_a_crontab_is_entered_with_its_time_zone_and_the_next_times_are_shown_in_both(admin_client, service):
    entered = {"seconds": "", "crontab": "30 4 * * *", "zone": "Asia/Tokyo", "on": "on"}
    assert admin_client.post(page_of(service), entered).status_code == 302
    found = Service.objects.get(pk=service.pk)
    assert (str(found.crontab), found.crontab.zone) == ("30 4 * * *", "Asia/Tokyo")
    page = text(admin_client.get(page_of(service)))
    assert "19:30:00 UTC = " in page
    assert "04:30:00 Asia/Tokyo" in page
    assert "30 4 * * * (Asia/Tokyo)" in text(admin_client.get(list_of(Service)))


def test_the_page_of_a_service_shows_who_runs_it_until_when_and_its_runs_with_their_results(admin_client, service):
    now = timezone.now()
    ServiceRun.objects.create(
        service=service, started=now, ended=now + timedelta(seconds=90), outcome="ok", figures={"deleted": 3},
        message="a-message",
    )  # fmt: skip
    lease.acquire(service.name, "node7|a-boot|4711", now=now, seconds=1000)
    page = text(admin_client.get(page_of(service)))
    assert "node7|a-boot|4711, until" in page
    assert "done deleted 3" in page
    assert "1 min 30 s" in page
    assert text(admin_client.get(reverse("admin:django_celery_results_taskresult_changelist") + "?task_id=a-message"))
    assert "?task_id=a-message" in page


def test_a_service_that_is_late_says_since_when(admin_client, service):
    yesterday = timezone.now() - timedelta(days=1)
    Service.objects.update(next_run=yesterday, scheduled_at=yesterday)
    assert "late since" in text(admin_client.get(list_of(Service)))
    assert "late since" in text(admin_client.get(page_of(service)))


def test_run_now_leaves_a_message_for_the_workers(admin_client, service, settings):
    spool = Path(settings.CELERY_BROKER_TRANSPORT_OPTIONS["data_folder_in"])
    spool.mkdir(parents=True, exist_ok=True)
    before = set(spool.glob("*.compass.msg"))
    choice = {"action": "run_now", "_selected_action": [service.pk]}
    page = admin_client.post(list_of(Service), choice, follow=True)
    assert [str(line) for line in page.context["messages"]] == [
        "services.prune was asked to run; its line in Service runs will tell."
    ]
    (message,) = set(spool.glob("*.compass.msg")) - before
    message.unlink()


def test_a_service_is_saved_and_run_by_one_button(admin_client, service, settings):
    spool = Path(settings.CELERY_BROKER_TRANSPORT_OPTIONS["data_folder_in"])
    spool.mkdir(parents=True, exist_ok=True)
    before = set(spool.glob("*.compass.msg"))
    admin_client.post(page_of(service), {"seconds": "9", "on": "on", "services_service_save_and_run": ""})
    (message,) = set(spool.glob("*.compass.msg")) - before
    assert "services.prune" in message.read_text()
    message.unlink()
    assert Service.objects.get(pk=service.pk).period == 9


def test_services_are_neither_added_nor_deleted_by_hand(admin_client, service):
    assert admin_client.get(reverse("admin:services_service_add")).status_code == 403
    assert admin_client.get(reverse("admin:services_service_delete", args=[service.pk])).status_code == 403


@pytest.mark.parametrize("model", [Lease, ServiceRun])
def test_what_the_machine_owns_is_shown_and_not_edited(admin_client, service, model):
    row = model.objects.first()
    assert str(row) in text(admin_client.get(page_of(row)))
    text(admin_client.get(list_of(model)))
    assert admin_client.post(page_of(row), {}).status_code == 403
    assert admin_client.get(reverse(f"admin:services_{model._meta.model_name}_add")).status_code == 403
