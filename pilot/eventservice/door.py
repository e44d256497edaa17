"""The socket at which a payload's workers ask for ranges: lines come in, lines go out. It understands none of them.

It lies in the job's directory, which containers see at the same path, and which nobody else may enter. A path may be
longer than a socket's address; both sides then reach it through the folder, as the kernel shows it in ``/proc``.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Callable, NamedTuple

from pilot.contract.codes import ErrorCode
from pilot.contract.events import SOCKET_FILE
from pilot.errors import JobFailed
from pilot.eventservice.messages import LONGEST
from pilot.runtime.workdir import clear

log = logging.getLogger(__name__)

#: A worker that does not read its answer for so many seconds has hung up.
DEAF_AFTER = 10
#: So many workers of a job are heard at a time; a pilot needs open files for other things, too.
MOST_WORKERS = 400
#: So many lines are heard ahead of whoever answers them; then their payload waits.
MOST_AHEAD = 1000
#: When no worker can be taken for lack of open files, it is tried again after so many seconds.
TRY_AGAIN = 1.0
_PIECE = 65536


class Worker:
    """One worker's line. `say` is for one thread."""

    def __init__(self, line: socket.socket, heard: Callable[[], None] = lambda: None) -> None:
        self._line = line
        self.heard = heard  # to be called once for each of its lines
        self.polite = False  # it understands answers to what it tells
        # Reading is done when there is something; writing waits for a worker that is busy, but not for ever.
        line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", DEAF_AFTER, 0))

    def say(self, text: str) -> bool:
        """Send one line; False when nobody takes it: then the line is cut, and nobody waits for this worker again."""
        try:
            self._line.sendall(text.encode("utf-8", "surrogateescape") + b"\n")
        except OSError:
            with contextlib.suppress(OSError):
                self._line.shutdown(socket.SHUT_RDWR)
            return False
        return True


class Line(NamedTuple):
    """A worker has said something."""

    worker: Worker
    text: str


class Gone(NamedTuple):
    """A worker has hung up; what it had is still its payload's."""

    worker: Worker


class Door:
    """``tell`` takes what is said, in the door's own thread. Open from `__enter__` to `__exit__`."""

    def __init__(self, folder: Path, tell: Callable[[object], None]) -> None:
        self.path = folder / SOCKET_FILE
        self._tell = tell
        self._ready = selectors.DefaultSelector()
        self._heard: dict[socket.socket, tuple[Worker, bytearray]] = {}
        self._crowded = self._closing = False
        self._after: deque[object] = deque()
        self._room = threading.Semaphore(MOST_AHEAD)
        self._thread = threading.Thread(target=self._serve, name="events", daemon=True)

    def __enter__(self) -> Door:
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._listen()
            self._end, self._ended = os.pipe()
        except OSError as wrong:
            self._listening.close()
            raise JobFailed(ErrorCode.MESSAGE_FAILURE, f"{self.path}: no socket can be made: {wrong}") from wrong
        self._ready.register(self._listening, selectors.EVENT_READ)
        self._ready.register(self._end, selectors.EVENT_READ)
        self._thread.start()
        return self

    def after(self, news: object) -> None:
        """Tell something as soon as all that was said before it has been told. In any thread, while this is open."""
        self._after.append(news)
        os.write(self._ended, b"x")

    def _listen(self) -> None:
        clear(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._listening.bind(f"/proc/self/fd/{folder}/{self.path.name}")
        finally:
            os.close(folder)
        self.path.chmod(0o600)
        self._listening.listen(128)

    def __exit__(self, *_: object) -> None:
        self._closing = True
        self._room.release()
        os.close(self._ended)
        self._thread.join()
        for line in (*self._heard, self._listening):
            line.close()
        os.close(self._end)
        self._ready.close()
        with contextlib.suppress(OSError):
            self.path.unlink()

    def _serve(self) -> None:
        while True:
            full = len(self._heard) >= MOST_WORKERS
            ready = self._ready.select(TRY_AGAIN if self._crowded and not full else None)
            if not ready:
                self._listen_again()
            self._attend(ready)
            if any(key.fd == self._end for key, _ in ready):
                if not os.read(self._end, 1):
                    return
                self._hear_out()
                self._tell(self._after.popleft())

    def _attend(self, ready: Sequence[tuple[selectors.SelectorKey, int]]) -> None:
        for key, _ in ready:
            if key.fileobj is self._listening:
                self._take()
            elif isinstance(key.fileobj, socket.socket):
                self._hear(key.fileobj)

    def _hear_out(self) -> None:
        """Hear what is there already; somebody who talks on and on is not waited for."""
        until = time.monotonic() + DEAF_AFTER
        while time.monotonic() < until and not self._closing:
            ready = [found for found in self._ready.select(0) if found[0].fd != self._end]
            if not ready:
                return
            self._attend(ready)

    def _take(self) -> None:
        try:
            line, _ = self._listening.accept()
        except OSError as wrong:  # too many open files, most often
            log.warning("a worker of a payload cannot be heard: %s", wrong)
            self._crowd()
            return
        self._heard[line] = Worker(line, self._room.release), bytearray()
        self._ready.register(line, selectors.EVENT_READ)
        if len(self._heard) >= MOST_WORKERS:
            log.warning("%d workers of a payload talk at a time; others wait until one hangs up", MOST_WORKERS)
            self._crowd()

    def _crowd(self) -> None:
        self._ready.unregister(self._listening)
        self._crowded = True

    def _listen_again(self) -> None:
        if self._crowded:
            self._ready.register(self._listening, selectors.EVENT_READ)
            self._crowded = False

    def _hear(self, line: socket.socket) -> None:
        worker, heard = self._heard[line]
        try:
            said = line.recv(_PIECE)
        except OSError:
            said = b""
        heard += said
        *lines, rest = bytes(heard).split(b"\n")
        heard[:] = rest
        for one in lines:
            self._room.acquire()
            if self._closing:
                self._room.release()
                return
            self._tell(Line(worker, one.decode("utf-8", "surrogateescape").rstrip("\r")))
        if not said or len(rest) > LONGEST:
            if said:
                log.warning("a worker of a payload has said more than %d bytes without a line's end", LONGEST)
            self._ready.unregister(line)
            del self._heard[line]
            line.close()
            self._listen_again()
            self._tell(Gone(worker))
