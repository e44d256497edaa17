"""Which way a file takes."""

from __future__ import annotations

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.contract.queue import Protocol, QueueData, StorageEndpoint
from pilot.copytool.local import Link, Local, Move, SymbolicLink
from pilot.copytool.routes import activities_for, alternatives_for, routes_for
from pilot.errors import JobFailed

TOOLS = {tool.name: tool() for tool in (Local, Link, Move, SymbolicLink)}
SPEC = JobSpec(id=1, attempt=1, transformation="true")
USER = JobSpec(id=1, attempt=1, transformation="true", label="user")
INPUT = FileSpec("in.raw", Role.INPUT, dataset="d/in")
OUTPUT = FileSpec("out.root", Role.OUTPUT, dataset="d/out")
LOG = FileSpec("log.tgz", Role.LOG, dataset="d/log")


def storage(name, *activities, scheme="file", path="/data"):
    return StorageEndpoint(name, False, {activity: (Protocol(f"{scheme}://", path),) for activity in activities})


def queue(**changes):
    values = {"copytools": {"local": {}}, "astorages": {"read_lan": ("A",), "write_lan": ("A",)}}
    return QueueData("Q", **{**values, **changes})


A = storage("A", "read_lan", "write_lan")


def routes(file, *, spec=SPEC, at=None, storages=(A,), tools=TOOLS):
    return routes_for(spec, file, at or queue(), {one.name: one for one in storages}, tools)


def test_a_file_lies_in_its_datasets_folder():
    (route,) = routes(INPUT)
    assert (route.url, route.endpoint, route.tool.name) == ("file:///data/d/in/in.raw", "A", "local")


def test_a_log_has_a_storage_of_its_own_when_the_queue_says_so():
    at = queue(astorages={"write_lan": ("A",), "pl": ("L",)})
    (route,) = routes(LOG, at=at, storages=(A, storage("L", "pl", path="/logs")))
    assert route.url == "file:///logs/d/log/log.tgz"


def test_a_log_goes_where_outputs_go_otherwise():
    assert routes(LOG)[0].endpoint == "A"


def test_a_users_job_may_have_other_storages():
    at = queue(astorages={"read_lan": ("A",), "read_lan_analysis": ("U",)})
    both = (A, storage("U", "read_lan"))
    assert routes(INPUT, at=at, spec=USER, storages=both)[0].endpoint == "U"
    assert routes(INPUT, at=at, storages=both)[0].endpoint == "A"
    assert activities_for(USER, Role.LOG) == ("write_lan_analysis", "pl", "write_lan", "pw", "w")


def test_a_file_that_names_its_storage_is_taken_from_there():
    both = (A, storage("B", "read_lan"))
    assert [route.endpoint for route in routes(INPUT.evolve(endpoint="B"), storages=both)] == ["B"]


def test_an_input_has_as_many_ways_as_there_are_and_an_output_one_storage():
    at = queue(astorages={"default": ("A", "B")}, acopytools={"default": ("link", "local")})
    both = (storage("A", "r", "w"), storage("B", "r", "w"))
    found = [(route.endpoint, route.tool.name) for route in routes(INPUT, at=at, storages=both)]
    assert found == [("A", "link"), ("A", "local"), ("B", "link"), ("B", "local")]
    assert {route.endpoint for route in routes(OUTPUT, at=at, storages=both)} == {"A"}


def test_pandas_mv_links_inputs_and_moves_outputs():
    at = queue(copytools={"mv": {}})
    assert routes(INPUT, at=at)[0].tool.name == "symlink"
    assert routes(OUTPUT, at=at)[0].tool.name == "mv"


def test_the_fittest_activity_of_the_copy_tools_wins():
    at = queue(acopytools={"read_lan": ("link",), "default": ("local",)})
    assert routes(INPUT, at=at)[0].tool.name == "link"
    assert routes(OUTPUT, at=at)[0].tool.name == "local"


@pytest.mark.parametrize(
    ("at", "storages", "file", "code", "words"),
    [
        (queue(astorages={}), (A,), INPUT, ErrorCode.NO_STORAGE, "queue Q names no storage for read_lan"),
        (queue(), (), INPUT, ErrorCode.NO_STORAGE, "storage A is not among those"),
        (queue(), (A,), INPUT.evolve(endpoint="X"), ErrorCode.NO_STORAGE, "in.raw: storage X is not"),
        (
            queue(copytools={"xrdcp": {}}),
            (A,),
            INPUT,
            ErrorCode.UNKNOWN_COPY_TOOL,
            "names xrdcp for read_lan; here are li",
        ),
        (queue(copytools={}), (A,), OUTPUT, ErrorCode.UNKNOWN_COPY_TOOL, "names no copy tool for write_lan"),
        (queue(), (storage("A", "read_lan", scheme="root"),), INPUT, ErrorCode.NO_STORAGE_PROTOCOL, "no protocol"),
        (queue(), (storage("A", "read_wan"),), INPUT, ErrorCode.NO_STORAGE_PROTOCOL, "fits the copy tools of queue Q"),
        (queue(), (A,), INPUT.evolve(dataset="a/../../b"), ErrorCode.BAD_JOB_DEFINITION, "dataset: 'a/../../b'"),
    ],
)
def test_what_to_correct_is_named_when_there_is_no_way(at, storages, file, code, words):
    with pytest.raises(JobFailed, match=words) as caught:
        routes(file, at=at, storages=storages)
    assert caught.value.code is code


