"""The storages that come with the server, offered by the same hook as those of others."""

from __future__ import annotations

from server.lib.hookspecs import hookimpl
from server.storage.base import Storage
from server.storage.local import LocalStorage
from server.storage.tape import TapeStorage
from server.storage.xrootd import XrootdStorage


@hookimpl
def register_storages() -> list[type[Storage]]:
    return [LocalStorage, XrootdStorage, TapeStorage]
