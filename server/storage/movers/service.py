"""Carries out the copies of our own mover, so many at a time; one process for a folder, which ends when it is idle.

``python -m server.storage.movers.service FOLDER``. Killed, it is run again by who asks next, and does again what it was
doing: what it had copied aside is copied over.
"""

from __future__ import annotations

import fcntl
import logging
import os
import select
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from server.storage.apart import Apart
from server.storage.base import Copied, CopyState, StorageMisconfigured, StorageUnavailable
from server.storage.movers.orders import ENDED, Order, Orders
from server.storage.movers.steps import moving
from server.storage.xrootd import MARGIN, client_settings

log = logging.getLogger(__name__)

#: Seconds without work after which the service ends.
IDLE = 60.0
#: Bytes per second that any storage reads at least, when it computes a checksum: meanwhile nothing is heard of it.
SLOWEST = 20e6
#: Seconds after which a request that has ended is forgotten.
MEMORY = 7 * 86400.0
#: The module for each scheme; a copy goes from one of a module's to another of the same.
MODULES = {
    "root": "server.storage.movers.xrootd",
    "roots": "server.storage.movers.xrootd",
    "https": "server.storage.movers.http",
    "http": "server.storage.movers.http",
    "davs": "server.storage.movers.http",
    "dav": "server.storage.movers.http",
    "file": "server.storage.movers.local",
}


class Service:
    """One run of it. ``patience``: seconds in which a copy must have come further."""

    def __init__(self, orders: Orders, *, at_once: int, patience: int) -> None:
        self._orders, self._patience, self._at_once = orders, patience, at_once
        settings = client_settings(patience)
        self._aparts = {module: Apart(module, settings) for module in set(MODULES.values())}
        self._busy: set[tuple[str, int]] = set()
        self._lock = threading.Lock()

    def run(self, bell: int) -> None:
        """Work until there has been nothing to do for a while."""
        self._orders.forget_before(time.time() - MEMORY)
        with ThreadPoolExecutor(self._at_once) as pool:
            while True:
                for order in self._orders.all_open():
                    with self._lock:
                        known = (order.request, order.number) in self._busy
                        self._busy.add((order.request, order.number))
                    if not known:
                        pool.submit(self._carry_out, order).add_done_callback(_tell_what_broke)
                if not select.select([bell], [], [], IDLE)[0] and not self._busy:
                    return
                self._drain(bell)

    def _drain(self, bell: int) -> None:
        while select.select([bell], [], [], 0)[0]:
            os.read(bell, 2**16)

    def _carry_out(self, order: Order) -> None:
        try:
            ended = self._copy(order)
            self._orders.note(order, ended)
            log.info("%s: %s %s", order.copy.target, ended.state.value, ended.words)
        finally:
            with self._lock:
                self._busy.discard((order.request, order.number))

    def _copy(self, order: Order) -> Copied:
        """Copy one file; answer how that ended."""
        if self._orders.state(order).state in ENDED:
            return self._orders.state(order)
        if self._orders.is_given_up(order.request):
            return Copied(CopyState.FAILED, words="given up")
        module = MODULES.get(urlsplit(order.copy.target).scheme)
        if module is None or module != MODULES.get(urlsplit(order.copy.source).scheme):
            return Copied(CopyState.FAILED, words=f"nobody copies from {order.copy.source} to {order.copy.target}")
        try:
            ended = self._follow(order, self._pieces(module, order))
        except StorageMisconfigured as wrong:
            return Copied(CopyState.FAILED, words=str(wrong))
        except StorageUnavailable as wrong:
            ended = Copied(CopyState.FAILED, words=str(wrong))
        if ended.state is CopyState.FAILED:
            self._clear(module, order)
        return ended

    def _pieces(self, module: str, order: Order) -> Iterator[Any]:
        copy = order.copy
        what = {"source": copy.source, "target": copy.target, "aside": order.aside}
        said = {**what, "size": copy.size, "checksum": copy.checksum or ""}
        silence = self._patience + MARGIN + (copy.size or 0) / SLOWEST
        asked = {"order": said, "patience": self._patience}
        return moving(self._aparts[module].ask("copy", asked, patience=silence), self._patience)

    def _follow(self, order: Order, pieces: Iterator[Any]) -> Copied:
        moved = 0
        self._orders.note(order, Copied(CopyState.ACTIVE))
        for piece in pieces:
            moved = piece.get("moved", moved)
            if "done" in piece:
                return Copied(CopyState.DONE, moved, checksum=piece["done"])
            if "failed" in piece:
                return Copied(CopyState.FAILED, moved, piece["failed"])
            if self._orders.is_given_up(order.request):
                return Copied(CopyState.FAILED, moved, "given up")
            self._orders.note(order, Copied(CopyState.ACTIVE, moved))
        return Copied(CopyState.FAILED, moved, "the copy ended without a word")

    def _clear(self, module: str, order: Order) -> None:
        """Remove what is left aside; what cannot be removed now is copied over next time."""
        asked = {"aside": order.aside, "patience": self._patience}
        try:
            list(self._aparts[module].ask("clear", asked, patience=self._patience + MARGIN))
        except StorageUnavailable as wrong:
            log.warning("%s could not be removed: %s", order.aside, wrong)


def _tell_what_broke(carried: Future[None]) -> None:
    """Tell what nobody waits for, such as a full disk; who asks next has it tried again."""
    if (wrong := carried.exception()) is not None:
        log.error("what became of a copy could not be noted: %r", wrong)


def main() -> None:
    """Be the service of a folder, unless somebody is."""
    folder, at_once, patience = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    if not folder.is_dir():
        return  # it was removed while we came up
    orders = Orders(folder)
    with orders.lock.open("a") as lock:
        if not _is_free(lock.fileno()):
            return
        (folder / "pid").write_text(str(os.getpid()))
        bell = os.open(orders.bell, os.O_RDWR | os.O_NONBLOCK)
        Service(orders, at_once=at_once, patience=patience).run(bell)


def _is_free(lock: int) -> bool:
    """Take the lock; say whether that was possible. Those who only look whether it is taken hold it for a moment."""
    for _ in range(20):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            threading.Event().wait(0.05)
        else:
            return True
    return False


if __name__ == "__main__":
    main()
