"""XRootD's client as a copy tool, by its Python module and by its programs, against a real server."""

from __future__ import annotations

import functools
import os
import shutil
import sys

import pytest

from pilot.copytool.base import Cancel, CopyFailed, Deadline, FailureKind, Transfer
from pilot.copytool.known import Known
from pilot.copytool.xrdcp import Xrdcp
from pilot.settings import Settings
from pilot.settings import xrdcp as section
from tests.kits.copytool import CONTENT, SUM, Doing, ServedCopyToolKit
from tests.services.ports import free_ports
from tests.services.xrootd import Part, flip_a_bit, running

pytestmark = pytest.mark.one_python


WAYS = ("bindings", "programs")


class OnXRootD(ServedCopyToolKit):
    WAY = ""
    CANNOT = {
        "test_a_name_is_taken_as_it_is[a?b]": "the protocol has words for the server after a question mark",
    }

    @pytest.fixture
    def tool(self):
        return tool(way=self.WAY)

    @pytest.fixture
    def storage(self, xrootd, xrootd_client):
        return Part(xrootd)

    def url(self, storage, name):
        return f"{storage.root}/{name}"

    def put(self, storage, name, content):
        storage.put(name, content)

    def get(self, storage, name):
        return (storage.folder / name).read_bytes()

    def names(self, storage):
        return storage.names()

    def put_endless(self, storage, name):
        os.truncate(storage.put(name, b""), self.ENDLESS)

    def frozen(self, storage):
        return storage.server.frozen()

    def kill(self, storage):
        storage.server.kill()

    def restart(self, storage):
        storage.server.start()

    def unreachable(self, storage, name):
        return f"root://127.0.0.1:{free_ports(1)[0]}//{name}"

    def forbidden(self, storage, name):
        folder = storage.folder / "locked"
        folder.mkdir()
        folder.chmod(0o555)
        return f"{storage.root}/locked/{name}"


class TestBindings(OnXRootD):
    WAY = "bindings"


class TestPrograms(OnXRootD):
    WAY = "programs"


@pytest.fixture
def part(xrootd, xrootd_client):
    return Part(xrootd)


@pytest.fixture(params=WAYS)
def made(request):
    """Make a tool that works by either way."""
    return functools.partial(tool, way=request.param)


def tool(**settings):
    return Xrdcp(Settings(xrdcp=section.Xrdcp(**settings)))


def store(tool, source, url, root=""):
    return tool.copy(Transfer(source.name, f"file://{source}", url, root=root), Deadline(30), Cancel())


def fetch(tool, url, target, checksum=None, lfn="a", deadline=30.0):
    return tool.copy(Transfer(lfn, url, f"file://{target}", checksum=checksum), Deadline(deadline), Cancel())


def test_the_checksum_comes_with_the_copy_both_ways(made, part, tmp_path):
    (tmp_path / "a").write_bytes(CONTENT)
    assert store(made(), tmp_path / "a", f"{part.root}/a").checksum == SUM
    assert fetch(made(), f"{part.root}/a", tmp_path / "b").checksum == SUM


def test_the_checksum_is_of_the_kind_that_is_registered(made, part, tmp_path):
    part.put("a", CONTENT)
    right = "md5:f08eeede3b7d2a99ca13af9a49685d6a"
    assert fetch(made(), f"{part.root}/a", tmp_path / "b", checksum="md5:" + "0" * 32).checksum == right


def test_the_checksum_is_of_what_arrived_not_of_what_the_server_says(made, part, tmp_path):
    path = part.put("a", CONTENT)
    assert made().checksum(f"{part.root}/a", "adler32", Deadline(30)) == SUM  # which the server keeps
    flip_a_bit(path)
    assert made().checksum(f"{part.root}/a", "adler32", Deadline(30)) == SUM
    assert fetch(made(), f"{part.root}/a", tmp_path / "b").checksum not in (None, SUM)


def test_a_storage_whose_root_is_not_there_is_not_made_up(made, part, tmp_path):
    (tmp_path / "a").write_bytes(CONTENT)
    with pytest.raises(CopyFailed, match="the storage's folder is not there") as caught:
        store(made(), tmp_path / "a", f"{part.root}/pool/new/a", root=f"{part.root}/pool")
    assert caught.value.kind is FailureKind.UNREACHABLE
    assert part.names() == []
    (part.folder / "pool").mkdir()
    part.server.give(part.folder / "pool")
    store(made(), tmp_path / "a", f"{part.root}/pool/new/a", root=f"{part.root}/pool")
    assert part.names() == ["pool/new/a"]


