"""The copy tools of a pilot, made for a queue as settings and queue have it, and the engine that works with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pilot.copytool.base import CopyTool

if TYPE_CHECKING:
    from pilot.contract.queue import QueueData, StorageEndpoint
    from pilot.copytool.engine import Engine
    from pilot.settings import Settings


class Tools(Mapping[str, CopyTool]):
    """One of each tool, made when it is asked for, with what the queue says of it."""

    def __init__(self, kinds: Mapping[str, type[CopyTool]], settings: Settings, queue: QueueData) -> None:
        self._kinds, self._settings, self._queue = kinds, settings, queue

    def __getitem__(self, name: str) -> CopyTool:
        return self._kinds[name](self._settings, self._queue.copytools.get(name) or {})

    def __contains__(self, name: object) -> bool:
        return name in self._kinds

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)


class Toolbox:
    """``kinds`` are the classes of tools by name."""

    def __init__(self, kinds: Mapping[str, type[CopyTool]], settings: Settings) -> None:
        self.kinds, self._settings = kinds, settings

    def tools(self, queue: QueueData) -> Mapping[str, CopyTool]:
        """Answer the tools as a queue has them."""
        return Tools(self.kinds, self._settings, queue)

    def engine(self, queue: QueueData, storages: Mapping[str, StorageEndpoint]) -> Engine:
        """Make the engine that stages files for the jobs of a queue."""
        from pilot.copytool.engine import Engine

        return Engine(self.tools(queue), storages, queue, attempts=self._settings.copy.attempts)
