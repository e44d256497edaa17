"""Real gfal2 against real XRootD and GridFTP servers."""

from __future__ import annotations

import os

import pytest

from pilot.copytool.gfal import Gfal
from pilot.settings.everything import Settings
from pilot.settings.gfal import Gfal as Section
from tests.kits.copytool import ServedCopyToolKit
from tests.pilot.copytool.on_gridftp import OnGridFTP
from tests.services import xrootd

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