def test_a_question_mark_in_a_name_is_refused_and_nothing_is_stored_under_half_of_it(made, part, tmp_path):
    (tmp_path / "a?b").write_bytes(CONTENT)
    part.put("a", CONTENT)
    url = f"{part.root}/a?b"
    acts = [
        lambda: store(made(), tmp_path / "a?b", url),
        lambda: fetch(made(), url, tmp_path / "b", lfn="a?b"),
        lambda: made().stat(url, Deadline(30)),
        lambda: made().checksum(url, "adler32", Deadline(30)),
        lambda: made().rename(f"{part.root}/a", url, Deadline(30)),
        lambda: made().remove(url, Deadline(30)),
    ]
    for act in acts:
        with pytest.raises(CopyFailed, match="no part of a file's name"):
            act()
    assert part.names() == ["a"]


def test_what_a_catalogue_has_put_after_a_name_is_for_the_server(made, part, tmp_path):
    part.put("a", CONTENT)
    assert fetch(made(), f"{part.root}/a?svcClass=disk", tmp_path / "b").size == len(CONTENT)


def test_a_file_is_copied_by_several_connections_and_with_the_sites_own_options(part, tmp_path):
    content = CONTENT * 2000
    part.put("a", content)
    facts = fetch(tool(streams=4, options=("--xattr",)), f"{part.root}/a", tmp_path / "b")
    assert facts.size == len(content)
    assert fetch(tool(way="bindings", streams=4), f"{part.root}/a", tmp_path / "b").checksum == facts.checksum
    with pytest.raises(CopyFailed, match="Invalid option, '--no-such'.$"):
        fetch(tool(options=("--no-such",)), f"{part.root}/a", tmp_path / "b")


def test_a_server_that_says_nothing_is_given_up_before_the_time_is_up(made, part, tmp_path):
    part.put("a", CONTENT)
    with part.server.frozen():
        doing = Doing(fetch, made(silence=1.0, connect=1.0), f"{part.root}/a", tmp_path / "b", None, "a", 60.0)
        failed = doing.end(30)
    assert failed.kind is FailureKind.TIMEOUT
    assert "Socket timeout" in failed.words or "expired" in failed.words


def test_by_tls_a_server_is_talked_to_whose_authority_is_known(made, part, tmp_path, monkeypatch):
    part.put("a", CONTENT)
    url = f"{part.server.roots}/{part.name}/a"
    monkeypatch.setenv("X509_CERT_DIR", str(tmp_path))
    with pytest.raises(CopyFailed):
        fetch(made(), url, tmp_path / "b")
    monkeypatch.setenv("X509_CERT_DIR", str(part.server.authority.hashed()))
    assert fetch(made(), url, tmp_path / "b").checksum == SUM
    assert made().stat(url, Deadline(30)).size == len(CONTENT)


def test_the_queues_script_is_sourced_before(part, tmp_path, monkeypatch):
    part.put("a", CONTENT)
    script = tmp_path / "setup.sh"
    script.write_text(f"export PATH='{os.environ['PATH']}'\necho sourced >>'{tmp_path}/said'\n")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    told = Settings(xrdcp=section.Xrdcp(way="programs"))
    assert Xrdcp(told, {"setup": str(script)}).stat(f"{part.root}/a", Deadline(30)).size == len(CONTENT)
    assert (tmp_path / "said").read_text() == "sourced\n"


