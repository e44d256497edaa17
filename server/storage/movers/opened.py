"""Which mover copies to a storage: what its entry of ``ddmendpoints.json`` says, or else our own."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pilot.contract.codec import OBJECT, TEXT, ContractError, no_such_field, read
from server.storage.base import Mover, StorageMisconfigured
from server.storage.movers.fts3 import Fts3Mover, Fts3Options
from server.storage.movers.own import OwnMover
from server.storage.place import KEY, Place

#: The key beside ``plugin``, ``root`` and ``options``: ``{"fts3": "https://...", ...}`` with FTS3's options.
MOVER = "mover"


def open_mover(name: str, data: Mapping[str, Any], folder: Path) -> Mover:
    """Open the mover that copies to a storage.

    Args:
        name: The endpoint's name.
        data: Its entry of ``ddmendpoints.json``.
        folder: Of our own mover, on this machine's disk.

    Raises:
        StorageMisconfigured: what the entry says of it cannot be so.
    """
    where = f"{KEY}.{MOVER}"
    try:
        said = dict(read(read(data.get(KEY) or {}, OBJECT, KEY).get(MOVER) or {}, OBJECT, where))
        if not said:
            return _own(folder.absolute())
        if "fts3" not in said:
            raise no_such_field(next(iter(said)), ["fts3"], where)
        address = read(said.pop("fts3"), TEXT, f"{where}.fts3")
    except ContractError as wrong:
        raise StorageMisconfigured(f"storage {name}: {wrong}") from wrong
    if not address.startswith(("https://", "http://")):
        raise StorageMisconfigured(f"storage {name}: {where}.fts3: {address!r} is no address such as https://fts:8446")
    return Fts3Mover(address, Place(name, "", "", said).read_options(Fts3Options))


@functools.cache
def _own(folder: Path) -> OwnMover:
    return OwnMover(folder)
