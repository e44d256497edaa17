from __future__ import annotations

import pytest

from pilot.contract.codec import ContractError
from pilot.contract.job import PANDA_MB
from pilot.contract.queue import ONLINE, Protocol, QueueData, StorageEndpoint, local_storage


def test_a_name_is_all_that_a_queue_needs():
    queue = QueueData.from_wire({"nickname": "Q"})
    assert queue == QueueData("Q")
    assert queue.status in ONLINE
    assert (queue.cores, queue.memory, queue.max_time, queue.max_input_size) == (1, 0, 0, 0)
    assert queue.copytools_for("pr") == ()


def test_the_name_may_stand_under_pandas_other_key():
    assert QueueData.from_wire({"nickname": "NULL", "panda_resource": "R"}).name == "R"


@pytest.mark.parametrize("said", [None, "", "NULL", "None"])
def test_what_says_nothing_leaves_the_default(said):
    keys = ("status", "corecount", "maxrss", "timefloor", "copytools", "acopytools", "params", "container_options")
    assert QueueData.from_wire({"nickname": "Q", **dict.fromkeys(keys, said)}) == QueueData("Q")


def test_numbers_come_as_text_and_negative_ones_mean_no_limit():
    said = {
        "corecount": "0",
        "maxrss": "2000.0",
        "maxwdir": -1,
        "maxinputsize": "-1",
        "maxtime": "-5",
        "timefloor": "2",
    }
    queue = QueueData.from_wire({"nickname": "Q", **said})
    assert (queue.cores, queue.memory, queue.max_workdir) == (1, 2000 * PANDA_MB, 0)
    assert (queue.max_input_size, queue.max_time, queue.time_floor) == (0, 0, 120)


def test_objects_may_come_as_json_text():
    queue = QueueData.from_wire({"nickname": "Q", "copytools": '{"cp": {}}', "acopytools": '{"default": ["cp"]}'})
    assert queue.copytools_for("pr", "read_lan") == ("cp",)


def test_without_activities_all_copy_tools_there_are_serve():
    assert QueueData.from_wire({"nickname": "Q", "copytools": {"mv": {}, "xrdcp": {}}}).copytools_for() == (
        "mv",
        "xrdcp",
    )


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"nickname": ""}, "nickname: missing; the queue's name is expected"),
        ({"corecount": "many"}, "corecount: 'many' is not a whole number"),
        ({"copytools": ["mv"]}, r"copytools: \['mv'\] is not a JSON object"),
        ({"copytools": {"mv": "fast"}}, "copytools.mv: 'fast' is not a JSON object"),
        ({"acopytools": {"pr": "mv"}}, "acopytools.pr: 'mv' is not a list"),
        ({"astorages": {"pr": [None]}}, "astorages.pr: None is not text"),
        ({"timefloor": "nan"}, "timefloor: 'nan' is not a number"),
    ],
)
def test_a_wrong_description_is_refused_by_key(said, words):
    with pytest.raises(ContractError, match=f"^{words}"):
        QueueData.from_wire({"nickname": "Q", **said})


@pytest.mark.parametrize("data", [None, [], "Q"])
def test_what_is_no_object_is_no_queue_and_no_storage(data):
    with pytest.raises(ContractError, match="is not a JSON object"):
        QueueData.from_wire(data)
    with pytest.raises(ContractError, match="DISK: .* is not a JSON object"):
        StorageEndpoint.from_wire("DISK", data)


def test_a_storage_without_protocols_is_known_but_cannot_be_reached():
    assert StorageEndpoint.from_wire("DISK", {"is_deterministic": None}) == StorageEndpoint("DISK", True, {})


@pytest.mark.parametrize(
    ("protocols", "words"),
    [
        ({"r": {}}, r"DISK.arprotocols.r: \{\} is not a list"),
        ({"r": ["x"]}, "DISK.arprotocols.r: 'x' is not a JSON object"),
        ({"r": [{"path": "/a"}]}, "DISK.arprotocols.r: endpoint: None is not an address"),
        ({"r": [{"endpoint": "file:", "path": "/a"}]}, "DISK.arprotocols.r: endpoint: 'file:' is not an address"),
        ({"r": [{"endpoint": "file://", "path": "a"}]}, "DISK.arprotocols.r: path: 'a' does not begin with a slash"),
        ({"r": [{"endpoint": "file://"}]}, "DISK.arprotocols.r: path: None does not begin with a slash"),
    ],
)
def test_a_protocol_that_leads_nowhere_is_refused(protocols, words):
    with pytest.raises(ContractError, match=words):
        StorageEndpoint.from_wire("DISK", {"arprotocols": protocols})