def test_programs_that_are_not_there_are_named(part, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    if shutil.which("xrdcp"):
        pytest.skip("not tested: this machine has an xrdcp of its own")
    with pytest.raises(CopyFailed, match="xrdcp") as caught:
        fetch(tool(way="programs"), f"{part.root}/a", tmp_path / "b")
    assert caught.value.kind is None


@pytest.fixture
def no_module(tmp_path):
    """A Python that cannot import XRootD."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    python.chmod(0o755)
    return str(python)


def test_the_module_is_taken_where_it_is_and_the_programs_where_it_is_not(part, tmp_path, monkeypatch, no_module):
    part.put("a", CONTENT)
    url = f"{part.root}/a"
    assert tool(python=no_module).stat(url, Deadline(30)).size == len(CONTENT)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # without the programs
    assert tool().stat(url, Deadline(30)).size == len(CONTENT)
    assert tool(python=sys.executable).stat(url, Deadline(30)).size == len(CONTENT)
    with pytest.raises(CopyFailed, match="has no module XRootD .* install the extra xrootd, or set xrdcp.way to prog"):
        tool(python=no_module, way="bindings").stat(url, Deadline(30))


def test_options_of_the_program_are_not_passed_over_by_the_module(part, tmp_path):
    with pytest.raises(CopyFailed, match=r"xrdcp.options \(--tlsnodata\) are the program's: leave them out"):
        tool(way="bindings", options=("--tlsnodata",)).stat(f"{part.root}/a", Deadline(30))


def test_the_node_needs_what_the_settings_take():
    def needs(**settings):
        return Xrdcp.needs(Settings(xrdcp=section.Xrdcp(**settings)))

    assert needs() == needs(way="bindings") == ()
    assert needs(python="/opt/python") == needs(way="bindings", python="/opt/python") == ("/opt/python",)
    assert needs(way="programs", python="/opt/python") == needs(options=("--tlsnodata",)) == ("xrdcp", "xrdfs")


class Counted:
    """A way whose calls are counted."""

    def __init__(self, way, calls):
        self._way, self._calls = way, calls

    def __getattr__(self, name):
        self._calls.append(name)
        return getattr(self._way, name)


def test_nothing_is_asked_twice_for_a_file_that_is_stored(made, part, tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(CONTENT)
    storing, calls = made(), []
    way = storing._way()
    monkeypatch.setattr(storing, "_way", lambda: Counted(way, calls))
    assert store(storing, tmp_path / "a", f"{part.root}/a", root=part.root).seen
    assert calls == ["stat", "copy", "stat"]  # the storage's folder, the file, whether all of it is there
    store(storing, tmp_path / "a", f"{part.root}/b", root=part.root)
    assert calls[3:] == ["copy", "stat"]


def test_connections_are_kept_and_made_anew_when_a_server_has_died(xrootd_client, tmp_path):
    with running() as server:
        server.put("a", CONTENT)
        url, asking = f"{server.root}/a", tool(way="bindings")
        assert asking.stat(url, Deadline(30)).size == len(CONTENT)
        server.kill()
        with pytest.raises(CopyFailed) as caught:
            asking.stat(url, Deadline(30))
        assert caught.value.kind is FailureKind.UNREACHABLE
        server.start()
        assert asking.stat(url, Deadline(5)).size == len(CONTENT)
        server.restart()
        assert asking.stat(url, Deadline(5)).size == len(CONTENT)


def test_a_full_disk_of_the_server_is_no_space_there(made, xrootd_client, tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    with running(disk=65536) as server, pytest.raises(CopyFailed) as caught:
        store(made(), tmp_path / "a", f"{server.root}/a")
    assert caught.value.kind is FailureKind.NO_SPACE


def test_a_full_disk_of_the_node_is_no_space_here(made, part, small_disk):
    part.put("a", b"x" * 100_000)
    with pytest.raises(CopyFailed) as caught:
        fetch(made(), f"{part.root}/a", small_disk / "b")
    assert caught.value.kind is FailureKind.NO_SPACE
    assert list(small_disk.iterdir()) == []


def test_a_proxy_that_has_expired_is_a_matter_of_authentication(xrootd_client, tmp_path, monkeypatch):
    with running(proxies=True) as server:
        server.put("a", CONTENT)
        url = f"{server.root.replace('127.0.0.1', 'localhost')}/a"
        person = server.authority.issue("pilot", delegates=True)
        monkeypatch.setenv("X509_CERT_DIR", str(server.authority.hashed()))
        monkeypatch.setenv("X509_USER_PROXY", str(server.authority.proxy(person)))
        for way in WAYS:
            assert fetch(tool(way=way), url, tmp_path / "b").checksum == SUM
        monkeypatch.setenv("X509_USER_PROXY", str(server.authority.proxy(person, -1)))
        for way in WAYS:
            with pytest.raises(CopyFailed, match="Auth failed") as caught:
                fetch(tool(way=way), url, tmp_path / "b")
            assert caught.value.kind is FailureKind.AUTHENTICATION


def test_the_tool_is_known_by_its_name():
    assert Known({})["xrdcp"] is Xrdcp
    assert Xrdcp.reaches("root")
    assert not Xrdcp.reaches("davs")
