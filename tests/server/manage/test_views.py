"""Whether the server lives, is ready, and what it has counted."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connection

from server.accounts.logic import create_token
from server.accounts.models import Role
from server.manage import views
from server.manage.figures import FIGURES
from tests.server import jobs


@pytest.fixture(autouse=True)
def _nothing_known():
    FIGURES.forget()
    views._why_unfit.cache_clear()
    yield
    views._why_unfit.cache_clear()


def test_that_it_lives_is_said_without_the_database(client, django_assert_num_queries, db):
    with django_assert_num_queries(0):
        assert client.get("/healthz").content == b"well\n"


def test_it_is_ready_when_the_tables_are_those_of_the_program(client, db):
    for _ in range(2):
        answer = client.get("/readyz")
        assert (answer.status_code, answer.content) == (200, b"ready\n")


def test_it_is_not_ready_while_a_migration_is_missing(client, db):
    if "django_migrations" not in connection.introspection.table_names():
        pytest.skip("not tested on this database: it was made without migrations")
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'accounts' AND name NOT LIKE '0001%%'")
    answer = client.get("/readyz")
    assert (answer.status_code, b"run `compass-server init`" in answer.content) == (503, True)


def test_it_is_not_ready_without_its_database(client, db):
    def silent(execute, *rest):
        raise OperationalError("no database")

    with connection.execute_wrapper(silent):
        answer = client.get("/readyz")
    assert (answer.status_code, answer.content) == (503, b"the database does not answer: OperationalError\n")
    assert client.get("/readyz").status_code == 200


def test_queues_and_jobs_are_told_to_tokens_that_read(client, queue):
    jobs.submit(3)
    jobs.claim()
    headers = {"Authorization": f"Bearer {create_token('prometheus', Role.READER)}"}
    answer = client.get("/metrics", headers=headers)
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    said = answer.content.decode().splitlines()
    assert 'compass_jobs_queued{queue="LOCAL"} 2.0' in said
    assert 'compass_jobs_live{queue="LOCAL",state="sent"} 1.0' in said
    assert 'compass_jobs_latest{state="activated"} 2.0' in said
    again = client.get("/metrics", headers=headers).content.decode()
    assert 'compass_calls_total{address="metrics",status="200"}' in again


def test_metrics_are_for_readers_alone(client, pilot_token):
    assert client.get("/metrics").status_code == 403
    assert client.get("/metrics", headers={"Authorization": f"Bearer {pilot_token}"}).status_code == 403


def test_a_long_queue_is_not_counted_for_every_call(client, queue, django_assert_num_queries):
    headers = {"Authorization": f"Bearer {create_token('prometheus', Role.READER)}"}
    client.get("/metrics", headers=headers)
    with django_assert_num_queries(0):
        client.get("/metrics", headers=headers)
