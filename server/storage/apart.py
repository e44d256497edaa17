"""Asks storages in a process apart; what it says of them is raised as storages' own errors."""

from __future__ import annotations

from server.lib import apart
from server.storage.base import StorageMisconfigured, StorageUnavailable


class Apart(apart.Apart):
    """Children whose functions raise `StorageUnavailable` and `StorageMisconfigured`, and so does asking them."""

    unavailable = StorageUnavailable
    misconfigured = StorageMisconfigured