def test_a_tool_that_is_not_here_is_passed_over():
    at = queue(acopytools={"default": ("rucio", "local")})
    assert [route.tool.name for route in routes(OUTPUT, at=at)] == ["local"]


# What PanDA's queues say besides.


def test_a_named_storage_comes_first_and_others_only_for_a_file_that_is_known_by_its_checksum():
    at = queue(astorages={"read_lan": ("A", "B")})
    both = (A, storage("B", "read_lan"))
    named = INPUT.evolve(endpoint="B")
    assert [route.endpoint for route in routes(named, at=at, storages=both)] == ["B"]
    known = named.evolve(checksum="adler32:00000001")
    assert [route.endpoint for route in routes(known, at=at, storages=both)] == ["B", "A"]


def test_storages_far_away_are_read_where_the_queue_allows_it():
    far = storage("F", "read_wan", path="/far")
    at = {"astorages": {"read_lan": ("A",), "read_wan": ("F",)}}
    assert [route.endpoint for route in routes(INPUT, at=queue(**at), storages=(A, far))] == ["A"]
    found = routes(INPUT, at=queue(**at, allow_wan=True), storages=(A, far))
    assert [(route.endpoint, route.far, route.activity) for route in found] == [
        ("A", False, "read_lan"),
        ("F", True, "read_wan"),
    ]


def test_a_queue_may_keep_its_jobs_from_its_own_storages():
    far = storage("F", "read_wan", path="/far")
    at = queue(astorages={"read_lan": ("A",), "read_wan": ("F",)}, allow_lan=False, allow_wan=True)
    assert [route.endpoint for route in routes(INPUT, at=at, storages=(A, far))] == ["F"]
    with pytest.raises(JobFailed, match="set its allow_lan"):
        routes(INPUT, at=queue(allow_lan=False))


def test_schemes_of_the_queue_choose_protocols_and_their_order():
    both = StorageEndpoint("A", False, {"read_lan": (Protocol("davs://h", "/d"), Protocol("root://h", "/d"))})

    class Any(Local):
        name = "any"
        schemes = ("*",)

    def schemes(said):
        at = queue(copytools={"any": {}}, acopytools_schemas=said)
        found = routes_for(SPEC, INPUT, at, {"A": both}, {"any": Any()})
        return [route.scheme for route in found]

    assert schemes({}) == ["davs", "root"]
    assert schemes({"read_lan": {"any": ("root", "davs")}}) == ["root", "davs"]
    assert schemes({"default": {"default": ("root",)}}) == ["root"]
    assert schemes({"write_lan": {"default": ("root",)}}) == ["davs", "root"]


def test_a_queue_has_protocols_for_storages_without():
    at = queue(aprotocols={"read_lan": (Protocol("file://", "/queue"),)})
    (route,) = routes(INPUT, at=at, storages=(storage("A", "write_lan"),))
    assert route.url == "file:///queue/d/in/in.raw"


def test_addresses_that_are_given_with_a_file_are_tried_first():
    found = routes(INPUT.evolve(urls=("file:///here/x", "root://h//x")))
    assert [route.url for route in found] == ["file:///here/x", "file:///data/d/in/in.raw"]
    (alone,) = routes(INPUT.evolve(urls=("file:///here/x",)), at=queue(astorages={}), storages=())
    assert (alone.url, alone.endpoint, alone.root) == ("file:///here/x", "", "")


def test_a_tool_with_a_catalogue_finds_what_no_storage_of_the_queue_has():
    class Finder(Local):
        name = "finder"
        schemes = ("*",)
        catalogue = True

    tools = {"finder": Finder()}
    found = routes(INPUT.evolve(scope="s"), at=queue(copytools={"finder": {}}), tools=tools)
    assert [route.url for route in found] == ["file:///data/d/in/in.raw", "finder:s:in.raw"]
    (alone,) = routes(INPUT, at=queue(copytools={"finder": {}}, astorages={}), storages=(), tools=tools)
    assert alone.url == "finder::in.raw"


# Where an output goes that its storage does not take.


def elsewhere(said=None, params=None, **changes):
    at = queue(astorages={"write_lan": ("A", "B", "C")}, params=params or {}, **changes)
    storages = {name: storage(name, "write_lan", path=f"/{name}") for name in "AB"}
    spec = SPEC.__class__(id=1, attempt=1, transformation="true", alternative_storage=said)
    return [route.endpoint for route in alternatives_for(spec, OUTPUT, at, storages, TOOLS)]


@pytest.mark.parametrize(
    ("job", "params", "found"),
    [
        (None, {}, []),
        (None, {"allow_altstageout": True}, ["B"]),
        (None, {"allow_altstageout": "0"}, []),
        (True, {}, ["B"]),
        (True, {"allow_altstageout": False}, ["B"]),
        (False, {"allow_altstageout": True}, []),
    ],
)
def test_another_storage_is_taken_when_job_or_queue_say_so_and_the_job_has_the_last_word(job, params, found):
    assert elsewhere(job, params) == found
