"""XRootD's programs as a copy tool, against a real server, and what their words and figures mean."""

from __future__ import annotations

import uuid
from types import SimpleNamespace

import pytest

from pilot.copytool.xrdcp import Xrdcp
from tests.kits.copytool import ServedCopyToolKit
from tests.services.ports import free_ports

pytestmark = pytest.mark.one_python


class Part(SimpleNamespace):
    """A folder of a server that a test has for itself."""

    def __init__(self, server):
        name = f"tests/{uuid.uuid4().hex}"
        super().__init__(server=server, name=name, root=f"{server.root}/{name}")
        server.put(f"{name}/made", b"").unlink()
        self.folder = server.data / name


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
        storage.server.put(f"{storage.name}/{name}", content)

    def get(self, storage, name):
        return (storage.folder / name).read_bytes()

    def names(self, storage):
        return super().names(storage.folder)

    def put_endless(self, storage, name):
        with storage.server.put(f"{storage.name}/{name}", b"").open("r+b") as file:
            file.truncate(self.ENDLESS)

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
