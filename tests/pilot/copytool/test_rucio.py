"""Tests of copying by Rucio's clients, against a real Rucio and its storages."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import pytest

from pilot.copytool import apart
from pilot.copytool.base import Cancel, CopyFailed, Deadline, FailureKind, FileFacts, Transfer
from pilot.copytool.rucio import Rucio
from pilot.settings import gfal as gfal_section
from pilot.settings.everything import Settings
from pilot.settings.rucio import Rucio as Section
from tests.kits.copytool import CONTENT, SUM, CopyToolKit, until
from tests.services import gfal
from tests.services.rucio import ACCOUNT, DAVS, DISK, OTHER, PASSWORD, ROOT, SCOPE

pytestmark = pytest.mark.one_python


@pytest.fixture(autouse=True)
def _programs(xrootd_client):
    """What Rucio's protocols run."""


def tool_of(server, **said):
    said = {"home": str(server.home), **said}
    return Rucio(Settings(rucio=Section(**said)))


@pytest.fixture
def tool(rucio):
    return tool_of(rucio)


@pytest.fixture
def name():
    return f"mDST-{uuid.uuid4().hex}.root"


def path_of(name):
    """Where Rucio puts a file below a storage's root."""
    import hashlib

    digest = hashlib.md5(f"{SCOPE}:{name}".encode()).hexdigest()
    return f"{SCOPE}/{digest[:2]}/{digest[2:4]}/{name}"


def place_of(url):
    return Path(url.removeprefix("file://"))


def ask(server, function, **arguments):
    """Ask Rucio for what it has registered."""
    children = apart.shared("tests.pilot.copytool.asking_rucio", "", (("RUCIO_HOME", str(server.home)),))
    return children.call(function, arguments, Deadline(30))


def url_of(server, xrootd, storage, name):
    if storage == DISK:
        return f"file://{server.disk}/{path_of(name)}"
    return f"root://127.0.0.1:{xrootd.ports[0]}//rucio/{path_of(name)}"


def root_of(url, name):
    return url[: -len(path_of(name)) - 1]


@pytest.fixture
def store(rucio, xrootd, tmp_path):
    """Store a file by a tool; answer its address."""

    def store(tool, name, storage=DISK, content=CONTENT, seconds=60, **more):
        (tmp_path / name).write_bytes(content)
        url = url_of(rucio, xrootd, storage, name)
        target = more.pop("target", url)
        more = {"scope": SCOPE, "endpoint": storage, "root": root_of(url, name), **more}
        store.facts = tool.copy(
            Transfer(name, f"file://{tmp_path / name}", target, **more), Deadline(seconds), Cancel()
        )
        return url

    return store


@pytest.fixture
def fetch(tmp_path):
    """Fetch a file by a tool; the answer is in ``facts``."""

    def fetch(tool, name, source="", seconds=60, **more):
        target = tmp_path / "here" / name
        target.parent.mkdir(exist_ok=True)
        source, more = source or f"rucio:{SCOPE}:{name}", {"scope": SCOPE, **more}
        fetch.facts = tool.copy(Transfer(name, source, f"file://{target}", **more), Deadline(seconds), Cancel())
        assert [each.name for each in target.parent.iterdir()] == [name]
        return target.read_bytes()

    return fetch


class TestRucio(CopyToolKit):
    CANNOT = {
        "test_a_name_is_taken_as_it_is": "Rucio's names have letters, digits, dots, hyphens and underscores",
        "test_what_an_earlier_try_left_on_the_storage_is_replaced": "Rucio replaces nothing; the engine has removed it",
        "test_an_empty_file_is_stored": "Rucio's clients compute no checksum of an empty file",
    }

    @pytest.fixture
    def tool(self, rucio):
        self.disk = rucio.disk
        return tool_of(rucio)

    @pytest.fixture
    def storage(self, rucio, name):
        folder = rucio.disk / name
        folder.mkdir()
        return folder

    def fetch(self, tool, source, target, deadline=None, cancel=None):
        return self.move(tool, source.rpartition("/")[2], source, f"file://{target}", deadline, cancel)

    def store(self, tool, source, target, deadline=None, cancel=None):
        return self.move(tool, source.name, f"file://{source}", target, deadline, cancel, root=f"file://{self.disk}")

    def move(self, tool, name, source, target, deadline, cancel, **more):
        transfer = Transfer(name, source, target, scope=SCOPE, endpoint=DISK, **more)
        return tool.copy(transfer, deadline or Deadline(30), Cancel() if cancel is None else cancel)


