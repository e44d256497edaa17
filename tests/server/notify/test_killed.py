"""A worker that is killed by the call that it makes: the receiver gets the same once more, and nothing is lost."""

from __future__ import annotations

import json
import signal
import sqlite3

import pytest

from server.notify import logic
from server.notify.models import Channel
from server.notify.states import Kind
from tests.server.services.conftest import home as _home
from tests.server.services.test_worker import Worker, rows, until

pytestmark = [pytest.mark.one_python, pytest.mark.campaign]

home = _home

STATE = "SELECT state, tries FROM notify_delivery"


@pytest.fixture
def trial(db, hook, settings, tmp_path):
    """A trial message that waits in the outbox; the home is made with it."""
    settings.HOME = tmp_path
    address = f"http://localhost:{hook.port}/"
    channel = logic.save_channel(Channel(name="hook", kind=Kind.WEBHOOK, address=address, events=[]))
    return str(logic.send_trial(channel, "ann").pk)


def test_a_worker_that_is_killed_before_it_has_noted_a_call_calls_again_with_the_same_number(trial, home, hook):
    variables = {"COMPASS_SERVER_WEBHOOK_HOSTS": "localhost"}
    first = Worker(home, variables)
    hook.on_call = first.process.kill
    first.process.wait(120)
    assert first.process.returncode == -signal.SIGKILL
    assert rows(home, STATE) == [("waiting", 1)]
    hook.on_call = lambda: None
    with sqlite3.connect(home / "db.sqlite3", timeout=30) as database:  # not to wait for the minute
        database.execute("UPDATE notify_delivery SET next_try = created_at")
    second = Worker(home, variables)
    try:
        until(lambda: rows(home, STATE) == [("sent", 2)], "it was not sent again")
    finally:
        second.stop()
    assert [json.loads(body)["delivery"] for _, _, body in hook.got] == [trial, trial]
    assert hook.got[0][2] == hook.got[1][2]
