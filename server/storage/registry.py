"""Which kinds of storages there are, and the way from an entry of ``ddmendpoints.json`` to an open one."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint
from typing import Any

from server.lib.plugins import by_name, load
from server.storage.base import Storage, StorageMisconfigured, Tape
from server.storage.place import KEY, Place, read_place

OWN = ("server.storage.own",)
#: The plugin of a storage that names none, by the scheme of its address.
PLUGIN_OF = {"file": "local", "root": "xrootd", "roots": "xrootd"}


class Registry:
    """Opens storages. One that is described as before is the same object as before; it may be used by all threads."""

    def __init__(self, kinds: Mapping[str, type[Storage]]) -> None:
        self._kinds = kinds
        self._open: dict[str, tuple[Place, Storage]] = {}
        self._lock = threading.Lock()

    @property
    def kinds(self) -> tuple[str, ...]:
        """The names of all plugins, in order."""
        return tuple(sorted(self._kinds))

    def open(self, name: str, data: Mapping[str, Any]) -> Storage:
        """Open a storage.

        Args:
            name: The endpoint's name.
            data: Its entry of ``ddmendpoints.json``, as `server.pandaconfig.queries.storages_json` has it.

        Raises:
            StorageMisconfigured: it cannot be opened as it is described.
        """
        place = read_place(name, data, PLUGIN_OF)
        with self._lock:
            known, storage = self._open.get(name, (None, None))
            if storage is None or known != place:
                storage = self._kind(place).open(place)
                self._open[name] = place, storage
        return storage

    def open_tape(self, name: str, data: Mapping[str, Any]) -> Tape:
        """Open a storage that has tapes.

        Raises:
            StorageMisconfigured: it has none, or cannot be opened as it is described.
        """
        storage = self.open(name, data)
        if not isinstance(storage, Tape):
            raise StorageMisconfigured(f"storage {name}: {storage.name} has no tapes; {KEY}.plugin names one that has")
        return storage

    def has_tapes(self, name: str, data: Mapping[str, Any]) -> bool:
        """Say whether a storage is one with tapes, without opening it.

        Raises:
            StorageMisconfigured: it cannot be opened as it is described.
        """
        return issubclass(self._kind(read_place(name, data, PLUGIN_OF)), Tape)

    def _kind(self, place: Place) -> type[Storage]:
        if place.plugin not in self._kinds:
            there = ", ".join(self.kinds)
            raise place.wrong(f"{KEY}.plugin", f"there is no plugin {place.plugin!r}; there are {there}")
        return self._kinds[place.plugin]


def load_registry(installed: Iterable[EntryPoint] | None = None) -> Registry:
    """Find all kinds of storages.

    Raises:
        PluginRefused: a plugin cannot be used.
    """
    return Registry(by_name(load(OWN, installed).hook.register_storages(), "storage"))


@functools.cache
def registry() -> Registry:
    """Answer the one of this process, with all that is installed.

    Raises:
        PluginRefused: a plugin cannot be used.
    """
    return load_registry()
