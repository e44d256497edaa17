"""The real storages and movers, opened by name as they are configured now."""

from __future__ import annotations

from server.dataservice.where import Places, Rims
from server.storage.base import Mover, Storage
from server.storage.registry import registry


def storage_of(endpoint: str) -> Storage:
    """Open the storage behind an endpoint.

    Raises:
        LookupError: there is none of that name.
        StorageMisconfigured: it cannot be opened as it is described.
    """
    return registry().open(endpoint, Places().data(endpoint))


def mover_of(source: str, target: str) -> Mover:
    """Answer who copies from one endpoint to another.

    Raises:
        LookupError: one of them is not known, or nobody copies between them.
    """
    raise LookupError(f"nobody copies from {source} to {target}: there is no mover for these storages")


RIMS = Rims(storage_of, mover_of)
