"""XRootD's programs as a copy tool, against a real server, and what their words and figures mean."""

from __future__ import annotations

import os
import shutil

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


class TestXrdcp(ServedCopyToolKit):
    CANNOT = {
        "test_a_name_is_taken_as_it_is[a?b]": "the protocol has words for the server after a question mark",
    }

    @pytest.fixture
    def tool(self):
        return Xrdcp()

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


@pytest.fixture
def part(xrootd, xrootd_client):
    return Part(xrootd)


def tool(**settings):
    return Xrdcp(Settings(xrdcp=section.Xrdcp(**settings)))


def store(tool, source, url, root=""):
    return tool.copy(Transfer(source.name, f"file://{source}", url, root=root), Deadline(30), Cancel())


def fetch(tool, url, target, checksum=None, lfn="a", deadline=30.0):
    return tool.copy(Transfer(lfn, url, f"file://{target}", checksum=checksum), Deadline(deadline), Cancel())


def test_the_checksum_comes_with_the_copy_both_ways(part, tmp_path):
    (tmp_path / "a").write_bytes(CONTENT)
    assert store(tool(), tmp_path / "a", f"{part.root}/a").checksum == SUM
    assert fetch(tool(), f"{part.root}/a", tmp_path / "b").checksum == SUM


def test_the_checksum_is_of_the_kind_that_is_registered(part, tmp_path):
    part.put("a", CONTENT)
    right = "md5:f08eeede3b7d2a99ca13af9a49685d6a"
    assert fetch(tool(), f"{part.root}/a", tmp_path / "b", checksum="md5:" + "0" * 32).checksum == right


def test_the_checksum_is_of_what_arrived_not_of_what_the_server_says(part, tmp_path):
    path = part.put("a", CONTENT)
    assert tool().checksum(f"{part.root}/a", "adler32", Deadline(30)) == SUM  # which the server keeps
    flip_a_bit(path)
    assert tool().checksum(f"{part.root}/a", "adler32", Deadline(30)) == SUM
    assert fetch(tool(), f"{part.root}/a", tmp_path / "b").checksum not in (None, SUM)


def test_a_storage_whose_root_is_not_there_is_not_made_up(part, tmp_path):
    (tmp_path / "a").write_bytes(CONTENT)
    with pytest.raises(CopyFailed, match="the storage's folder is not there") as caught:
        store(tool(), tmp_path / "a", f"{part.root}/pool/new/a", root=f"{part.root}/pool")
    assert caught.value.kind is FailureKind.UNREACHABLE
    assert part.names() == []
    (part.folder / "pool").mkdir()
    part.server.give(part.folder / "pool")
    store(tool(), tmp_path / "a", f"{part.root}/pool/new/a", root=f"{part.root}/pool")
    assert part.names() == ["pool/new/a"]


def test_a_question_mark_in_a_name_is_refused_and_nothing_is_stored_under_half_of_it(part, tmp_path):
    (tmp_path / "a?b").write_bytes(CONTENT)
    part.put("a", CONTENT)
    url = f"{part.root}/a?b"
    acts = [
        lambda: store(tool(), tmp_path / "a?b", url),
        lambda: fetch(tool(), url, tmp_path / "b", lfn="a?b"),
        lambda: tool().stat(url, Deadline(30)),
        lambda: tool().checksum(url, "adler32", Deadline(30)),
        lambda: tool().rename(f"{part.root}/a", url, Deadline(30)),
        lambda: tool().remove(url, Deadline(30)),
    ]
    for act in acts:
        with pytest.raises(CopyFailed, match="no part of a file's name"):
            act()
    assert part.names() == ["a"]


def test_what_a_catalogue_has_put_after_a_name_is_for_the_server(part, tmp_path):
    part.put("a", CONTENT)
    assert fetch(tool(), f"{part.root}/a?svcClass=disk", tmp_path / "b").size == len(CONTENT)


