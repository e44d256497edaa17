"""Reads what a queue and its storages are from whatever describes them: values, JSON, a file, an address, a server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from pilot.api import replies
from pilot.contract.addresses import cleaned
from pilot.contract.codec import ContractError, shown
from pilot.contract.queue import QueueData, StorageEndpoint
from pilot.errors import ConfigError

if TYPE_CHECKING:
    from pilot.api.communicator import Communicator
    from pilot.settings import Settings

#: A queue: a value, its JSON, or where that is: the name of a queue of the server, an address, a file.
QueueLike = Union[QueueData, Mapping[str, Any], str, Path]
#: Storages, likewise: by name, the JSON of all, an address, a file.
StoragesLike = Union[Mapping[str, Any], str, Path]


def names_a_file(given: Union[str, Path]) -> bool:
    """Tell a file, or an address, from the name of a queue."""
    return isinstance(given, Path) or "/" in given or given.endswith(".json")


class Descriptions:
    """Reads queues and storages; a server is asked only when the settings name no other source."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def queue(self, given: object) -> QueueData:
        """Answer the queue that is meant.

        Raises:
            ConfigError: nothing like a queue was given, or nobody is known who could describe it.
            replies.ServerError: its description cannot be had, or read.
        """
        if isinstance(given, QueueData):
            return given
        if isinstance(given, Mapping):
            return self._queue_from(given, "queue")
        if not isinstance(given, (str, Path)) or not str(given):
            raise ConfigError(
                f"queue: {shown(given)} is none; give its name, a file, an address, its JSON or QueueData"
            )
        if names_a_file(given):
            return self._queue_from(self._reader.description(str(given)), cleaned(str(given)))
        source = self._settings.queue.data_url
        self._need_server(source, f"queue: {given}", "queue.data_url (--queuedata-url)")
        return self._reader.queue_data(str(given), source)

    def storages(self, given: object) -> Mapping[str, StorageEndpoint]:
        """Answer storages by name; without ``given``, those that the settings name, or the server knows.

        Raises:
            ConfigError: nothing like storages was given, or nobody is known who could describe them.
            replies.ServerError: their description cannot be had, or read.
        """
        if isinstance(given, (str, Path)) and str(given):
            return self._reader.storages(str(given))
        if isinstance(given, Mapping):
            try:
                return {name: _storage(name, said) for name, said in given.items()}
            except ContractError as wrong:
                raise replies.BadQueueData(f"storages: {wrong}") from wrong
        if given is not None:
            raise ConfigError(f"storages: {shown(given)} are none; give a file, an address, their JSON, or values")
        source = self._settings.queue.storage_url
        self._need_server(source, "storages", "queue.storage_url (--storagedata-url)")
        return self._reader.storages(source)

    def _need_server(self, source: str, what: str, setting: str) -> None:
        if not source and not self._settings.server.url:
            raise ConfigError(f"{what}: nobody is known who describes it; give a file, or set {setting} or server.url")

    def _queue_from(self, said: Mapping[str, Any], where: str) -> QueueData:
        name = self._settings.queue.name
        only = next(iter(said)) if len(said) == 1 else name
        try:
            return QueueData.from_wire(replies.queue_named(name if name in said else only, said))
        except ContractError as wrong:
            raise replies.BadQueueData(f"{where}: {wrong}") from wrong

    @cached_property
    def _reader(self) -> Communicator:
        from pilot.api.communicator import Communicator
        from pilot.settings import Token

        server = self._settings.server
        # Files need none; no request is sent to this one.
        return Communicator(server if server.url else replace(server, url="http://localhost"), Token(server).read)


def _storage(name: str, said: Any) -> StorageEndpoint:
    return said if isinstance(said, StorageEndpoint) else StorageEndpoint.from_wire(name, said)