@pytest.mark.parametrize("storage", [DISK, ROOT])
def test_a_file_is_stored_under_its_final_name_and_fetched_by_its_address(tool, store, fetch, name, storage):
    url = store(tool, name, storage)
    assert store.facts == FileFacts(len(CONTENT), SUM)
    assert fetch(tool, name, url, endpoint=storage, checksum=SUM) == CONTENT
    assert fetch.facts == FileFacts(len(CONTENT), SUM)


def test_a_name_here_may_be_as_long_as_a_disk_takes_it(tool, store, name, tmp_path):
    url, target = store(tool, name), tmp_path / ("x" * 255)
    transfer = Transfer(name, url, f"file://{target}", scope=SCOPE, endpoint=DISK)
    tool.copy(transfer, Deadline(60), Cancel())
    assert target.read_bytes() == CONTENT


def test_a_file_that_is_not_registered_is_not_known_to_rucio(tool, store, fetch, name):
    store(tool, name)
    with pytest.raises(CopyFailed, match=f"{SCOPE}:{name} at any storage: No available sources") as caught:
        fetch(tool, name)
    assert caught.value.kind is FailureKind.NO_SUCH_FILE


def test_an_empty_file_is_refused_at_once(tool, store, name):
    with pytest.raises(CopyFailed, match="is empty; Rucio stores no such file") as caught:
        store(tool, name, content=b"")
    assert caught.value.kind is FailureKind.SIZE


@pytest.mark.parametrize("storage", [DISK, ROOT])
def test_what_is_registered_is_in_its_dataset_and_is_found_wherever_it_lies(rucio, store, fetch, name, storage):
    tool = tool_of(rucio, register=True)
    url = store(tool, name, storage, dataset=f"set-{name}", guid="A1B2C3D4-0000-4000-8000-0123456789AB")
    assert fetch(tool, name) == CONTENT
    assert fetch.facts.endpoint == storage
    assert fetch.facts.url.replace("localhost", "") == url
    assert fetch.facts.checksum == SUM
    assert ask(rucio, "content", scope=SCOPE, name=f"set-{name}") == [name]
    found = ask(rucio, "look", scope=SCOPE, name=name)
    assert found == {
        "bytes": len(CONTENT),
        "adler32": SUM[8:],
        "guid": "a1b2c3d40000400080000123456789ab",
    }


def test_a_missing_file_is_told_as_such(tool, rucio, xrootd, fetch, name):
    for storage in (DISK, ROOT):
        with pytest.raises(CopyFailed) as caught:
            fetch(tool, name, url_of(rucio, xrootd, storage, name), endpoint=storage)
        assert caught.value.kind is FailureKind.NO_SUCH_FILE, caught.value.words


def test_a_byte_that_has_flipped_on_the_disk_of_a_storage_is_found(rucio, store, fetch, name):
    tool = tool_of(rucio, register=True)
    url = store(tool, name)
    path = place_of(url)
    path.write_bytes(b"c" + CONTENT[1:])
    for source, more in (("", {}), (url, {"endpoint": DISK, "checksum": SUM})):
        with pytest.raises(CopyFailed, match="Checksum validation failed") as caught:
            fetch(tool, name, source, **more)
        assert caught.value.kind is FailureKind.CHECKSUM


def test_what_lies_there_already_is_left_alone(tool, store, name):
    store(tool, name)
    with pytest.raises(CopyFailed) as caught:
        store(tool, name, content=b"other")
    assert caught.value.kind is FailureKind.EXISTS


