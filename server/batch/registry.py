"""Which kinds of batch systems there are, and the way from a description to an open one."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import EntryPoint

from server.batch.base import BatchMisconfigured, BatchSystem
from server.batch.place import Place
from server.lib.plugins import by_name, load

OWN = ("server.batch.own",)


class Registry:
    """Opens batch systems. One that is described as before is the same object as before."""

    def __init__(self, kinds: Mapping[str, type[BatchSystem]]) -> None:
        self._kinds = kinds
        self._open: dict[str, tuple[str, Place, BatchSystem]] = {}
        self._lock = threading.Lock()

    @property
    def kinds(self) -> tuple[str, ...]:
        """The names of all kinds, in order."""
        return tuple(sorted(self._kinds))

    def kind(self, name: str) -> type[BatchSystem]:
        """Answer the class of a kind.

        Raises:
            BatchMisconfigured: there is none of that name.
        """
        if name not in self._kinds:
            raise BatchMisconfigured(f"there is no kind of batch system {name!r}; there are {', '.join(self.kinds)}")
        return self._kinds[name]

    def open(self, kind: str, place: Place) -> BatchSystem:
        """Open a batch system.

        Raises:
            BatchMisconfigured: there is no such kind, or one of its options cannot be so.
        """
        with self._lock:
            known = self._open.get(place.name)
            if known is not None and known[:2] == (kind, place):
                return known[2]
            system = self.kind(kind).open(place)
            self._open[place.name] = kind, place, system
        return system

    def let_go(self, wanted: Callable[[str], bool]) -> None:
        """Forget the open systems whose names nobody wants; what they keep running ends with their last use."""
        with self._lock:
            self._open = {name: known for name, known in self._open.items() if wanted(name)}


def load_registry(installed: Iterable[EntryPoint] | None = None) -> Registry:
    """Find all kinds of batch systems.

    Raises:
        PluginRefused: a plugin cannot be used.
    """
    return Registry(by_name(load(OWN, installed).hook.register_batch_systems(), "batch system"))


@functools.cache
def registry() -> Registry:
    """Answer the one of this process, with all that is installed.

    Raises:
        PluginRefused: a plugin cannot be used.
    """
    return load_registry()
