from __future__ import annotations

import json
import threading

import pytest

from pilot.common.exception import PilotException
from pilot.contract.queue import local_storage
from pilot.info import ExtInfoProvider, InfoService, PilotConfigProvider, QueueData, StorageData, infosys
from tests.pilot.dispatcher import QUEUE, serving


@pytest.fixture
def described(tmp_path, monkeypatch):
    """Two queues and two storages in files that the environment names."""
    queues = {
        "Q": {"corecount": 4, "astorages": {"read_lan": ["DISK"]}, "acopytools": {"pr": ["xrdcp"]}},
        "R": {"maxrss": 7},
    }
    queues = {name: {"nickname": name, "status": "online", **said} for name, said in queues.items()}
    storages = {
        name: {**local_storage(name, f"/{name}"), "id": number} for number, name in enumerate(("DISK", "TAPE"), 5)
    }
    (tmp_path / "queues").write_text(json.dumps(queues))
    (tmp_path / "storages").write_text(json.dumps(storages))
    monkeypatch.setenv("COMPASS_PILOT__QUEUE__DATA_URL", str(tmp_path / "queues"))
    monkeypatch.setenv("COMPASS_PILOT__QUEUE__STORAGE_URL", str(tmp_path / "storages"))
    return tmp_path


def test_the_shared_one_may_be_asked_before_it_knows_anything():
    assert infosys.confinfo is None
    assert infosys.queuedata is None
    assert isinstance(infosys.extinfo, ExtInfoProvider)


def test_a_queue_is_under_pandas_names(described):
    service = InfoService()
    service.init("Q", service.confinfo, service.extinfo)
    assert service.pandaqueue == "Q"
    assert (service.queuedata.name, service.queuedata.resource, service.queuedata.corecount) == ("Q", "Q", 4)
    assert service.queuedata.astorages == {"read_lan": ["DISK"]}
    assert isinstance(service.confinfo, PilotConfigProvider)


def test_direct_access_may_be_assigned_to(described):
    service = InfoService()
    service.init("Q")
    service.queuedata.direct_access_lan = False
    service.queuedata.direct_access_wan = False
    assert not service.queuedata.direct_access_lan


def test_what_is_changed_on_a_queue_is_what_the_data_api_gets(described):
    service = InfoService()
    service.init("Q")
    service.queuedata.acopytools = {"default": ["local"]}
    service.queuedata.params["x"] = 1
    assert service.queuedata.contract().acopytools == {"default": ("local",)}
    assert service.queuedata.contract().params == {"x": 1}
    assert service.resolve_queuedata("Q").acopytools == {"pr": ["xrdcp"]}


def test_what_a_queue_does_not_have_is_told_with_what_it_has(described):
    with pytest.raises(AttributeError, match="queues have no 'corecout' here; there are acopytools, .*corecount"):
        _ = InfoService().resolve_queuedata("Q").corecout


def test_storages_are_under_pandas_names(described):
    service = InfoService()
    assert set(service.resolve_storage_data()) == {"DISK", "TAPE"}
    (tape,) = service.resolve_storage_data(["TAPE", "GONE"]).values()
    assert (tape.name, tape.id, tape.state, tape.is_deterministic) == ("TAPE", 6, "ACTIVE", False)
    assert tape.arprotocols["read_lan"] == [{"endpoint": "file://", "path": "/TAPE", "flavour": "FILE"}]
    assert service.resolve_ddmendpoint_storageid() == {"DISK": 5, "TAPE": 6}
    assert service.get_storage_id("TAPE") == 6
    assert service.get_ddmendpoint(5) == "DISK"


def test_an_unknown_storage_is_told_by_its_name_or_number(described):
    with pytest.raises(PilotException, match="storage GONE is not known") as caught:
        InfoService().get_storage_id("GONE")
    assert caught.value.get_error_code() == 1133
    with pytest.raises(PilotException, match="no storage has number 99"):
        InfoService().get_ddmendpoint(99)


def test_both_may_be_made_from_json():
    assert QueueData({"nickname": "Q", "corecount": "8"}).cores == 8
    assert StorageData({"name": "S", "is_deterministic": True}).is_deterministic


def test_a_queue_that_is_not_described_leaves_what_was_known(described):
    service = InfoService()
    service.init("Q")
    (described / "queues").unlink()
    with pytest.raises(PilotException, match="cannot be read") as caught:
        service.init("Q", extinfo=ExtInfoProvider())
    assert caught.value.get_error_code() == 1116
    assert service.queuedata.name == "Q"


@pytest.mark.parametrize("name", ["", None])
def test_no_queue_is_told_as_such(name):
    with pytest.raises(PilotException, match="no queue is named"):
        InfoService().init(name)


def test_where_nobody_describes_queues_it_is_said_what_to_set():
    with pytest.raises(PilotException, match="set queue.data_url") as caught:
        InfoService().init("Q")
    assert caught.value.get_error_code() == 1900


def test_what_was_read_is_kept_for_a_while(described):
    kept, fresh = ExtInfoProvider(60), ExtInfoProvider(0)
    for provider in (kept, fresh):
        provider.resolve_queuedata("Q")
    (described / "queues").unlink()
    assert kept.resolve_queuedata("Q").cores == 4
    assert kept.resolve_queuedata("Q") is not kept.resolve_queuedata("Q")
    with pytest.raises(PilotException):
        fresh.resolve_queuedata("Q")


def test_a_server_describes_both(tmp_path, monkeypatch):
    with serving(tmp_path) as dispatcher:
        monkeypatch.setenv("COMPASS_PILOT__SERVER__URL", dispatcher.url)
        service = InfoService()
        service.init(QUEUE)
        assert service.queuedata.name == QUEUE
        assert set(service.resolve_storage_data()) == {"STORE"}


def test_each_thread_has_the_queue_that_it_chose(described):
    service, met, found = InfoService(), threading.Barrier(2, timeout=30), {}

    def work(name):
        service.init(name, service.confinfo, service.extinfo)
        met.wait()
        service.queuedata.direct_access_lan = name == "R"
        met.wait()
        found[name] = (service.pandaqueue, service.queuedata.name, service.queuedata.direct_access_lan)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("Q", "R")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == {"Q": ("Q", "Q", False), "R": ("R", "R", True)}


def test_a_thread_that_chose_nothing_sees_what_was_chosen_last(described):
    service, found = InfoService(), []
    service.init("Q")
    thread = threading.Thread(target=lambda: found.append(service.queuedata.name))
    thread.start()
    thread.join(30)
    assert found == ["Q"]


def test_its_parts_may_be_set_and_no_others():
    service = InfoService()
    service.queuedata = QueueData({"nickname": "OWN"})
    assert service.queuedata.name == "OWN"
    with pytest.raises(AttributeError, match="infosys has no 'quedata'; pandaqueue, queuedata"):
        service.quedata = None
    with pytest.raises(AttributeError, match="infosys has no 'queue'"):
        _ = service.queue
