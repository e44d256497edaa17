"""What our own mover was asked for, and how far it is: a folder for each request, with one small file for each copy.

Everything is written aside and then renamed, so that whoever is killed leaves what can be read.
"""

from __future__ import annotations

import contextlib
import errno
import json
import shutil
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote
from uuid import uuid4

from server.storage.base import Copied, Copy, CopyState

ENDED = (CopyState.DONE, CopyState.FAILED)
_GIVEN_UP, _COPIES, _NEW = "given-up", "copies.json", "new-"


@dataclass(frozen=True)
class Order:
    """One copy of a request."""

    request: str
    number: int
    copy: Copy

    @property
    def aside(self) -> str:
        """Where it is copied to until it is verified; the same at each try."""
        return f"{self.copy.target}.part-{zlib.crc32(f'{self.request}/{self.number}'.encode()):08x}"


class Orders:
    """All requests, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._requests = folder / "requests"
        self._requests.mkdir(parents=True, exist_ok=True)

    @property
    def bell(self) -> Path:
        """A pipe: whoever has asked for something writes a line into it."""
        return self.folder / "bell"

    @property
    def lock(self) -> Path:
        """Held by the service that carries orders out."""
        return self.folder / "lock"

    def add(self, request: str, copies: Sequence[Copy]) -> bool:
        """Note a request; say whether it is new. One that is known stays as it is.

        Raises:
            OSError: it could not be noted, as on a full disk.
        """
        aside, noted = self.folder / f"{_NEW}{uuid4().hex}", self._of(request)
        try:
            aside.mkdir()
            _write(aside / _COPIES, [asdict(copy) for copy in copies])
            if noted.is_dir() and _read(noted / _COPIES) is None:  # a power failure has left nothing in it
                (aside / _COPIES).replace(noted / _COPIES)
            else:
                aside.rename(noted)
        except OSError as wrong:
            if wrong.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            return False  # there is one of that number
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        return True

    def orders(self, request: str) -> list[Order]:
        """Answer the copies of a request; none when it is not known."""
        said = _read(self._of(request) / _COPIES) or []
        return [Order(request, number, Copy(**one)) for number, one in enumerate(said)]

    def all_open(self) -> Iterator[Order]:
        """Yield what has not ended, the oldest request first."""
        folders = sorted(self._requests.iterdir(), key=lambda folder: folder.stat().st_mtime_ns)
        for folder in folders:
            for order in self.orders(unquote(folder.name)):
                if self.state(order).state not in ENDED:
                    yield order

    def state(self, order: Order) -> Copied:
        """Say how far a copy is."""
        said = _read(self._state(order))
        if said is None:
            return Copied(CopyState.QUEUED)
        return Copied(CopyState(said["state"]), said["moved"], said["words"], said["checksum"])

    def note(self, order: Order, copied: Copied) -> None:
        """Note how far a copy is."""
        with contextlib.suppress(FileNotFoundError):  # the request was forgotten in the meantime
            _write(self._state(order), {**asdict(copied), "state": copied.state.value})

    def give_up(self, request: str) -> None:
        """Note that what has not been copied yet is not wanted any more."""
        with contextlib.suppress(FileNotFoundError):
            (self._of(request) / _GIVEN_UP).touch()

    def is_given_up(self, request: str) -> bool:
        return (self._of(request) / _GIVEN_UP).exists()

    def forget_before(self, when: float) -> None:
        """Forget requests that have ended, and were asked for before that many seconds since 1970.

        What somebody had not noted to the end when he was killed is forgotten with them.
        """
        for left in self.folder.glob(f"{_NEW}*"):
            if left.stat().st_mtime < when:
                shutil.rmtree(left, ignore_errors=True)
        for folder in self._requests.iterdir():
            orders = self.orders(unquote(folder.name))
            if folder.stat().st_mtime < when and all(self.state(order).state in ENDED for order in orders):
                shutil.rmtree(folder, ignore_errors=True)

    def _of(self, request: str) -> Path:
        return self._requests / quote(request, safe="").replace(".", "%2E")

    def _state(self, order: Order) -> Path:
        return self._of(order.request) / f"{order.number}.json"


def _write(path: Path, said: Any) -> None:
    aside = path.with_name(f"{path.name}.{uuid4().hex}")
    aside.write_text(json.dumps(said))
    aside.replace(path)


def _read(path: Path) -> Any:
    """Read what was written; ``None`` where there is nothing, or what a power failure has left of it."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
