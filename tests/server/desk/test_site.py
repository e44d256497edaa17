"""The first page and the policy of the admin's pages, as they are answered."""

from __future__ import annotations

import logging
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from server.credentials.models import Credential
from server.incidents.models import Incident, IncidentCount
from server.pandaconfig.logic import define_queue
from server.pilots.models import Pilot
from server.services import schedules
from server.services.models import Service
from server.services.registry import declared
from tests.server import jobs

pytestmark = pytest.mark.django_db


def index(client) -> str:
    answer = client.get("/admin/")
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def fill(count: int) -> None:
    """Write rows of all that the page shows."""
    now = timezone.now()
    for number in range(count):
        define_queue({"nickname": f"Q{number}", "status": "offline" if number else "online", "corecount": 8})
        Credential.objects.create(
            name=f"proxy-{number}", kind="proxy", source="file", sealed=b"x", ends_at=now + timedelta(hours=2 + number)
        )
        Pilot.objects.create(
            queue=f"Q{number}", state="running", submitted_at=now, submission=f"{count}-{number}", number=1
        )
        one = Incident.objects.create(
            fingerprint=str(number), app="x", logger="x", level=logging.ERROR, words="x", first_seen=now, last_seen=now
        )
        IncidentCount.objects.create(incident=one, slot=now, count=2)


def test_an_empty_system_says_what_to_do_next(admin_client):
    page = index(admin_client)
    for words in (
        "compass-server services",
        "There are no queues, so no job can run.",
        "Nothing went wrong in the last hour.",
        "None are kept.",
        "No pilot is on its way or runs.",
        "There are no jobs yet.",
    ):
        assert words in page


def test_the_first_page_tells_how_everything_is(admin_client, queue):
    schedules.install(declared())
    fill(3)
    jobs.submit(name="a-job")
    page = index(admin_client)
    assert "<b>2</b> offline" in page
    assert "/admin/pandaconfig/schedconfig/Q1/change/" in page
    assert "proxy-0" in page
    assert "ends in 1 h" in page
    assert "<b>6</b> errors" in page
    assert "3 that nobody has looked at" in page
    assert "<b>3</b> running" in page
    assert "<b>1</b> activated" in page
    assert 'aria-label="Run services.prune now"' in page


def test_a_service_that_is_late_stands_first(admin_client):
    schedules.install(declared())
    long_ago = timezone.now() - timedelta(days=3)
    Service.objects.filter(name="services.prune").update(last_run=long_ago, next_run=long_ago, scheduled_at=long_ago)
    page = index(admin_client)
    assert '<tr class="late">' in page
    assert page.index("services.prune") < min(page.index(name) for name in declared() if name != "services.prune")


def test_the_first_page_asks_as_often_for_many_rows_as_for_few(admin_client, django_assert_max_num_queries):
    schedules.install(declared())
    fill(1)
    with CaptureQueriesContext(connection) as few:
        index(admin_client)
    Credential.objects.all().delete()
    Incident.objects.all().delete()
    fill(20)
    with django_assert_max_num_queries(len(few)):
        index(admin_client)


def test_every_page_of_the_admin_loads_from_this_server_only(admin_client):
    for answer in (admin_client.get("/admin/"), admin_client.get(reverse("admin:auth_user_changelist"))):
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self' 'unsafe-eval'" in policy
        assert "http" not in policy


@pytest.mark.parametrize(
    "table",
    ["auth_user", "auth_group", "django_celery_beat_periodictask", "django_celery_beat_crontabschedule",
     "django_celery_beat_intervalschedule", "django_celery_results_taskresult"],
)  # fmt: skip
def test_tables_of_other_packages_have_the_same_look_and_no_scripts_in_their_pages(admin_client, table):
    page = admin_client.get(reverse(f"admin:{table}_changelist")).content.decode()
    assert "desk-nav" in page
    assert "<script>" not in page
    form = admin_client.get(reverse(f"admin:{table}_add"))
    assert form.status_code == (403 if "results" in table else 200)
    assert "<script>" not in form.content.decode()


def test_somebody_sees_the_parts_that_they_may_look_at(client, queue):
    user = User.objects.create_user("eve", is_staff=True)
    client.force_login(user)
    assert "No part of the desk is open to eve." in index(client)
    user.user_permissions.add(Permission.objects.get(codename="view_schedconfig"))
    client.force_login(User.objects.get(pk=user.pk))
    page = index(client)
    assert "<b>1</b> online" in page
    assert "Services <a" not in page
    assert "auth/user" not in page


def test_a_list_without_lines_says_why(admin_client):
    page = admin_client.get(reverse("admin:pandaconfig_schedconfig_changelist")).content.decode()
    assert "There are no queues." in page
    searched = admin_client.get(reverse("admin:pandaconfig_schedconfig_changelist") + "?q=nowhere").content.decode()
    assert "Show all queues" in searched


def test_people_log_in_at_the_one_page_for_it_and_come_back(client):
    assert client.get("/admin/auth/user/", follow=True).redirect_chain[-1][0] == "/login?next=/admin/auth/user/"
    assert client.get("/admin/login/").headers["Location"] == "/login?next=/admin/"


def test_who_has_logged_in_and_may_not_come_in_is_told_whom_to_ask(client):
    client.force_login(User.objects.create_user("eve"))
    answer = client.get("/admin/", follow=True)
    assert answer.redirect_chain[-1][0] == "/welcome"
    assert "ask an administrator" in answer.content.decode()
    assert "eve" in answer.content.decode()


def test_who_may_come_in_needs_no_second_login(admin_client):
    assert admin_client.get("/admin/login/").headers["Location"] == "/admin/"


def test_times_are_written_as_in_the_logs(admin_client, queue):
    page = admin_client.get(reverse("admin:pandaconfig_schedconfig_changelist")).content.decode()
    assert re.search(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d", page)
