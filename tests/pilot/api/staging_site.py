"""A site of one queue, whose storage is a folder."""

from __future__ import annotations

from pilot import settings
from pilot.contract.queue import local_storage

QUEUE = {
    "nickname": "Q",
    "copytools": {"local": {}},
    "acopytools": {"default": ["local"]},
    "astorages": {"default": ["DISK"]},
}


class Site:
    """``store`` is the folder of the queue's storage; ``settings`` try nothing twice."""

    def __init__(self, base):
        self.store = base / "store"
        self.store.mkdir()
        self.storages = {"DISK": local_storage("DISK", str(self.store))}
        self.queue = QUEUE
        self.settings = settings.load([("test", {"copy": {"attempts": 1}})]).settings

    def has(self, name, content=b"muon\n"):
        path = self.store / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return name
