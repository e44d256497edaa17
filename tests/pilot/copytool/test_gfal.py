"""Real gfal2 against real XRootD and GridFTP servers."""

from __future__ import annotations

import functools
import os
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.contract.queue import Protocol, QueueData, StorageEndpoint
from pilot.copytool.base import Cancel, CopyFailed, Deadline, FailureKind, FileFacts, Transfer
from pilot.copytool.gfal import Gfal
from pilot.copytool.known import Known
from pilot.copytool.toolbox import Toolbox
from pilot.errors import JobFailed
from pilot.settings.everything import Settings
from pilot.settings.gfal import Gfal as Section
from pilot.settings.gridftp import Gridftp
from pilot.settings.sections import Copy
from tests.kits.copytool import CONTENT, SUM, ServedCopyToolKit
from tests.pilot.copytool.on_gridftp import OnGridFTP
from tests.services import xrootd
from tests.services.authority import Authority

pytestmark = pytest.mark.one_python


@pytest.fixture(scope="module")
def storages(grid):
    """An XRootD server that clients trust who trust the GridFTP server."""
    with xrootd.running(authority=grid.authority) as server:
        yield server


def tool_with(programs, **given):
    return Gfal(Settings(gfal=Section(python=str(programs / "python"), connect=3.0, **given)))


class OnXRootD(ServedCopyToolKit):
    """The tests by either protocol of one server."""

    @pytest.fixture
    def tool(self, programs, trusting):
        return tool_with(programs)

    @pytest.fixture
    def storage(self, storages):
        return xrootd.Part(storages)

    def put(self, storage, name, content):
        storage.put(name, content)

    def get(self, storage, name):
        return (storage.folder / name).read_bytes()

    def names(self, storage):
        return storage.names()

    def frozen(self, storage):
        return storage.server.frozen()

    def kill(self, storage):
        storage.server.kill()

    def restart(self, storage):
        storage.server.restart()

    def put_endless(self, storage, name):
        os.truncate(storage.put(name, b""), self.ENDLESS)

    def forbidden(self, storage, name):
        (storage.folder / "closed").mkdir(mode=0o755)
        return self.url(storage, f"closed/{name}")


ENCODED = "XRootD's WebDAV gives files new names as they were encoded for it"
QUESTION = {"test_a_name_is_taken_as_it_is[a?b]": "for XRootD a question mark ends a file's name"}


class TestWebdav(OnXRootD):
    CANNOT = {
        **QUESTION,
        **{f"test_a_name_is_taken_as_it_is[{name}]": ENCODED for name in ("a b", "a%20b", "a#b", "\\xfc", "a'b\"c")},
    }

    def url(self, storage, name):
        return f"{storage.server.davs}/{storage.name}/{name}"

    def unreachable(self, storage, name):
        return f"davs://localhost:1/{name}"


class TestXRoot(OnXRootD):
    CANNOT = QUESTION

    def url(self, storage, name):
        return f"{storage.root}/{name}"

    def unreachable(self, storage, name):
        return f"root://127.0.0.1:1//{name}"


class TestGridFTP(OnGridFTP):
    @pytest.fixture
    def tool(self, programs, trusting):
        return tool_with(programs)


def store(tool, source, url, **more):
    return tool.copy(Transfer(source.name, f"file://{source}", url, **more), Deadline(30), Cancel())


def fetch(tool, url, target, deadline=30.0, **more):
    return tool.copy(Transfer("a", url, f"file://{target}", **more), Deadline(deadline), Cancel())


def test_a_connection_that_was_kept_is_made_anew_when_the_server_has_come_back(grid, programs, trusting):
    own = Section(python=str(programs / "python"), connect=7.0)  # no other test's processes are used
    tool = Gfal(Settings(gfal=own))
    with pytest.raises(CopyFailed):  # nothing good is known of this connection
        tool.checksum(f"{grid.secure}/gone", "adler32", Deadline(30))
    grid.kill()
    grid.start()
    assert tool.stat(f"{grid.secure}/gone", Deadline(30)) is None


@pytest.fixture(scope="module")
def part(storages):
    found = xrootd.Part(storages)
    found.put("a", CONTENT)
    return found


