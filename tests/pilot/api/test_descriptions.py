from __future__ import annotations

import json

import pytest

from pilot import settings
from pilot.api.descriptions import Descriptions
from pilot.api.replies import BadQueueData, Unreachable
from pilot.contract.queue import QueueData, StorageEndpoint, local_storage
from pilot.errors import ConfigError
from tests.pilot.dispatcher import QUEUE, serving

ONE = {"nickname": "Q", "corecount": 4}
DISK = local_storage("DISK", "/data")


def reading(**queue):
    return Descriptions(settings.load([("test", {"queue": queue})]).settings)


def test_a_queue_may_be_a_value_or_its_json():
    assert reading().queue(QueueData("Q")) == QueueData("Q")
    assert reading().queue(ONE).cores == 4


def test_a_queue_may_be_in_a_file(tmp_path):
    (tmp_path / "queue.json").write_text(json.dumps(ONE))
    assert reading().queue(tmp_path / "queue.json").name == "Q"
    assert reading().queue(str(tmp_path / "queue.json")).name == "Q"


def test_of_several_queues_the_one_is_taken_that_is_named_or_the_only_one(tmp_path):
    several = {"A": {"corecount": 2}, "B": {"corecount": 3}}
    assert reading(name="B").queue(several).cores == 3
    assert reading().queue({"A": {"corecount": 2}}).name == "A"
    with pytest.raises(BadQueueData, match="it is not said which queue is meant; there are A, B"):
        reading().queue(several)
    with pytest.raises(BadQueueData, match="it is not said which queue is meant; there are none"):
        reading().queue({})


def test_a_name_is_looked_up_where_the_settings_say(tmp_path):
    (tmp_path / "queues").write_text(json.dumps({"Q": ONE, "R": {"nickname": "R"}}))
    assert reading(data_url=str(tmp_path / "queues")).queue("Q").cores == 4
    with pytest.raises(BadQueueData, match="queue S is not among those that are described; there are Q, R"):
        reading(data_url=str(tmp_path / "queues")).queue("S")


def test_a_name_is_asked_of_the_server(tmp_path):
    with serving(tmp_path) as dispatcher:
        dispatcher.queue["corecount"] = 5
        read = Descriptions(settings.load([("test", {"server": {"url": dispatcher.url}})]).settings)
        assert read.queue(QUEUE).cores == 5
        assert set(read.storages(None)) == set(dispatcher.storages)


@pytest.mark.parametrize("given", [None, 7, "", ["Q"], b"Q"])
def test_what_is_no_queue_is_told_with_what_is_expected(given):
    with pytest.raises(ConfigError, match="queue: .* is none; give its name, a file"):
        reading().queue(given)


def test_where_nobody_describes_a_queue_it_is_said_what_to_set():
    with pytest.raises(ConfigError, match=r"queue: Q: nobody .* set queue.data_url \(--queuedata-url\) or server.url"):
        reading().queue("Q")
    with pytest.raises(ConfigError, match=r"storages: nobody .* set queue.storage_url"):
        reading().storages(None)


@pytest.mark.parametrize(
    ("content", "words"), [("{", "not JSON"), ("[]", "queue.json"), ('{"nickname": 7, "copytools": 3}', "copytools: 3")]
)
def test_a_broken_file_is_told_by_its_name(tmp_path, content, words):
    (tmp_path / "queue.json").write_text(content)
    with pytest.raises(BadQueueData, match=words):
        reading().queue(tmp_path / "queue.json")


def test_a_missing_file_is_told_by_its_name(tmp_path):
    with pytest.raises(BadQueueData, match="gone.json: cannot be read: No such file or directory$"):
        reading().queue(tmp_path / "gone.json")
    with pytest.raises(BadQueueData, match="gone.json: cannot be read"):
        reading().storages(tmp_path / "gone.json")


def test_an_address_is_told_without_its_secrets(tmp_path):
    with serving(tmp_path) as server:
        with_secrets = server.url.replace("://", "://me:s3cret@") + "/gone.json?sig=s3cret"
        with pytest.raises(BadQueueData, match=r"//\*\*\*@127.0.0.1:\d+/gone.json\?\*\*\*: ") as wrong:
            reading().queue(with_secrets)
        assert "s3cret" not in str(wrong.value)
    with pytest.raises(Unreachable, match=r"GET http://\*\*\*@127.0.0.1:1/gone.json\?\*\*\*") as wrong:
        reading().storages("http://me:s3cret@127.0.0.1:1/gone.json?sig=s3cret")
    assert "s3cret" not in str(wrong.value)


def test_a_name_that_no_file_can_have_is_told_as_one_that_cannot_be_read():
    for name in ("/x\0", "/\ud800"):
        with pytest.raises(BadQueueData, match="cannot be read"):
            reading().queue(name)


def test_storages_may_be_values_json_or_a_file(tmp_path):
    value = StorageEndpoint.from_wire("DISK", DISK)
    (tmp_path / "storages.json").write_text(json.dumps({"DISK": DISK}))
    for given in ({"DISK": value}, {"DISK": DISK}, tmp_path / "storages.json", str(tmp_path / "storages.json")):
        assert reading().storages(given) == {"DISK": value}


@pytest.mark.parametrize("given", [7, ["DISK"], b"", ""])
def test_what_are_no_storages_is_told_with_what_is_expected(given):
    with pytest.raises(ConfigError, match="storages: .* are none; give a file"):
        reading().storages(given)


def test_a_storage_that_is_none_is_told_by_its_name():
    with pytest.raises(BadQueueData, match="storages: DISK"):
        reading().storages({"DISK": 7})
