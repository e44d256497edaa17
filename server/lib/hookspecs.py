"""The server's hooks: what an installed plugin may add to it. Entry points of the group ``compass_server.plugins``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from server.batch.base import BatchSystem
    from server.storage.base import Storage

#: The name under which hooks are marked: ``from server.lib.hookspecs import hookimpl``.
PROJECT = "compass_server"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_storages() -> list[type[Storage]]:  # type: ignore[empty-body]
    """Offer kinds of storages. Called once per process, when a storage is first opened; answers of all are joined.

    Each class has a ``name`` that no other has; an entry of ``ddmendpoints.json`` asks for it by
    ``compass_storage.plugin``. A class is imported in every process of the server: what it needs of other people's
    libraries is imported when it is used.
    """


@hookspec
def register_batch_systems() -> list[type[BatchSystem]]:  # type: ignore[empty-body]
    """Offer kinds of batch systems. Called once per process, when one is first opened; answers of all are joined.

    Each class has a ``name`` that no other has, by which an admin asks for it. A class is imported in every process of
    the server: what it needs of other people's libraries is imported when it is used.
    """
