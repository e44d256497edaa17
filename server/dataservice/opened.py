"""The real storages and movers, opened by name as they are configured now."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from server.dataservice.where import Places, Rims
from server.storage.base import Mover, Storage
from server.storage.movers.opened import open_mover
from server.storage.registry import registry


def storage_of(endpoint: str) -> Storage:
    """Open the storage behind an endpoint.

    Raises:
        LookupError: there is none of that name.
        StorageMisconfigured: it cannot be opened as it is described.
    """
    return registry().open(endpoint, Places().data(endpoint))


def mover_of(source: str, target: str) -> Mover:
    """Answer who copies from one endpoint to another: who the target names, or else our own.

    Raises:
        LookupError: the target is not known.
        StorageMisconfigured: what is said of its mover cannot be so.
    """
    return open_mover(target, Places().data(target), Path(settings.HOME) / "mover")


RIMS = Rims(storage_of, mover_of)
