from __future__ import annotations

import threading
from queue import Empty

import pytest
from kombu import Connection

from server.settings.periodic import Broker, celery_settings


@pytest.fixture
def channel(tmp_path):
    (tmp_path / "messages").mkdir()
    options = celery_settings(Broker(), tmp_path)["CELERY_BROKER_TRANSPORT_OPTIONS"]
    with Connection("filesystem://localhost", transport_options=options) as connection:
        yield connection.channel()


def test_messages_come_out_in_order_and_once(channel, tmp_path):
    for number in range(3):
        channel._put("compass", {"n": number})
    assert [channel._get("compass")["n"] for _ in range(3)] == [0, 1, 2]
    with pytest.raises(Empty):
        channel._get("compass")
    assert list((tmp_path / "messages").iterdir()) == []


def test_queues_do_not_see_each_others_messages(channel):
    channel._put("compass", {"n": 1})
    with pytest.raises(Empty):
        channel._get("pass")
    assert channel._size("compass") == 1
    assert channel._purge("compass") == 1


def test_a_message_that_is_being_written_is_not_seen(channel, tmp_path):
    (tmp_path / "messages" / ".half.compass.msg").write_text("{")
    with pytest.raises(Empty):
        channel._get("compass")


def test_readers_that_race_get_each_message_once(channel):
    for number in range(200):
        channel._put("compass", {"n": number})
    taken: list[int] = []

    def read():
        try:
            while True:
                taken.append(channel._get("compass")["n"])
        except Empty:
            return

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert sorted(taken) == list(range(200))
