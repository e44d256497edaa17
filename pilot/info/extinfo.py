"""Where `infosys` has queues and storages from: the site's settings, as a pilot reads them, kept for a while."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Callable, Optional

from pilot.api.descriptions import Descriptions
from pilot.common.exception import told_as_pilot_exception
from pilot.info.queuedata import QueueData
from pilot.info.storagedata import StorageData

if TYPE_CHECKING:
    from pilot.contract.queue import StorageEndpoint
    from pilot.settings import Settings


class PilotConfigProvider:
    """The pilot's settings, from the files and the environment variables that a pilot reads."""

    @functools.cached_property
    def settings(self) -> Settings:
        """The settings; read once."""
        from pilot import settings

        with told_as_pilot_exception():
            return settings.load(settings.layers(None, [])).settings


class ExtInfoProvider:
    """Queues and storages as settings or server describe them. Thread-safe: one thread asks, the others wait for it."""

    def __init__(self, cache_time: Optional[float] = None, config: Optional[PilotConfigProvider] = None) -> None:
        """Keep what was read for ``cache_time`` seconds; for ``queue.refresh`` of the settings when left out."""
        self._config = config or PilotConfigProvider()
        self._for, self._lock = cache_time, threading.Lock()
        self._kept: dict[str, tuple[float, Any]] = {}

    def resolve_queuedata(self, pandaqueue: str, *_: object) -> QueueData:
        """Answer a queue; each caller gets one of its own.

        Raises:
            PilotException: its description cannot be had or read.
        """
        return QueueData(self._get(f"queue {pandaqueue}", lambda read: read.queue(pandaqueue)))

    def resolve_storage_data(self, ddmendpoints: Sequence[str] = (), *_: object) -> dict[str, StorageData]:
        """Answer storages by name; all that there are when none is named.

        Raises:
            PilotException: their description cannot be had or read.
        """
        known = self.endpoints()
        return {name: StorageData(known[name]) for name in ddmendpoints or known if name in known}

    def endpoints(self) -> Mapping[str, StorageEndpoint]:
        """Answer storages as the Data API takes them; none where nobody is set who describes them."""
        chosen = self._config.settings
        if not chosen.queue.storage_url and not chosen.server.url:
            return {}
        found: Mapping[str, StorageEndpoint] = self._get("storages", lambda read: read.storages(None))
        return found

    def _get(self, name: str, ask: Callable[[Descriptions], Any]) -> Any:
        chosen = self._config.settings
        kept_for = chosen.queue.refresh if self._for is None else self._for
        with self._lock, told_as_pilot_exception():
            until, value = self._kept.get(name, (0.0, None))
            if time.monotonic() >= until:
                value = ask(Descriptions(chosen))
                self._kept[name] = (time.monotonic() + kept_for, value)
            return value
