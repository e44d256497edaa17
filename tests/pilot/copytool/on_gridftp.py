"""The kit for copy tools on a real GridFTP server, by proxies."""

from __future__ import annotations

import os

import pytest

from tests.kits.copytool import ServedCopyToolKit


class OnGridFTP(ServedCopyToolKit):
    """Say what the tool is."""

    @pytest.fixture
    def storage(self, grid):
        yield grid
        grid.empty()

    def url(self, storage, name):
        return f"{storage.secure}/{name}"

    def put(self, storage, name, content):
        storage.put(name, content)

    def get(self, storage, name):
        return (storage.storage / name).read_bytes()

    def names(self, storage):
        return storage.files()

    def frozen(self, storage):
        return storage.frozen()

    def kill(self, storage):
        storage.kill()

    def restart(self, storage):
        storage.start()

    def put_endless(self, storage, name):
        os.truncate(storage.put(name, b""), self.ENDLESS)

    def forbidden(self, storage, name):
        (storage.storage / "closed").mkdir(mode=0o755)
        return self.url(storage, f"closed/{name}")

    def unreachable(self, storage, name):
        return f"gsiftp://localhost:1/{name}"
