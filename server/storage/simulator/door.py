"""What the robot answers to those at its door: XRootD's prepare plug-in runs a program, which asks the robot.

What is asked is XRootD's own: ``[-p N ...] -- ID stage|prep|evict|cancel|query [PATH[?pin=SECONDS] ...]``.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import socket
import sqlite3
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs

from server.storage.simulator.settings import Layout, RobotSettings
from server.storage.simulator.state import ACTIVE, FAILED, ON_DISK, QUEUED, Recall, State

log = logging.getLogger(__name__)

#: Seconds that somebody may take to say what he wants.
PATIENCE = 10.0
#: What a path may say of how long the file is to be kept on disk, in seconds.
PIN = "pin"
#: The longest that a file is kept, in seconds: whoever asks for more is given this.
LONGEST = 10 * 365 * 86400.0


class Door:
    """Where requests come in. One thread answers them, one after the other."""

    def __init__(self, layout: Layout) -> None:
        self._layout, self._settings = layout, layout.read_settings()
        self._listening = socket.socket(socket.AF_UNIX)
        layout.door.unlink(missing_ok=True)
        self._listening.bind(str(layout.door))
        layout.door.chmod(0o660)
        self._listening.listen(64)

    def serve(self) -> None:
        """Answer until the door is closed."""
        state = State(self._layout.state)
        with contextlib.closing(state), contextlib.suppress(ConnectionAbortedError):
            while True:
                one = self._accept()
                with one, contextlib.suppress(OSError):  # who has gone away needs no answer
                    one.settimeout(PATIENCE)
                    self._serve_one(state, one)

    def _serve_one(self, state: State, one: socket.socket) -> None:
        """Answer one request; nothing to what is none, for the next one is to be answered too."""
        said = b"".join(iter(partial(one.recv, 2**16), b""))
        try:
            words = said.decode().split("\n")
            request, what, *paths = words[words.index("--") + 1 :]
            one.sendall(self.answer(state, request, what, paths).encode())
        except (ValueError, sqlite3.Error) as wrong:
            log.warning("a request was not taken: %s: %.200r", wrong, said)

    def close(self) -> None:
        """Have `serve` come back."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> socket.socket:
        try:
            return self._listening.accept()[0]
        except OSError as closed:
            self._listening.close()
            raise ConnectionAbortedError from closed

    def answer(self, state: State, request: str, what: str, paths: Sequence[str]) -> str:
        """Do what is asked, and answer what XRootD passes on to its client."""
        plain = [path.partition("?")[0] for path in paths]
        if what == "query":
            found = [describe(self._layout, self._settings, state, request, path) for path in plain]
            return json.dumps({"request_id": request, "responses": found}, separators=(",", ":"))
        if what in ("stage", "prep"):
            state.add(_recall(self._layout, self._settings, request, path) for path in paths)
        elif what == "evict":
            state.unpin(plain)
        elif what == "cancel":
            state.cancel(request, plain)
        ring(self._layout)
        return ""


def describe(layout: Layout, settings: RobotSettings, state: State, request: str, path: str) -> dict[str, object]:
    """Say of a file what EOS would."""
    on_disk, on_tape = is_on_disk(settings, path), is_on_tape(layout, path)
    recalls = state.of_path(path)
    own = [recall for recall in recalls if recall.request == request]
    said: dict[str, object] = {
        "path": path,
        "path_exists": on_disk or on_tape,
        "on_tape": on_tape,
        "online": on_disk,
        "requested": any(recall.state in (QUEUED, ACTIVE) for recall in recalls),
        "has_reqid": bool(own),
        "req_time": str(int(own[0].asked)) if own else "",
        "error_text": own[0].words if own and own[0].state == FAILED else "",
    }
    return {**said, PIN: own[0].until} if own and own[0].state == ON_DISK else said


def _recall(layout: Layout, settings: RobotSettings, request: str, asked: str) -> Recall:
    path, _, said = asked.partition("?")
    now = time.time()
    lifetime = lifetime_of(said, settings.pin)
    if is_on_disk(settings, path):
        return Recall(request, path, ON_DISK, "", now, lifetime, now + lifetime)
    if is_on_tape(layout, path):
        return Recall(request, path, QUEUED, "", now, lifetime, 0.0)
    return Recall(request, path, FAILED, "no such file", now, lifetime, 0.0)


def lifetime_of(said: str, usual: float) -> float:
    """Read how many seconds a file is to be kept from what stands behind its path; ``usual`` where it is no number."""
    try:
        seconds = float(parse_qs(said)[PIN][0])
    except (KeyError, ValueError):
        return usual
    return usual if math.isnan(seconds) else min(max(0.0, seconds), LONGEST)


def is_on_disk(settings: RobotSettings, path: str) -> bool:
    """Say whether a file can be read; what is only on tape is a link to nowhere there."""
    return Path(settings.disk, path.lstrip("/")).is_file()


def is_on_tape(layout: Layout, path: str) -> bool:
    return (layout.tapes / path.lstrip("/")).is_file()


def ring(layout: Layout) -> None:
    """Wake the robot; one that does not run will see what there is when it does."""
    with contextlib.suppress(OSError):
        bell = os.open(layout.bell, os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.write(bell, b"\n")
        finally:
            os.close(bell)