def test_a_wrong_password_is_told_as_such_also_after_a_right_one(rucio, tool, store, name):
    store(tool, name)
    home = rucio.make_home("wrong", auth_type="userpass", username=ACCOUNT, password=f"{PASSWORD}!")
    with pytest.raises(CopyFailed) as caught:
        store(tool_of(rucio, home=str(home)), f"another-{name}")
    assert caught.value.kind is FailureKind.AUTHENTICATION


def test_a_certificate_is_shown_instead_of_a_password(rucio, store, fetch, name):
    shown = str(rucio.certificate)
    home = rucio.make_home("x509", auth_type="x509", client_cert=shown, client_key=shown)
    tool = tool_of(rucio, home=str(home), register=True)
    store(tool, name)
    assert fetch(tool, name) == CONTENT


def test_a_storage_that_rucio_does_not_know_is_no_missing_file(tool, store, fetch, name):
    with pytest.raises(CopyFailed, match="NOWHERE") as caught:
        store(tool, name, endpoint="NOWHERE")
    assert caught.value.kind is None
    with pytest.raises(CopyFailed, match="NOWHERE") as caught:
        fetch(tool, name, "file:///nowhere/a", endpoint="NOWHERE")
    assert caught.value.kind is None


def test_what_rucio_does_not_take_up_does_not_stay_on_the_storage(rucio, store, name):
    tool = tool_of(rucio, register=True)
    kept, given = store(tool, name, DISK), {"endpoint": OTHER, "root": f"file://{rucio.folder}/other"}
    other = f"{given['root']}/{path_of(name)}"
    with pytest.raises(
        CopyFailed, match="was not registered: FileConsistencyMismatch: .* 8000 is registered, 5 was stored"
    ):
        store(tool, name, target=other, content=b"other", **given)
    assert not place_of(other).exists()
    assert place_of(kept).read_bytes() == CONTENT
    with pytest.raises(CopyFailed, match="was not registered: ScopeNotFound") as caught:
        store(tool, f"another-{name}", dataset="nobodys:set")
    assert caught.value.kind is None
    assert not place_of(url_of(rucio, None, DISK, f"another-{name}")).exists()


def test_what_is_in_no_dataset_is_kept_by_a_rule_of_its_own(rucio, store, name):
    store(tool_of(rucio, register=True), name)
    assert ask(rucio, "rules", scope=SCOPE, name=name) == [[DISK, "OK"]]


def test_a_dataset_that_is_made_has_a_rule_and_takes_more_files(rucio, store, name):
    for number in range(2):
        store(tool_of(rucio, register=True), f"{number}-{name}", dataset=f"{SCOPE}:set-{name}")
    assert ask(rucio, "rules", scope=SCOPE, name=f"set-{name}") == [[DISK, "OK"]]
    assert ask(rucio, "content", scope=SCOPE, name=f"set-{name}") == [f"0-{name}", f"1-{name}"]


def test_what_rucio_would_look_for_elsewhere_is_not_stored(rucio, store, name):
    target = f"file://{rucio.disk}/elsewhere/{name}"
    with pytest.raises(CopyFailed, match="Rucio looks for it at .*, and the queue's storage has it at .*/elsewhere/"):
        store(tool_of(rucio, register=True), name, target=target)
    assert not place_of(target).exists()


