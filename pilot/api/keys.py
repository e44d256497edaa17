"""Keys of object storages: asked for from the server, by the names that storages have for them, and kept in a file."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Optional
from urllib.parse import urlencode

from pilot.api import replies
from pilot.contract import routes
from pilot.contract.codec import Dialect
from pilot.contract.named import NamedTuple

if TYPE_CHECKING:
    from pilot.contract.queue import Protocol, QueueData, StorageEndpoint
    from pilot.settings import Settings

log = logging.getLogger(__name__)

#: The file's name in the pilot's folder.
KEYS = ".s3-keys.ini"


#: What PanDA's dialects call the two keys.
_KEYS = (("publicKey", "public_key"), ("privateKey", "private_key"))


class KeyPair(NamedTuple):
    """Keys of an object storage: who one is, and the secret that proves it."""

    public: str
    private: str


class KeyCalls:
    """What a `Communicator` says about keys. Thread-safe, as that is."""

    if TYPE_CHECKING:

        @property
        def name(self) -> str: ...  # noqa: D102  # of Communicator, as the next

        def _speak(self, send: Callable[[Dialect], replies.Raw]) -> tuple[Dialect, replies.Raw]: ...

        def _post(self, dialect: Dialect, path: str, text: str, headers: Mapping[str, str]) -> replies.Raw: ...

        def _exchange(self, method: str, url: str) -> replies.Raw: ...

    def key_pair(self, public: str, private: str) -> KeyPair:
        """Ask for the keys that the server knows by two names.

        Raises:
            replies.ServerError: none are given. Its words hold nothing of what was answered.
        """

        def send(dialect: Dialect) -> replies.Raw:
            if dialect is Dialect.LEGACY:
                text = json.dumps({"publicKeyName": public, "privateKeyName": private})
                return self._post(dialect, routes.KEY_PAIR, text, {})
            asked = urlencode({"public_key_name": public, "private_key_name": private})
            return self._exchange("GET", f"{self.name}{routes.KEY_PAIR_V1}?{asked}")

        dialect, said = self._speak(send)
        return pair_in(said, dialect)


def pair_in(said: replies.Raw, dialect: Dialect) -> KeyPair:
    """Read an answer. No error's words hold any of it.

    Raises:
        replies.ServerError: it holds no keys.
    """
    if said[0] != replies.OK:
        refused = said[0] in (replies.UNAUTHORIZED, replies.FORBIDDEN)
        raise (replies.IdentityRefused if refused else replies.BadAnswer)(f"HTTP {said[0]}")
    try:
        found = json.loads(said[1])
        inside = found.get("data") if dialect is Dialect.V1 else found
        status = int(inside.get("StatusCode") or 0)
        keys = [inside.get(legacy) or inside.get(newer) for legacy, newer in _KEYS]
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise replies.BadAnswer("no answer to a request for keys") from None
    if status or not all(isinstance(key, str) and key.strip() and key.isprintable() for key in keys):
        raise replies.Refused(f"status {status}, and no keys")
    return KeyPair(*(key.strip() for key in keys))


class StorageKeys:
    """The keys of the storages that queues use. Each pair is asked for once; thread-safe."""

    def __init__(self, server: KeyCalls, folder: Path) -> None:
        """Take whom to ask, and where the file is to lie; nothing is asked or written before it is needed."""
        self._server, self._path, self._lock = server, folder / KEYS, threading.Lock()
        self._pairs: dict[tuple[str, str], KeyPair] = {}
        self._hosts: dict[str, KeyPair] = {}

    def added_to(self, settings: Settings, queue: QueueData, storages: Mapping[str, StorageEndpoint]) -> Settings:
        """Name the file of the queue's keys in the settings, where these name none and its storages have any."""
        found = (protocol for protocol in _of_queue(queue, storages) if protocol.public_key)
        named = {(each.endpoint, each.public_key, each.private_key): each for each in found}.values()
        if not named or settings.s3.credentials_file:
            return settings
        with self._lock:
            new = {_host(protocol): pair for protocol in named if (pair := self._pair(protocol)) is not None}
            if not new.items() <= self._hosts.items() and not self._written({**self._hosts, **new}):
                return settings
        if not self._hosts:
            return settings
        from dataclasses import replace

        return settings.evolve(s3=replace(settings.s3, credentials_file=str(self._path)))

    def _pair(self, protocol: Protocol) -> Optional[KeyPair]:
        names = (protocol.public_key, protocol.private_key)
        if names not in self._pairs:
            try:
                self._pairs[names] = self._server.key_pair(*names)
            except replies.ServerError as wrong:
                log.warning("no keys %s of %s: %s", " and ".join(names), protocol.endpoint, wrong)
                return None
        return self._pairs[names]

    def _written(self, hosts: dict[str, KeyPair]) -> bool:
        """Have these keys in the file, or tell why not; the next job's files try again."""
        try:
            self._write(hosts)
        except OSError as wrong:
            log.warning("the keys of %s could not be kept in %s: %s", ", ".join(hosts), self._path, wrong.strerror)
            return False
        self._hosts = hosts
        return True

    def _write(self, hosts: Mapping[str, KeyPair]) -> None:
        lines = []
        for host, pair in hosts.items():
            lines += [f"[{host}]", f"aws_access_key_id = {pair.public}", f"aws_secret_access_key = {pair.private}", ""]
        new = self._path.with_suffix(".new")
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write("\n".join(lines))
        new.replace(self._path)


def _of_queue(queue: QueueData, storages: Mapping[str, StorageEndpoint]) -> Iterable[Protocol]:
    """Answer how the storages that a queue names are reached, for whatever."""
    for name in dict.fromkeys(name for names in queue.astorages.values() for name in names):
        if name in storages:
            for protocols in storages[name].protocols.values():
                yield from protocols


def _host(protocol: Protocol) -> str:
    """Answer the host and port, or the bucket, that an address begins with: the name of a section of keys."""
    return protocol.endpoint.partition("://")[2].strip("/")
