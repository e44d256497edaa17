"""Connections of OpenSSH that several steps share, so that a small file need not wait until one is made.

Each is kept by an ``ssh`` of its own (a ``ControlMaster``), whose socket lies in a folder that nobody else may enter.
It ends when nobody has used it for a while, and with the pilot, also when that is killed: what it runs on the storage's
host reads from a pipe whose other end is the pilot's.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from typing import IO, Optional, cast

from pilot.copytool.base import Cancel, CopyCancelled, CopyFailed, Deadline, FailureKind
from pilot.copytool.program import PATIENCE, Ran, kill

#: Takes the folder of the socket away when the program has ended, also when there is no pilot any more.
KEEP = 'folder=$1; shift; "$@"; status=$?; rm -rf -- "$folder"; exit "$status"'
#: What the storage's host runs meanwhile, and says first; it ends with its input.
HOLD, SHARED = "env LC_ALL=C sh -c 'echo shared; exec cat >/dev/null'", b"shared\n"
#: The exit status of ``ssh`` for what went wrong with a connection.
LOST = 255
#: Bytes of the longest folder for a socket: the system takes addresses of 107, and ssh puts 20 after the name.
LONGEST = 80
#: What ssh would read otherwise in the name of a folder: blanks, quotes, signs of variables.
SPECIAL = re.compile(r"[\s%$~\"'\\#]")


class Connection:
    """One, and how many use it; ``used`` is when somebody last did."""

    def __init__(self, process: subprocess.Popen[bytes], folder: str) -> None:
        self.process, self.folder, self.users, self.used = process, folder, 1, time.monotonic()

    @property
    def options(self) -> Sequence[str]:
        """The options of a client that shares it; one that does not find its socket connects itself."""
        return _socket_in(self.folder)

    def end(self) -> None:
        """Have it gone."""
        kill(self.process)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(PATIENCE)
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                cast("IO[bytes]", pipe).close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Connections:
    """Those of one pilot; may be used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[object, Optional[Connection]] = {}  # None while it is being made

    @contextlib.contextmanager
    def to(
        self, login: str, ssh: Sequence[str], kept: float, deadline: Deadline, cancel: Cancel
    ) -> Iterator[Optional[Connection]]:
        """Give a connection to be shared; ``None`` where there is none just now, so that each step makes its own.

        Args:
            login: Who, and where.
            ssh: The program and its options, after all that comes before it.
            kept: Seconds without use after which a connection is ended.
            deadline: When to give up.
            cancel: The same, when this is asked for.

        Raises:
            CopyFailed: there can be no connection, shared or not.
            CopyCancelled: it was given up.
        """
        key = (os.getpid(), login, *ssh)  # after a fork, each process has its own
        connection = self._take(key) or self._make(key, login, ssh, kept, deadline, cancel)
        try:
            yield connection
        finally:
            if connection:
                with self._lock:
                    connection.users, connection.used = connection.users - 1, time.monotonic()

    def drop(self, connection: Connection) -> None:
        """End a connection; the next step makes a new one."""
        self.forget(connection)
        connection.end()

    def forget(self, connection: Connection) -> None:
        """Have the next step make a new one; who uses this one may go on, and it ends when nobody does any more."""
        with self._lock:
            self._found = {key: one for key, one in self._found.items() if one is not connection}

    def close(self) -> None:
        """End all."""
        for connection in list(self._found.values()):
            if connection:
                self.drop(connection)

    def _take(self, key: object) -> Optional[Connection]:
        with self._lock:
            connection = self._found.get(key)
            if connection and connection.process.poll() is None:
                connection.users += 1
                return connection
        if connection:
            self.drop(connection)  # its host has ended it
        return None

    def _make(
        self, key: object, login: str, ssh: Sequence[str], kept: float, deadline: Deadline, cancel: Cancel
    ) -> Optional[Connection]:
        """Make a connection. Whoever wants it meanwhile does not wait for it."""
        with self._lock:
            if key in self._found:
                return None
            self._found[key] = None
        connection = None
        try:
            connection = _connect(login, ssh, deadline, cancel)
        finally:
            with self._lock:
                self._found[key] = connection
                if connection is None:
                    del self._found[key]
        if connection:
            self._end_after(kept, kept, connection)
        return connection

    def _end_after(self, wait: float, kept: float, connection: Connection) -> None:
        timer = threading.Timer(wait, self._end_unused, (kept, connection))
        timer.daemon = True
        timer.start()

    def _end_unused(self, kept: float, connection: Connection) -> None:
        with self._lock:
            wait = kept if connection.users else connection.used + kept - time.monotonic()
            if wait <= 0:  # nobody finds it any more
                self._found = {key: one for key, one in self._found.items() if one is not connection}
        if wait > 0:
            self._end_after(wait, kept, connection)
        else:
            connection.end()


def _socket_in(folder: str) -> Sequence[str]:
    return ["-o", f"ControlPath={folder}/s"]


def _connect(login: str, ssh: Sequence[str], deadline: Deadline, cancel: Cancel) -> Optional[Connection]:
    """Begin a connection, and wait until it is there; ``None`` when this host does not let one be shared."""
    folder = tempfile.mkdtemp(prefix="ssh-")
    if len(os.fsencode(folder)) > LONGEST or SPECIAL.search(folder):
        shutil.rmtree(folder)
        return None
    with tempfile.TemporaryFile() as errors:
        words = [*ssh, "-M", *_socket_in(folder), "--", login, HOLD]
        connection = Connection(_start(["/bin/sh", "-c", KEEP, "sh", folder, *words], errors), folder)
        if _answers(connection.process, deadline, cancel):
            return connection
        status = connection.process.poll()
        connection.end()
        if cancel:
            raise CopyCancelled
        if not deadline.left():
            raise CopyFailed(FailureKind.TIMEOUT, f"{login} did not answer within its time")
        errors.seek(0)
        ran = Ran(status or 0, "", errors.read().decode("utf-8", "replace"))
    if ran.status == LOST:
        raise ran.failure()
    return None


def _start(command: Sequence[str], errors: IO[bytes]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, start_new_session=True, cwd="/"
        )
    except OSError as wrong:
        raise CopyFailed(None, f"{command[0]} cannot be run: {wrong.strerror}") from wrong


def _answers(process: subprocess.Popen[bytes], deadline: Deadline, cancel: Cancel) -> bool:
    """Say whether the host has answered; it may say other things before. What does not in time is killed."""
    timer = threading.Timer(deadline.left(), kill, (process,))
    timer.daemon = True
    timer.start()
    try:
        with cancel.doing(lambda: kill(process)):
            if SHARED in cast("IO[bytes]", process.stdout):
                return not cancel
            process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        pass
    finally:
        timer.cancel()
    return False
