"""Services through real brokers: RabbitMQ by TLS with a certificate for the login, and Redis, plain and by TLS."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from tests.server.services.conftest import environment
from tests.server.services.test_worker import Worker, lines, rows, until
from tests.services import rabbitmq, redis

pytestmark = [pytest.mark.one_python, pytest.mark.campaign]  # brokers and workers start, hang and are killed

RUN_NOW = "import django; django.setup(); from server.services.logic import run_now; run_now('beating.woken')"


@pytest.fixture(scope="module")
def rabbit():
    with rabbitmq.running() as broker:
        yield broker


@pytest.fixture(scope="module")
def store():
    with redis.running() as server:
        yield server


def by_rabbit(broker) -> dict[str, str]:
    return {
        "COMPASS_SERVER_BROKER": f"amqps://localhost:{broker.amqps}//",
        "COMPASS_SERVER_BROKER_CA_FILE": str(broker.authority.file),
        "COMPASS_SERVER_BROKER_CERTIFICATE": str(broker.authority.issue(rabbitmq.USER)),
    }


def by_redis(server) -> dict[str, str]:
    return {
        "COMPASS_SERVER_BROKER": f"rediss://localhost:{server.tls}/0",
        "COMPASS_SERVER_BROKER_CA_FILE": str(server.authority.file),
        "COMPASS_SERVER_BROKER_CERTIFICATE": str(server.authority.issue("worker")),
    }


@pytest.fixture
def start(home):
    workers: list[Worker] = []

    def start(variables) -> Worker:
        workers.append(Worker(home, variables))
        return workers[-1]

    yield start
    for worker in workers:
        if worker.process.poll() is None:
            worker.stop(signal.SIGKILL)


def ask(home, variables) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-c", RUN_NOW]
    return subprocess.run(argv, env={**environment(home), **variables}, capture_output=True, text=True, timeout=60)


def goes_through(home, start, variables) -> None:
    """Have services run by their schedule and by a click, a worker be killed in the middle, and another go on."""
    first = start(variables)
    until(lambda: len(lines(home / "ticks")) >= 2, "the service of one second does not run")
    until((home / "began").exists, "the long service did not begin")
    asked = ask(home, variables)
    assert asked.returncode == 0, asked.stderr
    until(lambda: lines(home / "woken"), "what somebody asked for did not run")
    first.stop(signal.SIGKILL)
    (home / "go").touch()
    second = start(variables)
    found = until(
        lambda: rows(home, "SELECT outcome, figures FROM services_servicerun WHERE service_id='beating.long'"),
        "what was killed in the middle was not done again",
    )
    assert (found[0][0], json.loads(found[0][1])) == ("ok", {"long": 1})
    assert second.stop() == 0


def test_services_run_through_rabbitmq_by_a_certificate_and_a_killed_worker_loses_nothing(home, start, rabbit):
    goes_through(home, start, by_rabbit(rabbit))


def test_services_run_through_redis_by_tls_and_a_killed_worker_loses_nothing(home, start, store):
    goes_through(home, start, by_redis(store))


@pytest.mark.parametrize("broker", ["rabbit", "store"])
def test_who_has_no_certificate_is_not_let_in(home, request, broker):
    found = request.getfixturevalue(broker)
    variables = by_rabbit(found) if broker == "rabbit" else by_redis(found)
    del variables["COMPASS_SERVER_BROKER_CERTIFICATE"]
    done = ask(home, variables)
    assert done.returncode != 0
    assert "OperationalError" in done.stderr


def test_a_broker_of_another_authority_is_not_spoken_with(home, rabbit, store):
    other = {**by_rabbit(rabbit), "COMPASS_SERVER_BROKER_CA_FILE": str(store.authority.file)}
    done = ask(home, other)
    assert done.returncode != 0
    assert "certificate verify failed" in done.stderr
