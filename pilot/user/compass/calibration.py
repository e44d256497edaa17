"""Where a job's calibrations come from: a database server, one of the node itself, or a replica in a file."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed

PORT = 3306
#: The longest wait for one server's greeting, and between two rounds of asking, in seconds.
LONGEST_GREETING = 10.0
LONGEST_PAUSE = 8.0
#: What is read of a greeting, in bytes.
LONGEST_PACKET = 64
_SERVER = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9-]{0,62}(?:\.[A-Za-z0-9-]{1,63})*\.?|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?", re.ASCII
)


@dataclass(frozen=True)
class Source:
    """One of: ``host`` and ``port`` of a server, ``socket_path`` of one on this node, or ``file``, a replica.

    A replica is a file or a folder.
    """

    host: str = ""
    port: int = PORT
    socket_path: str = ""
    file: str = ""

    def __str__(self) -> str:
        if self.file:
            return f"file:{self.file}"
        return f"unix:{self.socket_path}" if self.socket_path else f"{self.host}:{self.port}"

    @property
    def variables(self) -> Mapping[str, str]:
        """What programs and the database's client library read."""
        if self.file:
            return {"COMPASS_CDB_FILE": self.file}
        if self.socket_path:
            return {"CDBSERVER": "localhost", "MYSQL_UNIX_PORT": self.socket_path}
        return {"CDBSERVER": self.host, **({"MYSQL_TCP_PORT": str(self.port)} if self.port != PORT else {})}


def values_from(environment: Mapping[str, str]) -> dict[str, str]:
    """Answer the placeholders of an options file, from a payload's environment."""
    if file := environment.get("COMPASS_CDB_FILE"):
        return {"calibration_use": "FileDB", "calibration_place": file}
    server = environment.get("CDBSERVER")
    if not server:
        return {}
    port = environment.get("MYSQL_TCP_PORT", str(PORT))
    return {"calibration_use": "MySQLDB", "calibration_server": server, "calibration_port": port}


def read(text: str, release: Optional[Path]) -> Source:
    """Read ``host``, ``host:port``, ``unix:/path``, ``file:path``; a file's path may be below the release.

    Raises:
        ValueError: it is none of these. A password is refused, and not repeated.
    """
    if "@" in text:
        raise ValueError("an address with a name or a password; leave both to the release's options")
    if not text.isprintable():
        raise ValueError(f"{text!r} has control characters")
    kind, colon, path = text.partition(":")
    if colon and kind == "file" and path and (path.startswith("/") or release is not None):
        return Source(file=str(release / path if release else path))
    if colon and kind == "unix" and path.startswith("/"):
        return Source(socket_path=path)
    found = _SERVER.fullmatch(text)
    if found is None or kind in ("file", "unix") or int(found[2] or PORT) not in range(1, 65536):
        raise ValueError(f"{text!r} is no source of calibrations; give host, host:port, unix:/path or file:path")
    return Source(host=found[1].strip("[]"), port=int(found[2] or PORT))


def chosen(task: Sequence[str], site: Sequence[str], release: Optional[Path]) -> list[Source]:
    """Answer the sources that a task names, else those of its site; none when nobody says anything.

    Raises:
        JobFailed: one cannot be read (BAD_JOB_DEFINITION, BAD_QUEUE_CONFIGURATION).
    """
    code, where = ErrorCode.BAD_QUEUE_CONFIGURATION, "params.compass.calibration of the queue"
    if task:
        code, where = ErrorCode.BAD_JOB_DEFINITION, "jobPars: --calibration"
    try:
        return [read(text, release) for text in task or site]
    except ValueError as wrong:
        raise JobFailed(code, f"{where}: {wrong}") from wrong


def in_order(sources: Sequence[Source], job: int, *, spread: bool) -> list[Source]:
    """Answer in which order to ask; ``spread`` lets each job begin with another one."""
    first = job % len(sources) if spread and sources else 0
    return [*sources[first:], *sources[:first]]


def first_ready(
    sources: Sequence[Source],
    limit: float,
    *,
    ask: Optional[Callable[[Source, float], None]] = None,
    pause: Optional[Callable[[float], object]] = None,
    clock: Callable[[], float] = time.monotonic,
) -> Source:
    """Answer the first source that is ready; ask again, ever more slowly, until ``limit`` seconds are over.

    Asking is all that one can do: a server on another machine, or one of this node that is starting, tells nobody when
    it is ready.

    Raises:
        JobFailed: none was ready in time (SERVICE_NOT_AVAILABLE); the words tell what became of each.
    """
    asked, wait = ask or greet, pause or threading.Event().wait
    end, between, why = clock() + limit, 0.5, {}
    while True:
        for source in sources:
            try:
                asked(source, max(0.1, min(LONGEST_GREETING, end - clock())))
            except OSError as wrong:
                why[str(source)] = wrong.strerror or str(wrong) or type(wrong).__name__
            else:
                return source
        if clock() + between >= end:
            break
        wait(between)
        between = min(LONGEST_PAUSE, 2 * between)
    told = "; ".join(f"{name}: {words}" for name, words in why.items())
    raise JobFailed(ErrorCode.SERVICE_NOT_AVAILABLE, f"no source of calibrations was ready in {limit:g} s: {told}")


def greet(source: Source, limit: float) -> None:
    """Look whether a source is ready: a server greets whoever connects, before anything is asked; a file has content.

    Raises:
        OSError: it is not.
    """
    if source.file:
        _check_replica(Path(source.file))
        return
    end = time.monotonic() + limit
    with _connected(source, limit) as connection:
        length = int.from_bytes(_received(connection, 4, end)[:3], "little")  # and one byte that numbers packets
        said = _received(connection, min(max(1, length), LONGEST_PACKET), end)
    # The protocol's number, or 255 for an error: two bytes of number, then words.
    if said[0] == 255:
        words = "".join(letter for letter in said[3:].decode("utf-8", "replace") if letter.isprintable())
        raise OSError(f"it refuses: {words}")
    if said[0] not in (9, 10):
        raise OSError("it does not speak MySQL's protocol")


def _received(connection: socket.socket, size: int, end: float) -> bytes:
    said = b""
    while len(said) < size:
        connection.settimeout(max(0.001, end - time.monotonic()))
        if not (part := connection.recv(size - len(said))):
            raise OSError("it hung up before its greeting was over")
        said += part
    return said


def _check_replica(path: Path) -> None:
    if not (any(path.iterdir()) if path.is_dir() else path.stat().st_size):
        raise OSError("it is empty")


def _connected(source: Source, limit: float) -> socket.socket:
    if not source.socket_path:
        connection = socket.create_connection((source.host, source.port), timeout=limit)
    else:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(limit)
        try:
            connection.connect(source.socket_path)
        except OSError:
            connection.close()
            raise
    return connection
