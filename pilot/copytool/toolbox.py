"""The copy tools of a pilot, made for a queue as settings and queue have it, and the engine that works with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pilot.contract.queue import QueueData, StorageEndpoint
    from pilot.copytool.base import CopyTool
    from pilot.copytool.engine import Engine
    from pilot.settings import Settings


class Toolbox:
    """``kinds`` are the classes of tools by name."""

    def __init__(self, kinds: Mapping[str, type[CopyTool]], settings: Settings) -> None:
        self.kinds, self._settings = kinds, settings

    def tools(self, queue: QueueData) -> Mapping[str, CopyTool]:
        """Make one of each tool, with what the queue says of it."""
        return {name: kind(self._settings, queue.copytools.get(name) or {}) for name, kind in self.kinds.items()}

    def engine(self, queue: QueueData, storages: Mapping[str, StorageEndpoint]) -> Engine:
        """Make the engine that stages files for the jobs of a queue."""
        from pilot.copytool.engine import Engine

        return Engine(self.tools(queue), storages, queue, attempts=self._settings.copy.attempts)
