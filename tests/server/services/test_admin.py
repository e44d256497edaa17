from __future__ import annotations

from pathlib import Path

import pytest
from django.urls import reverse

from server.services import logic, schedules
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


@pytest.mark.parametrize(("seconds", "words"), [("0", "greater than or equal to 1"), ("", "Give the seconds")])
def test_a_period_that_cannot_be_meant_is_refused_in_words(admin_client, service, seconds, words):
    assert words in text(admin_client.post(page_of(service), {"seconds": seconds, "on": "on"}))
    assert Service.objects.get(pk=service.pk).period == 3600


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
