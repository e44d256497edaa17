"""The copy tools of a pilot, made for a queue as settings and queue have it, and the engine that works with them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Callable, Optional

from pilot.copytool.base import CopyTool, Inside

if TYPE_CHECKING:
    from pathlib import Path

    from pilot.contract.queue import QueueData, StorageEndpoint
    from pilot.copytool.engine import Engine
    from pilot.copytool.room import Room
    from pilot.copytool.together import Turns
    from pilot.copytool.trace import Trace
    from pilot.settings import Settings

    WithKeys = Callable[[Settings, QueueData, Mapping[str, StorageEndpoint]], Settings]


class Tools(Mapping[str, CopyTool]):
    """One of each tool, made when it is first asked for, with what the queue says of it."""

    def __init__(
        self,
        kinds: Mapping[str, type[CopyTool]],
        settings: Settings,
        queue: QueueData,
        inside: Optional[Inside] = None,
    ) -> None:
        self._kinds, self._settings, self._queue, self._inside = kinds, settings, queue, inside
        self._made: dict[str, CopyTool] = {}

    def __getitem__(self, name: str) -> CopyTool:
        if name not in self._made:
            says = self._queue.copytools.get(name) or {}
            if self._inside is not None:
                says = {**says, "setup": self._inside._replace(script=str(says.get("setup") or ""))}
            made = self._kinds[name](self._settings, says)
            self._made.setdefault(name, made)  # another thread may have been faster
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._kinds

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)


class Toolbox:
    """``kinds`` are the classes of tools by name. What the engines that it makes share is made with the first one.

    ``with_keys`` adds to settings the keys that a queue's storages are reached by.
    """

    def __init__(
        self, kinds: Mapping[str, type[CopyTool]], settings: Settings, with_keys: Optional[WithKeys] = None
    ) -> None:
        self.kinds, self._settings, self._with_keys = kinds, settings, with_keys
        self._lock = threading.Lock()
        self._shared: Optional[tuple[Turns, Room]] = None

    @property
    def longest(self) -> float:
        """The seconds that files of a job may take together."""
        return self._settings.copy.most_time

    @property
    def early(self) -> bool:
        """Whether outputs may be stored while their payload runs."""
        return self._settings.copy.early

    def tools(self, queue: QueueData) -> Mapping[str, CopyTool]:
        """Answer the tools as a queue has them."""
        return Tools(self.kinds, self._settings, queue)

    def engine(
        self,
        queue: QueueData,
        storages: Mapping[str, StorageEndpoint],
        on_trace: Optional[Callable[[Trace], object]] = None,
        folders: Iterable[Path] = (),
    ) -> Engine:
        """Make the engine that stages files for the jobs of a queue; ``on_trace`` is told of each try of each file.

        Tools that run in a container see ``folders`` there, besides the one in which the pilot works.

        Raises:
            JobFailed: the tools are to run in a container, and there is none that they could; see `inside_of`.
        """
        from pilot.copytool.attempts import Policy
        from pilot.copytool.engine import Engine, nobody

        copy = self._settings.copy
        turns, room = self._in_common()
        settings = self._with_keys(self._settings, queue, storages) if self._with_keys else self._settings
        return Engine(
            Tools(self.kinds, settings, queue, _inside(settings, queue, storages, folders)),
            storages,
            queue,
            policy=Policy(copy.attempts, base_time=copy.base_time, rate=copy.rate, open_time=copy.open_time),
            turns=turns,
            room=room,
            on_trace=on_trace or nobody,
        )

    def _in_common(self) -> tuple[Turns, Room]:
        """Answer what all engines of a pilot share: the turns to copy, and the room on its disks."""
        from pilot.copytool.room import Room
        from pilot.copytool.together import Turns

        with self._lock:
            if self._shared is None:
                self._shared = (Turns(self._settings.copy.at_once), Room())
            return self._shared


def _inside(
    settings: Settings, queue: QueueData, storages: Mapping[str, StorageEndpoint], folders: Iterable[Path]
) -> Optional[Inside]:
    if settings.copy.container != "always" and "middleware" not in queue.container_type:
        return None  # most queues, which are spared the time of loading the rest
    from pilot.copytool.inside import inside_of

    return inside_of(settings, queue, storages, folders)
