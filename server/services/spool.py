"""Messages as files in a folder of the server's home: the broker of an installation without a broker.

Kombu's own file transport reads messages that are still being written, and moves them through the folder for
temporary files, which may be another disk. Here a message appears complete, by a rename, and is taken by one.
"""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import filesystem
from kombu.utils.json import dumps, loads


class Channel(filesystem.Channel):
    """One folder; a file per message, whose name begins with the time of sending and ends with the queue."""

    @property
    def _folder(self) -> Path:
        return Path(self.data_folder_in)

    def _put(self, queue: str, payload: Any, **kwargs: Any) -> None:  # type: ignore[override] # its bases differ
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex}"
        unfinished = self._folder / f".{name}"
        unfinished.write_text(dumps(payload))
        unfinished.rename(self._folder / f"{name}.{queue}.msg")

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        for message in sorted(self._folder.glob(f"[!.]*.{queue}.msg")):
            taken = self._folder / f".{message.name}.{os.getpid()}"
            try:
                message.rename(taken)
            except FileNotFoundError:
                continue  # another worker was faster
            text = taken.read_text()
            taken.unlink()
            return loads(text)
        raise Empty


class Transport(filesystem.Transport):
    """Kombu's file transport with our channel."""

    Channel = Channel
