"""What befalls files on their way to and from real XRootD servers, and what the engine makes of it."""

from __future__ import annotations

import os
import zlib

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.contract.queue import Protocol, QueueData, StorageEndpoint
from pilot.copytool.attempts import Policy
from pilot.copytool.base import Cancel, Deadline
from pilot.copytool.engine import Engine
from pilot.copytool.together import Turns
from pilot.copytool.xrdcp import Xrdcp
from pilot.errors import JobFailed
from pilot.settings import Settings
from pilot.settings import xrdcp as section
from tests.kits.copytool import Doing, until
from tests.services.ports import free_ports
from tests.services.xrootd import Part, flip_a_bit, running

pytestmark = pytest.mark.one_python

CONTENT = b"events " * 500
#: Options by way, and bytes of a file whose copying leaves time then to do something meanwhile.
OPTIONS = {"bindings": (), "programs": ("--xrate", "48m")}
LARGE = {"bindings": 256 * 2**20, "programs": 64 * 2**20}
#: Files of a job that has many: programs are processes, several for each of them.
MANY = {"bindings": 200, "programs": 60}
TWICE = Policy(2, 0.01)


def adler(content):
    return f"adler32:{zlib.adler32(content):08x}"


class Place:
    """A job's folder, and an engine that knows some storages by their names: S1, S2, ... ."""

    def __init__(self, way, folder, *urls, policy=TWICE, turns=4):
        self.folder, self.cancel, self.told = folder / "job", Cancel(), []
        self.folder.mkdir()
        storages = {}
        for number, url in enumerate(urls, 1):
            host, _, path = url.rpartition("//")
            where = (Protocol(host, f"/{path}"),)
            storages[f"S{number}"] = StorageEndpoint(f"S{number}", False, {"r": where, "w": where})
        about = QueueData("Q", copytools={"xrdcp": {}}, astorages={"default": tuple(storages)})
        own = section.Xrdcp(way=way, connect=5.0, silence=10.0, options=OPTIONS[way])
        tools = {"xrdcp": Xrdcp(Settings(xrdcp=own))}
        self.engine = Engine(tools, storages, about, policy=policy, turns=Turns(turns))

    def fetch(self, *files, deadline=60.0):
        spec = JobSpec(id=7, attempt=1, transformation="true", inputs=files)
        return self.engine.stage_in(spec, self.folder, Deadline(deadline), self.cancel, self.told.append)

    def store(self, *files, deadline=60.0):
        spec = JobSpec(id=7, attempt=1, transformation="true", outputs=files)
        return self.engine.stage_out(spec, files, self.folder, Deadline(deadline), self.cancel, self.told.append)

    def fails(self, code, call, *files, **options):
        with pytest.raises(JobFailed) as caught:
            call(*files, **options)
        assert caught.value.code is code, caught.value
        return caught.value

    def names(self):
        return sorted(path.name for path in self.folder.iterdir())

    def arrived(self):
        return sorted(file.lfn for file in self.told)

    def write(self, lfn, content=CONTENT):
        (self.folder / lfn).write_bytes(content)
        return FileSpec(lfn, Role.OUTPUT, dataset="out")


@pytest.fixture
def part(xrootd, xrootd_client):
    return Part(xrootd)


@pytest.fixture(params=["bindings", "programs"])
def way(request):
    return request.param


def given(lfn="a", content=CONTENT, **facts):
    return FileSpec(lfn, Role.INPUT, dataset="in", **{"size": len(content), "checksum": adler(content), **facts})


def large(lfn, way):
    return given(lfn, size=LARGE[way], checksum=None)


def nobody_there():
    return f"root://127.0.0.1:{free_ports(1)[0]}//data"


# What goes well, once, so that the rest says something.


def test_files_go_and_come_by_their_names_and_with_their_checksums(way, part, tmp_path):
    place = Place(way, tmp_path, part.root)
    stored = place.store(place.write("a.root"), place.write("b.root", b"b"))
    assert part.names() == ["out/a.root", "out/b.root"]
    assert [file.checksum for file in stored] == [adler(CONTENT), adler(b"b")]
    assert stored[0].url == f"{part.root}/out/a.root"
    part.put("in/a", CONTENT)
    (file,) = place.fetch(given())
    assert (file.size, file.checksum, file.endpoint) == (len(CONTENT), adler(CONTENT), "S1")
    assert (place.folder / "a").read_bytes() == CONTENT


# Servers that die and servers that hang.


def test_an_input_comes_whole_after_its_server_has_died_and_come_back(way, part, tmp_path):
    os.truncate(part.put("in/large", b""), LARGE[way])
    part.put("in/a", CONTENT)
    place = Place(way, tmp_path, part.root, policy=Policy(5, 0.2))
    fetching = Doing(place.fetch, large("large", way), given())
    until(lambda: any(place.folder.glob("large*")) or not fetching.is_alive())
    part.server.kill()
    assert fetching.is_alive()
    part.server.start()
    assert fetching.end(60) is None
    assert place.arrived() == ["a", "large"]
    assert place.names() == ["a", "large"]
    assert (place.folder / "large").stat().st_size == LARGE[way]


def test_an_input_whose_server_stays_dead_is_told_as_unreachable(way, part, tmp_path):
    os.truncate(part.put("in/large", b""), LARGE[way])
    place = Place(way, tmp_path, part.root)
    fetching = Doing(place.fetch, large("large", way))
    until(lambda: any(place.folder.glob("large*")) or not fetching.is_alive())
    part.server.kill()
    try:
        failed = fetching.end(60)
    finally:
        part.server.start()
    assert failed.code is ErrorCode.UNREACHABLE_NETWORK
    assert failed.facts["lfn"] == "large"
    assert place.names() == []


