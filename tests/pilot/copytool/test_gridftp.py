"""globus-url-copy against a real GridFTP server."""

from __future__ import annotations

import pytest

from pilot.copytool.base import Cancel, CopyFailed, Deadline, FailureKind, FileFacts, Transfer
from pilot.copytool.gridftp import Gridftp
from pilot.settings.everything import Settings
from pilot.settings.gfal import Gfal
from pilot.settings.gridftp import Gridftp as Section
from tests.kits.copytool import CONTENT
from tests.pilot.copytool.on_gridftp import OnGridFTP

pytestmark = pytest.mark.one_python


def tool_with(grid, programs, **given):
    section = Section(program=str(grid.copy_program), **given)
    return Gridftp(Settings(gridftp=section, gfal=Gfal(python=str(programs / "python"))))


class TestByProxy(OnGridFTP):
    @pytest.fixture
    def tool(self, grid, programs, trusting):
        return tool_with(grid, programs)

    @pytest.mark.parametrize("name", ["a%20b"])  # the others by the same program below, where nothing is delegated
    def test_a_name_is_taken_as_it_is(self, tool, storage, tmp_path, name):
        super().test_a_name_is_taken_as_it_is(tool, storage, tmp_path, name)


class TestForAnybody(OnGridFTP):
    """Nothing of gfal2 is used here."""

    CANNOT = {"test_a_name_is_taken_as_it_is[\\xfc]": "in plain FTP, Globus's server drops what is no ASCII of a name"}

    @pytest.fixture
    def tool(self, grid, tmp_path):
        return tool_with(grid, tmp_path)

    def url(self, storage, name):
        return f"{storage.plain}/{name}"

    def unreachable(self, storage, name):
        return f"ftp://127.0.0.1:1/{name}"


def store(tool, source, url, **more):
    return tool.copy(Transfer("a", f"file://{source}", url, **more), Deadline(30), Cancel())


@pytest.fixture
def source(tmp_path):
    (tmp_path / "a").write_bytes(CONTENT)
    return tmp_path / "a"


@pytest.mark.parametrize("protection", ["authenticate", "integrity", "privacy"])
def test_data_are_protected_on_their_way_when_that_is_wished_for(grid, programs, trusting, source, protection):
    tool = tool_with(grid, programs, protection=protection, streams=2, options=("-tcp-bs", "65536"))
    assert store(tool, source, f"{grid.secure}/{protection}") == FileFacts(len(CONTENT))
    assert (grid.storage / protection).read_bytes() == CONTENT
    grid.empty()


def test_an_expired_proxy_is_told_as_such(grid, programs, trusting, monkeypatch, tmp_path):
    expired = grid.credentials(grid.authority.proxy(grid.person, -1))
    monkeypatch.setenv("X509_USER_PROXY", expired["X509_USER_PROXY"])
    with pytest.raises(CopyFailed, match=r"expired \d+ minutes ago") as caught:
        tool_with(grid, programs).copy(
            Transfer("a", f"{grid.secure}/a", f"file://{tmp_path}/a"), Deadline(30), Cancel()
        )
    assert caught.value.kind is FailureKind.AUTHENTICATION
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("way", ["secure", "plain"])
def test_a_storage_whose_root_is_not_there_is_not_made_up(grid, programs, trusting, source, way):
    root = f"{getattr(grid, way)}/pool"
    with pytest.raises(CopyFailed, match="the storage's folder is not there") as caught:
        store(tool_with(grid, programs), source, f"{root}/new/a", root=root)
    assert caught.value.kind is FailureKind.UNREACHABLE
    assert grid.files() == []


def test_without_gfal2_files_can_be_fetched_but_not_stored(grid, trusting, source, tmp_path):
    grid.put("a", CONTENT)
    tool = Gridftp(Settings(gridftp=Section(program=str(grid.copy_program))))
    tool.copy(Transfer("a", f"{grid.secure}/a", f"file://{tmp_path}/b"), Deadline(30), Cancel())
    assert (tmp_path / "b").read_bytes() == CONTENT
    with pytest.raises(CopyFailed, match="gfal2 is not on this node"):
        store(tool, source, f"{grid.secure}/b")
    grid.empty()


def test_a_program_that_is_not_there_says_nothing_of_the_file(source):
    tool = Gridftp(Settings(gridftp=Section(program="/no/globus-url-copy")))
    with pytest.raises(CopyFailed, match="globus-url-copy") as caught:
        tool.copy(Transfer("a", "gsiftp://h/a", f"file://{source}.2"), Deadline(30), Cancel())
    assert caught.value.kind is None


@pytest.mark.parametrize("step", ["copy", "stat", "remove", "checksum"])
def test_a_password_gets_neither_onto_a_command_line_nor_into_a_report(source, step):
    tool, url = Gridftp(), "ftp://me:secret@h/a"
    steps = {
        "copy": lambda: tool.copy(Transfer("a", url, f"file://{source}.2"), Deadline(30), Cancel()),
        "stat": lambda: tool.stat(url, Deadline(30)),
        "remove": lambda: tool.remove(url, Deadline(30)),
        "checksum": lambda: tool.checksum(url, "adler32", Deadline(30)),
    }
    with pytest.raises(CopyFailed, match=r"\*\*\*@h: no user, and no password") as caught:
        steps[step]()
    assert "secret" not in caught.value.words