@pytest.fixture(scope="module")
def strangers(grid, tmp_path_factory):
    """Proxies with which something is wrong, and folders of authorities, as variables."""
    stranger = Authority(tmp_path_factory.mktemp("grid") / "stranger", "stranger")
    unmapped = grid.authority.proxy(grid.authority.issue("somebody", delegates=True))
    return {
        "expired": grid.credentials(grid.authority.proxy(grid.person, -1)),
        "not there": grid.credentials(stranger.folder / "gone"),
        "of an unknown authority": grid.credentials(stranger.proxy(stranger.issue("pilot", delegates=True))),
        "of somebody unknown": grid.credentials(unmapped),
        "good, but the server is not trusted": {**grid.environment, "X509_CERT_DIR": str(stranger.hashed())},
    }


WRONG = (
    "expired",
    "not there",
    "of an unknown authority",
    "of somebody unknown",
    "good, but the server is not trusted",
)


@pytest.mark.parametrize("wrong", WRONG)
def test_gridftp_tells_what_is_wrong_with_a_proxy(grid, programs, strangers, monkeypatch, tmp_path, wrong):
    for name, value in strangers[wrong].items():
        monkeypatch.setenv(name, value)
    with pytest.raises(CopyFailed) as caught:
        fetch(tool_with(programs), f"{grid.secure}/a", tmp_path / "a")
    assert caught.value.kind is FailureKind.AUTHENTICATION


@pytest.mark.parametrize("wrong", ["expired", "good, but the server is not trusted"])
def test_what_is_wrong_with_a_proxy_is_told_of_webdav_too(part, programs, strangers, monkeypatch, tmp_path, wrong):
    for name, value in strangers[wrong].items():
        monkeypatch.setenv(name, value)
    with pytest.raises(CopyFailed) as caught:
        fetch(tool_with(programs), f"{part.server.davs}/{part.name}/a", tmp_path / "a")
    assert caught.value.kind is FailureKind.AUTHENTICATION
    assert "expired" in caught.value.words or "not trusted" in caught.value.words


def test_proxies_are_shown_by_the_xroot_protocol_too(grid, programs, strangers, monkeypatch, tmp_path):
    with xrootd.running(authority=grid.authority, proxies=True) as server:
        server.put("a", CONTENT)
        url = f"{server.root.replace('127.0.0.1', 'localhost')}/a"
        for name, value in grid.environment.items():
            monkeypatch.setenv(name, value)
        assert fetch(tool_with(programs), url, tmp_path / "a").size == len(CONTENT)
        monkeypatch.setenv("X509_USER_PROXY", strangers["expired"]["X509_USER_PROXY"])
        with pytest.raises(CopyFailed) as caught:
            fetch(tool_with(programs), url, tmp_path / "b")
    assert caught.value.kind is FailureKind.AUTHENTICATION


def test_a_copy_by_the_xroot_protocol_brings_its_checksum(part, programs, trusting, tmp_path):
    (tmp_path / "a").write_bytes(CONTENT)
    assert store(tool_with(programs), tmp_path / "a", f"{part.root}/b").checksum == SUM
    assert fetch(tool_with(programs), f"{part.root}/a", tmp_path / "c", checksum=SUM).checksum == SUM
    assert fetch(tool_with(programs, verify=False), f"{part.root}/a", tmp_path / "c", checksum=SUM).checksum is None
    with pytest.raises(CopyFailed) as caught:
        fetch(tool_with(programs), f"{part.root}/a", tmp_path / "d", checksum="adler32:00000001")
    assert caught.value.kind is FailureKind.CHECKSUM
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("registered", [SUM, None])
def test_a_bit_that_has_flipped_on_a_disk_is_found_though_the_server_does_not_know(
    part, programs, trusting, tmp_path, registered
):
    path = part.put("flipped", CONTENT)
    tool, url = tool_with(programs), f"{part.root}/flipped"
    assert tool.checksum(url, "adler32", Deadline(30)) == SUM  # which the server keeps
    xrootd.flip_a_bit(path)
    with pytest.raises(CopyFailed) as caught:
        fetch(tool, url, tmp_path / "a", checksum=registered)
    assert caught.value.kind is FailureKind.CHECKSUM


def test_a_full_storage_is_told_as_such(programs, trusting, tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 8_000_000)
    with xrootd.running(disk=2**20) as server, pytest.raises(CopyFailed) as caught:
        store(tool_with(programs), tmp_path / "a", f"{server.root}/a")
    assert caught.value.kind is FailureKind.NO_SPACE