def test_a_folder_of_this_machine_is_a_storage():
    storage = StorageEndpoint.from_wire("DISK", local_storage("DISK", "/data", ("pr", "pw")))
    assert not storage.deterministic
    assert set(storage.protocols) == {"pr", "pw"}
    assert storage.protocols_for("pw")[0].path == "/data"


@pytest.mark.parametrize(
    ("said", "factor"),
    [(50, 1.5), ("100", 2.0), (0, 1.0), (-5, 1.0), *((said, None) for said in ("much", None, "inf", "-inf", "nan"))],
)
def test_a_grace_is_in_percent(said, factor):
    assert QueueData("Q", params={"pilot_rss_grace": said}).grace("pilot_rss_grace") == factor


def test_a_grace_that_the_queue_does_not_name_is_none():
    assert QueueData("Q").grace("pilot_walltime_grace") is None


def test_what_a_queue_says_of_copying_is_read():
    queue = QueueData.from_wire(
        {
            "nickname": "Q",
            "acopytools_schemas": {"pr": ["root", "davs"], "pw": {"lsm": ["root"], "default": ["davs"]}},
            "aprotocols": {"pr": [["root://h:1094", "DISK", "/data"], {"endpoint": "file://", "path": "/x"}]},
            "allow_lan": "False",
            "allow_wan": True,
            "direct_access_lan": 1,
            "direct_access_wan": "true",
            "astorages": {"read_wan": ["FAR"]},
        }
    )
    assert queue.schemas_for("lsm", "pw") == ("root",)
    assert queue.schemas_for("gfal", "write_lan", "pw") == ("davs",)
    assert queue.schemas_for("gfal", "pr") == ("root", "davs")
    assert queue.schemas_for("gfal", "pl") == ()
    assert [(one.scheme, one.path) for one in queue.protocols_for("read_lan", "pr")] == [
        ("root", "/data"),
        ("file", "/x"),
    ]
    assert queue.protocols_for("pw") == ()
    assert (queue.allow_lan, queue.allow_wan, queue.direct_access_lan, queue.direct_access_wan) == (
        False,
        True,
        True,
        True,
    )
    assert queue.far_storages == ("FAR",)
    assert QueueData("Q", astorages={"read_wan": ("FAR",)}).far_storages == ()


@pytest.mark.parametrize(("said", "meant"), [({}, None), ("off", False), ("True", True), (None, None), (0, False)])
def test_a_queue_may_leave_it_open_whether_outputs_go_elsewhere(said, meant):
    params = {} if said == {} else {"allow_altstageout": said}
    assert QueueData("Q", params=params).alternative_storage is meant


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"acopytools_schemas": {"pr": "root"}}, "acopytools_schemas.pr.default: 'root' is not a list"),
        ({"aprotocols": {"pr": [["root://h"]]}}, r"aprotocols.pr: \['root://h'\] is not a JSON object"),
        ({"allow_wan": "perhaps"}, "allow_wan: 'perhaps' is not"),
    ],
)
def test_a_wrong_word_on_copying_is_refused_by_key(said, words):
    with pytest.raises(ContractError, match=f"^{words}"):
        QueueData.from_wire({"nickname": "Q", **said})


def test_a_protocol_may_be_named_by_its_number():
    known = {"7": {"endpoint": "root://h", "path": "/data", "settings": {}}}
    storage = StorageEndpoint.from_wire("DISK", {"rprotocols": known, "arprotocols": {"r": [{"id": 7}]}})
    assert storage.protocols_for("r")[0] == Protocol("root://h", "/data")
    with pytest.raises(ContractError, match="endpoint: None"):
        StorageEndpoint.from_wire("DISK", {"rprotocols": known, "arprotocols": {"r": [{"id": 8}]}})