def test_a_file_is_copied_by_several_connections_and_with_the_sites_own_options(part, tmp_path):
    content = CONTENT * 2000
    part.put("a", content)
    facts = fetch(tool(streams=4, options=("--xattr",)), f"{part.root}/a", tmp_path / "b")
    assert facts.size == len(content)
    with pytest.raises(CopyFailed, match="Invalid option, '--no-such'.$"):
        fetch(tool(options=("--no-such",)), f"{part.root}/a", tmp_path / "b")


def test_a_server_that_says_nothing_is_given_up_before_the_time_is_up(part, tmp_path):
    part.put("a", CONTENT)
    with part.server.frozen():
        doing = Doing(fetch, tool(silence=1.0, connect=1.0), f"{part.root}/a", tmp_path / "b", None, "a", 60.0)
        failed = doing.end(30)
    assert failed.kind is FailureKind.TIMEOUT
    assert "Socket timeout" in failed.words or "expired" in failed.words


def test_by_tls_a_server_is_talked_to_whose_authority_is_known(part, tmp_path, monkeypatch):
    part.put("a", CONTENT)
    url = f"{part.server.roots}/{part.name}/a"
    monkeypatch.setenv("X509_CERT_DIR", str(tmp_path))
    with pytest.raises(CopyFailed):
        fetch(tool(), url, tmp_path / "b")
    monkeypatch.setenv("X509_CERT_DIR", str(part.server.authority.hashed()))
    assert fetch(tool(), url, tmp_path / "b").checksum == SUM
    assert tool().stat(url, Deadline(30)).size == len(CONTENT)


def test_the_queues_script_is_sourced_before(part, tmp_path, monkeypatch):
    part.put("a", CONTENT)
    script = tmp_path / "setup.sh"
    script.write_text(f"export PATH='{os.environ['PATH']}'\necho sourced >>'{tmp_path}/said'\n")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert Xrdcp(says={"setup": str(script)}).stat(f"{part.root}/a", Deadline(30)).size == len(CONTENT)
    assert (tmp_path / "said").read_text() == "sourced\n"


def test_programs_that_are_not_there_are_named(part, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    if shutil.which("xrdcp"):
        pytest.skip("not tested: this machine has an xrdcp of its own")
    with pytest.raises(CopyFailed, match="xrdcp") as caught:
        fetch(tool(), f"{part.root}/a", tmp_path / "b")
    assert caught.value.kind is None


def test_a_full_disk_of_the_server_is_no_space_there(xrootd_client, tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    with running(disk=65536) as server, pytest.raises(CopyFailed) as caught:
        store(tool(), tmp_path / "a", f"{server.root}/a")
    assert caught.value.kind is FailureKind.NO_SPACE


def test_a_full_disk_of_the_node_is_no_space_here(part, small_disk):
    part.put("a", b"x" * 100_000)
    with pytest.raises(CopyFailed) as caught:
        fetch(tool(), f"{part.root}/a", small_disk / "b")
    assert caught.value.kind is FailureKind.NO_SPACE
    assert list(small_disk.iterdir()) == []


def test_a_proxy_that_has_expired_is_a_matter_of_authentication(xrootd_client, tmp_path, monkeypatch):
    with running(proxies=True) as server:
        server.put("a", CONTENT)
        url = f"{server.root.replace('127.0.0.1', 'localhost')}/a"
        person = server.authority.issue("pilot", delegates=True)
        monkeypatch.setenv("X509_CERT_DIR", str(server.authority.hashed()))
        monkeypatch.setenv("X509_USER_PROXY", str(server.authority.proxy(person)))
        assert fetch(tool(), url, tmp_path / "b").checksum == SUM
        monkeypatch.setenv("X509_USER_PROXY", str(server.authority.proxy(person, -1)))
        with pytest.raises(CopyFailed, match="Auth failed") as caught:
            fetch(tool(), url, tmp_path / "b")
    assert caught.value.kind is FailureKind.AUTHENTICATION


def test_the_tool_is_known_by_its_name():
    assert Known({})["xrdcp"] is Xrdcp
    assert Xrdcp.reaches("root")
    assert not Xrdcp.reaches("davs")