@pytest.mark.parametrize("protocol", ["root", "davs", "gsiftp"])
def test_a_storage_whose_root_is_not_there_is_not_made_up(grid, part, programs, trusting, tmp_path, protocol):
    (tmp_path / "a").write_bytes(CONTENT)
    roots = {"root": part.root, "davs": f"{part.server.davs}/{part.name}", "gsiftp": grid.secure}
    with pytest.raises(CopyFailed, match="the storage's folder is not there") as caught:
        store(tool_with(programs), tmp_path / "a", f"{roots[protocol]}/pool/a", root=f"{roots[protocol]}/pool")
    assert caught.value.kind is FailureKind.UNREACHABLE


def test_a_new_name_that_a_server_has_not_understood_is_told(part, programs, trusting):
    part.put("old", CONTENT)
    base = f"{part.server.davs}/{part.name}"
    with pytest.raises(CopyFailed, match="has another name now"):
        tool_with(programs).rename(f"{base}/old", f"{base}/new name", Deadline(30))


def test_the_programs_do_what_the_module_does(part, programs, trusting, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    tool, base = Gfal(Settings(gfal=Section(use="programs", connect=3.0, streams=2))), f"{part.root}/programs"
    (tmp_path / "a").write_bytes(CONTENT)
    assert store(tool, tmp_path / "a", f"{base}/new/a", root=part.root) == FileFacts(len(CONTENT), SUM)
    assert tool.stat(f"{base}/new/a", Deadline(30)) == FileFacts(len(CONTENT))
    assert tool.stat(f"{base}/gone", Deadline(30)) is None
    assert tool.checksum(f"{base}/new/a", "md5", Deadline(30)) == "md5:f08eeede3b7d2a99ca13af9a49685d6a"
    tool.rename(f"{base}/new/a", f"{base}/new/b", Deadline(30))
    assert fetch(tool, f"{base}/new/b", tmp_path / "b", checksum=SUM) == FileFacts(len(CONTENT), SUM)
    assert (tmp_path / "b").read_bytes() == CONTENT
    tool.remove(f"{base}/new/b", Deadline(30))
    tool.remove(f"{base}/new/b", Deadline(30))
    for kind, failing in {
        FailureKind.NO_SUCH_FILE: lambda: fetch(tool, f"{base}/gone", tmp_path / "c"),
        FailureKind.CHECKSUM: lambda: fetch(tool, f"{part.root}/a", tmp_path / "c", checksum="adler32:00000001"),
    }.items():
        with pytest.raises(CopyFailed) as caught:
            failing()
        assert caught.value.kind is kind
    with part.server.frozen(), pytest.raises(CopyFailed) as caught:
        fetch(tool, f"{part.root}/a", tmp_path / "c", deadline=1.0)
    assert caught.value.kind is FailureKind.TIMEOUT


def test_the_programs_are_taken_where_the_module_is_not_to_be_had(part, programs, trusting, tmp_path):
    """The queue's ``setup`` makes them known; this Python here has no gfal2."""
    setup = tmp_path / "setup.sh"
    setup.write_text(f"export PATH={programs}:$PATH\n")
    assert Gfal(says={"setup": str(setup)}).stat(f"{part.root}/a", Deadline(30)).size == len(CONTENT)


def test_gfal2_that_is_not_there_at_all_is_told(part):
    with pytest.raises(CopyFailed, match="gfal2 is not on this node") as caught:
        Gfal().stat(f"{part.root}/a", Deadline(30))
    assert caught.value.kind is None


class Bearers(SimpleHTTPRequestHandler):
    """Shows files to whoever shows the token; knows of no checksums."""

    def do_HEAD(self):
        if self.headers["Authorization"] == "Bearer of-the-storage-1":
            return super().do_HEAD()
        return self.send_error(401)

    def do_GET(self):
        if self.headers["Authorization"] == "Bearer of-the-storage-1":
            return super().do_GET()
        return self.send_error(401)

    def log_message(self, *words):
        pass


@pytest.fixture
def bearers(tmp_path):
    (tmp_path / "www").mkdir()
    (tmp_path / "www/a").write_bytes(CONTENT)
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Bearers, directory=tmp_path / "www")) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("use", ["bindings", "programs"])
def test_a_token_is_shown_from_its_file(bearers, programs, monkeypatch, tmp_path, use):
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "token").write_text("of-the-storage-1\n")
    with pytest.raises(CopyFailed) as caught:
        fetch(tool_with(programs, use=use), f"{bearers}/a", tmp_path / "a")
    assert caught.value.kind is FailureKind.AUTHENTICATION
    tool = tool_with(programs, use=use, token_file=str(tmp_path / "token"))
    assert fetch(tool, f"{bearers}/a", tmp_path / "a") == FileFacts(len(CONTENT))
    monkeypatch.setenv("BEARER_TOKEN_FILE", str(tmp_path / "token"))
    assert tool_with(programs, use=use).stat(f"{bearers}/a", Deadline(30)) == FileFacts(len(CONTENT))


