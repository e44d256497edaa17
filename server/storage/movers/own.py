"""Our own mover: has storages copy from each other by their protocols, and looks after each copy to its end.

Nothing is to be started: a service process is, by whoever asks, when there is none. It is told what to do by files in
a folder (`server.storage.movers.orders`), so that nothing is lost with it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from server.storage.base import Copied, Copy, Mover, StorageMisconfigured, StorageUnavailable
from server.storage.movers.orders import ENDED, Orders

_ROOT = str(Path(__file__).resolve().parents[3])
_SERVICE = "import sys; sys.path.append(sys.argv.pop(1)); from server.storage.movers.service import main; main()"


class OwnMover(Mover):
    """Copies between storages of the xroot protocol, of HTTP, and between folders of this machine."""

    def __init__(self, folder: Path, *, at_once: int = 4, patience: int = 300) -> None:
        """Say where it notes things.

        Args:
            folder: Its own, on this machine's disk; made if it is not there.
            at_once: Copies at a time.
            patience: Seconds in which a copy must have come further.

        Raises:
            StorageMisconfigured: nothing can be noted there.
        """
        try:
            self._orders, self._at_once, self._patience = Orders(folder), at_once, patience
            with contextlib.suppress(FileExistsError):
                os.mkfifo(self._orders.bell, 0o600)
        except OSError as wrong:
            raise StorageMisconfigured(f"the mover's folder {folder}: {wrong.strerror}") from wrong

    def submit(self, copies: Sequence[Copy], *, request: str) -> str:
        try:
            self._orders.add(request, copies)
        except OSError as wrong:
            raise StorageUnavailable(f"the mover's folder {self._orders.folder}: {wrong.strerror}") from wrong
        self._wake()
        return request

    def status(self, request: str) -> Mapping[str, Copied]:
        orders = self._orders.orders(request)
        states = {order.copy.target: self._orders.state(order) for order in orders}
        if any(one.state not in ENDED for one in states.values()):
            self._wake()
        return states

    def cancel(self, request: str) -> None:
        self._orders.give_up(request)
        self._wake()

    def _wake(self) -> None:
        """See to it that the service runs, and looks."""
        with self._orders.lock.open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                pass  # it runs
            else:
                fcntl.flock(lock, fcntl.LOCK_UN)
                self._start()
        bell = os.open(self._orders.bell, os.O_RDWR | os.O_NONBLOCK)
        try:
            with contextlib.suppress(BlockingIOError):  # so full a pipe is heard
                os.write(bell, b"\n")
        finally:
            os.close(bell)

    def _start(self) -> None:
        words = [_ROOT, str(self._orders.folder), str(self._at_once), str(self._patience)]
        with (self._orders.folder / "service.log").open("ab") as log:
            # Not our child: it outlives us, and nobody has to wait for it.
            subprocess.run(
                ["/bin/sh", "-c", '"$0" "$@" &', sys.executable, "-c", _SERVICE, *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                check=True,
            )