def test_an_output_whose_server_dies_has_its_name_only_when_it_is_whole(way, part, tmp_path):
    place = Place(way, tmp_path, part.root, policy=Policy(5, 0.2))
    output = place.write("large.root", b"")
    os.truncate(place.folder / "large.root", LARGE[way])
    storing = Doing(place.store, output)
    until(lambda: part.names() or not storing.is_alive())
    assert part.names() == ["out/large.root.7-1.part"]
    part.server.kill()
    assert storing.is_alive()
    part.server.start()
    assert storing.end(60) is None
    assert part.names() == ["out/large.root"]
    assert (part.folder / "out" / "large.root").stat().st_size == LARGE[way]


def test_a_server_that_hangs_costs_the_time_of_its_files_and_no_more(way, part, tmp_path):
    part.put("in/a", CONTENT)
    place = Place(way, tmp_path, part.root, policy=Policy(1, 0.01, base_time=1.0))
    output = place.write("a.root")
    with part.server.frozen():
        place.fails(ErrorCode.STAGE_IN_TIMEOUT, place.fetch, given())
        # One that has hung for a try does not answer when what is half there is to be removed, either.
        storing = Doing(lambda: place.fails(ErrorCode.STAGE_OUT_TIMEOUT, place.store, output))
        assert storing.end(30) is None
    assert storing.took < 10
    until(lambda: part.names() == ["in/a"])
    assert place.names() == ["a.root"]


def test_one_good_copy_of_three_is_enough(way, part, tmp_path, xrootd_client):
    with running() as hanging:
        for server in (hanging, part):
            server.put("in/a", CONTENT)
        place = Place(
            way, tmp_path, nobody_there(), f"{hanging.root}/", part.root, policy=Policy(1, 0.01, base_time=2.0)
        )
        with hanging.frozen():
            (file,) = place.fetch(given())
    assert file.endpoint == "S3"
    assert (place.folder / "a").read_bytes() == CONTENT
    assert place.names() == ["a"]


# Disks that are full, disks that lie, catalogues that err.


def test_what_a_full_disk_does_not_take_is_told_and_the_rest_is_stored(way, xrootd_client, tmp_path):
    with running(disk=2**20) as server:
        place = Place(
            way, tmp_path, f"{server.root}/data", turns=1
        )  # at once, the large one would leave the others no room
        (server.data / "data").mkdir()
        server.give(server.data / "data")
        outputs = [place.write("a"), place.write("large", os.urandom(3 * 2**20)), place.write("b")]
        failed = place.fails(ErrorCode.NO_REMOTE_SPACE, place.store, *outputs)
        assert failed.facts["lfn"] == "large"
        assert server.files() == ["data/out/a", "data/out/b"]
    assert place.arrived() == ["a", "b"]


def test_a_wrong_checksum_in_the_catalogue_is_told_and_the_rest_arrives(way, part, tmp_path):
    for lfn in ("a", "b", "c"):
        part.put(f"in/{lfn}", CONTENT)
    place = Place(way, tmp_path, part.root)
    files = (given("a"), given("b", checksum="adler32:00000001"), given("c", checksum="md5:" + "0" * 32))
    failed = place.fails(ErrorCode.GET_ADLER_MISMATCH, place.fetch, *files)
    assert failed.facts["lfns"] == ("b", "c")
    assert f"{adler(CONTENT)} arrived, adler32:00000001 is registered" in failed.detail
    assert place.names() == ["a"]


def test_a_bit_that_has_flipped_on_a_disk_is_found_though_the_server_does_not_know(way, part, tmp_path):
    path = part.put("in/a", CONTENT)
    place = Place(way, tmp_path, part.root)
    assert Xrdcp().checksum(f"{part.root}/in/a", "adler32", Deadline(30)) == adler(CONTENT)  # kept by the server
    flip_a_bit(path)
    assert Xrdcp().checksum(f"{part.root}/in/a", "adler32", Deadline(30)) == adler(CONTENT)
    place.fails(ErrorCode.GET_ADLER_MISMATCH, place.fetch, given())
    assert place.names() == []


def test_another_copy_is_taken_where_a_bit_has_flipped(way, part, xrootd, tmp_path):
    other = Part(xrootd)
    flip_a_bit(part.put("in/a", CONTENT))
    other.put("in/a", CONTENT)
    place = Place(way, tmp_path, part.root, other.root)
    (file,) = place.fetch(given())
    assert file.endpoint == "S2"
    assert (place.folder / "a").read_bytes() == CONTENT


def test_of_very_many_files_those_that_can_be_delivered_are(way, part, tmp_path):
    place, files, wrong = Place(way, tmp_path, part.root, policy=Policy(1, 0.01)), [], {}
    for number in range(MANY[way]):
        lfn = f"f{number:03}"
        content = lfn.encode() * 100
        files.append(given(lfn, content))
        if number % (MANY[way] // 10) == 3:
            wrong[lfn] = ("missing", "flipped", "forbidden")[len(wrong) % 3]
        if wrong.get(lfn) != "missing":
            path = part.put(f"in/{lfn}", content)
        if wrong.get(lfn) == "flipped":
            flip_a_bit(path)
        if wrong.get(lfn) == "forbidden":
            path.chmod(0)
    failed = place.fails(ErrorCode.MISSING_INPUT, place.fetch, *files, deadline=120.0)
    assert failed.facts["lfns"] == tuple(wrong)
    assert f"10 of {MANY[way]} files failed" in failed.detail
    good = [file.lfn for file in files if file.lfn not in wrong]
    assert place.arrived() == place.names() == good
    assert all((place.folder / lfn).read_bytes() == lfn.encode() * 100 for lfn in good)