def test_a_server_that_hangs_costs_no_more_than_the_time_there_is(rucio, tool, fetch, name, tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    with rucio.frozen(), pytest.raises(CopyFailed) as caught:
        fetch(tool, name, seconds=2)
    assert caught.value.kind is FailureKind.TIMEOUT
    assert list((tmp_path / "temporary").iterdir()) == []  # no token stays behind


def test_no_token_stays_when_a_pilot_is_killed(rucio, name, tmp_path):
    code = (
        "from pilot.copytool.rucio import Rucio; from pilot.copytool.base import Cancel, Deadline, Transfer\n"
        "from pilot.settings.everything import Settings; from pilot.settings.rucio import Rucio as Section\n"
        f"tool = Rucio(Settings(rucio=Section(home={str(rucio.home)!r})))\n"
        f"transfer = Transfer({name!r}, 'rucio:{SCOPE}:{name}', 'file://{tmp_path}/{name}', scope={SCOPE!r})\n"
        "tool.copy(transfer, Deadline(600), Cancel())"
    )
    (tmp_path / "temporary").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / "temporary")}
    with rucio.frozen():
        with subprocess.Popen([sys.executable, "-c", code], env=environment) as pilot:
            until(lambda: list((tmp_path / "temporary").iterdir()))
            pilot.kill()
        until(lambda: not list((tmp_path / "temporary").iterdir()))


def test_a_storage_that_hangs_costs_no_more_than_the_time_there_is(xrootd, tool, store, fetch, name):
    url = store(tool, name, ROOT)
    with xrootd.frozen(), pytest.raises(CopyFailed) as caught:
        fetch(tool, name, url, endpoint=ROOT, seconds=3)
    assert caught.value.kind is FailureKind.TIMEOUT


def test_a_server_that_is_not_there_is_told_as_such(rucio, fetch, name):
    with pytest.raises(CopyFailed) as caught:
        fetch(tool_of(rucio, host="https://localhost:1"), name)
    assert caught.value.kind is FailureKind.UNREACHABLE


def test_storages_by_davs_are_reached_with_gfal2(rucio, xrootd, store, fetch, name, monkeypatch):
    packages = next((rucio.python.parents[1] / "lib").glob("python3*/site-packages"))
    monkeypatch.setenv("PYTHONPATH", str(packages))  # for a Python that has gfal2, and not Rucio's clients
    monkeypatch.setenv("X509_CERT_DIR", str(xrootd.authority.hashed()))
    python = str(gfal.programs() / "python")
    chosen = Section(home=str(rucio.home), python=python, register=True)
    tool = Rucio(Settings(rucio=chosen, gfal=gfal_section.Gfal(python=python)))
    url = f"{xrootd.davs}/davs/{path_of(name)}"
    store(tool, name, DAVS, target=url)
    assert (tool.stat(url, Deadline(30)).size, tool.checksum(url, "adler32", Deadline(30))) == (len(CONTENT), SUM)
    assert fetch(tool, name) == CONTENT
    assert fetch.facts == FileFacts(len(CONTENT), SUM, url, DAVS)


def test_another_python_may_have_the_clients(rucio, store, fetch, name):
    tool = tool_of(rucio, python=str(rucio.python), register=True)
    store(tool, name)
    assert fetch(tool, name) == CONTENT


def test_a_python_without_the_clients_says_what_to_do(rucio, store, name):
    bare = tool_of(rucio, python=sys._base_executable)
    with pytest.raises(CopyFailed, match=r"no rucio-clients .*compass-pilot\[rucio\].*rucio\.python"):
        store(bare, name)


def test_nothing_of_an_upload_that_was_killed_stays(tmp_path):
    """Without a Rucio: what runs in its place has begun to store a file, and hangs."""
    (tmp_path / "storage").mkdir()
    (tmp_path / "file").write_bytes(CONTENT)
    target, python = tmp_path / "storage" / "file", tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho half >{target}.rucio.upload\nexec sleep 60\n")
    python.chmod(0o700)
    tool = Rucio(Settings(rucio=Section(python=str(python))))
    ends = {"source": f"file://{tmp_path}/file", "target": f"file://{target}", "root": f"file://{tmp_path}/storage"}
    with pytest.raises(CopyFailed) as caught:
        tool.copy(Transfer("file", **ends, scope=SCOPE, endpoint=DISK), Deadline(2), Cancel())
    assert caught.value.kind is FailureKind.TIMEOUT
    assert list((tmp_path / "storage").iterdir()) == []