@pytest.mark.parametrize("use", ["bindings", "programs"])
def test_a_token_that_is_not_there_is_no_missing_file(programs, monkeypatch, tmp_path, use):
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    tool = tool_with(programs, use=use, token_file=str(tmp_path / "gone"))
    for ask in (tool.stat, tool.remove):
        with pytest.raises(CopyFailed, match="no token can be read from .*gone") as caught:
            ask("davs://localhost:1/a", Deadline(30))
        assert caught.value.kind is FailureKind.AUTHENTICATION


def test_options_reach_gfal2(programs, tmp_path):
    options = ("HTTP PLUGIN:INSECURE=true", "CORE:COPY_BUFFERSIZE=65536", "X509:CERT=/none")
    (tmp_path / "a").write_bytes(CONTENT)
    tool = tool_with(programs, options=options)
    assert fetch(tool, f"file://{tmp_path}/a", tmp_path / "b").size == len(CONTENT)
    assert (tmp_path / "b").read_bytes() == CONTENT


@pytest.fixture
def engine(grid, part, programs):
    """For a queue whose jobs read by WebDAV and write by GridFTP."""
    near = Protocol(f"{part.server.davs}", f"/{part.name}")
    far = Protocol(grid.secure.removesuffix(str(grid.storage)), str(grid.storage))
    storages = {
        "NEAR": StorageEndpoint("NEAR", False, {"r": (near,)}),
        "FAR": StorageEndpoint("FAR", False, {"w": (far,)}),
    }
    queue = QueueData(
        "Q",
        copytools={"gfalcopy": {}, "gridftp": {}},
        acopytools={"read_lan": ("gfalcopy",), "write_lan": ("gridftp",)},
        astorages={"read_lan": ("NEAR",), "write_lan": ("FAR",)},
    )
    settings = Settings(
        gfal=Section(python=str(programs / "python"), connect=3.0),
        gridftp=Gridftp(program=str(grid.copy_program)),
        copy=Copy(attempts=1),
    )
    return Toolbox(Known({}), settings).engine(queue, storages)


IN = FileSpec("a.raw", Role.INPUT, dataset="in", size=len(CONTENT), checksum=SUM)
OUT = FileSpec("a.root", Role.OUTPUT, dataset="out")


def stage(engine, folder):
    spec = JobSpec(id=7, attempt=1, transformation="true", inputs=(IN,), outputs=(OUT,))
    (arrived,) = engine.stage_in(spec, folder, Deadline(60), Cancel())
    (folder / "a.raw").rename(folder / "a.root")
    (stored,) = engine.stage_out(spec, (OUT,), folder, Deadline(60), Cancel())
    return arrived, stored


def test_a_job_reads_by_webdav_and_writes_by_gridftp(engine, grid, part, trusting, tmp_path):
    part.put("in/a.raw", CONTENT)
    arrived, stored = stage(engine, tmp_path)
    assert (arrived.url, arrived.checksum) == (f"{part.server.davs}/{part.name}/in/a.raw", SUM)
    assert (stored.url, stored.checksum, stored.size) == (f"{grid.secure}/out/a.root", SUM, len(CONTENT))
    assert grid.files() == ["out/a.root"]
    assert (grid.storage / "out/a.root").read_bytes() == CONTENT
    grid.empty()


def test_an_expired_proxy_is_told_by_its_code_both_ways(engine, grid, part, strangers, monkeypatch, tmp_path):
    part.put("in/a.raw", CONTENT)
    for name, value in strangers["expired"].items():
        monkeypatch.setenv(name, value)
    with pytest.raises(JobFailed) as caught:
        stage(engine, tmp_path)
    assert caught.value.code is ErrorCode.STAGE_IN_AUTHENTICATION
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a.root").write_bytes(CONTENT)
    spec = JobSpec(id=7, attempt=1, transformation="true", outputs=(OUT,))
    with pytest.raises(JobFailed) as caught:
        engine.stage_out(spec, (OUT,), tmp_path, Deadline(60), Cancel())
    assert caught.value.code is ErrorCode.STAGE_OUT_AUTHENTICATION
    assert grid.files() == []
