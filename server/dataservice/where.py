"""Where files lie: their paths at storages, and the storages and movers themselves, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pilot.contract.naming import storage_path
from pilot.contract.queue import StorageEndpoint
from server.pandaconfig import queries as pandaconfig
from server.storage.base import Mover, Storage

#: Opens the storage behind an endpoint; raises `LookupError` when there is none that the server can speak to.
StorageOf = Callable[[str], Storage]
#: Answers who copies from one endpoint to another; raises `LookupError` when nobody can.
MoverOf = Callable[[str, str], Mover]


@dataclass(frozen=True)
class Rims:
    """What a step reaches the outer world by."""

    storage_of: StorageOf
    mover_of: MoverOf


class Places:
    """The storages as they are configured now: read once, asked for each file."""

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        self._data = pandaconfig.storages_json() if data is None else data
        self._known: dict[str, StorageEndpoint] = {}

    def __contains__(self, endpoint: str) -> bool:
        return endpoint in self._data

    def path(self, endpoint: str, *, lfn: str, scope: str, dataset: str) -> str:
        """Say where below a storage's root a file lies by the storage's rule; a storage that is not known has folders.

        Raises:
            ContractError: the name of the file, its scope or dataset could lead out of the storage's root, or the
                storage's description cannot be read.
        """
        deterministic = endpoint in self._data and self._endpoint(endpoint).deterministic
        return storage_path(lfn, scope=scope, dataset=dataset, deterministic=deterministic)

    def data(self, endpoint: str) -> Mapping[str, Any]:
        """Answer a storage's description.

        Raises:
            LookupError: it is not known.
        """
        if endpoint not in self._data:
            raise LookupError(f"storage {endpoint!r} is not known here; the admin's page Storages lists them all")
        return dict(self._data[endpoint])

    def _endpoint(self, name: str) -> StorageEndpoint:
        if name not in self._known:
            self._known[name] = StorageEndpoint.from_wire(name, self._data[name])
        return self._known[name]
