"""What a GridFTP server tells anybody of its files, by plain FTP: facts, checksums, names."""

from __future__ import annotations

import ftplib
import re
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Optional

from pilot.copytool.base import Cancel, CopyCancelled, CopyFailed, Deadline, FailureKind, FileFacts
from pilot.copytool.last_words import kind_of, last_of

PORT = 21
_FACT = re.compile(r"^ .*?\b(type|size)=([^;]*);.*?\b(type|size)=([^;]*);", re.IGNORECASE | re.MULTILINE)


def stat(url: str, deadline: Deadline) -> Optional[FileFacts]:
    """Say what lies at ``url``; ``None`` when nothing does."""
    found = _facts(url, deadline)
    if found is None:
        return None
    if found["type"] != "file":
        raise CopyFailed(FailureKind.EXISTS, f"{url} is there, but is not a file")
    return FileFacts(int(found["size"]))


def checksum(url: str, algorithm: str, deadline: Deadline) -> str:
    """Have the server compute a checksum; answer it as ``algorithm:hex``."""
    with _session(url, deadline) as (session, path):
        words = session.sendcmd(f"CKSM {algorithm.upper()} 0 -1 {path}")
    return f"{algorithm}:{words.split()[-1].lower()}"


def rename(source: str, target: str, deadline: Deadline) -> None:
    """Give a file another name; one that has that already would be replaced by the server, and is looked for."""
    if _facts(target, deadline) is not None:
        raise CopyFailed(FailureKind.EXISTS, f"{target} exists")
    with _session(source, deadline) as (session, path):
        session.rename(path, path_of(target))


def remove(url: str, deadline: Deadline) -> None:
    """Remove a file; one that is not there is no failure."""
    try:
        with _session(url, deadline) as (session, path):
            session.delete(path)
    except CopyFailed as failed:
        if failed.kind is not FailureKind.NO_SUCH_FILE:
            raise


def make_folder(folder: str, root: str, deadline: Deadline, cancel: Cancel) -> None:
    """Make a folder that is not there, and what is above it, below ``root``, which has to be there unless it is ""."""
    if _facts(folder, deadline, cancel) is not None:
        return
    if root and _facts(root, deadline, cancel) is None:
        raise CopyFailed(FailureKind.UNREACHABLE, f"{root}: the storage's folder is not there")
    make_folder(folder.rpartition("/")[0], root, deadline, cancel)
    try:
        with _session(folder, deadline, cancel) as (session, path):
            session.mkd(path)
    except CopyFailed as failed:
        if failed.kind is not FailureKind.EXISTS:  # made by somebody else meanwhile
            raise


def server_of(url: str) -> str:
    """Answer the host of an address, with its port if it has one.

    Raises:
        CopyFailed: it names somebody, with a password perhaps; that would be seen on command lines and in reports.
    """
    _, at, host = url.partition("://")[2].partition("/")[0].rpartition("@")
    if at:
        raise CopyFailed(None, f"***@{host}: no user, and no password, may stand in the address of a storage")
    return host


def path_of(url: str) -> str:
    """Answer the path of an address."""
    return "/" + url.partition("://")[2].partition("/")[2]


def _facts(url: str, deadline: Deadline, cancel: Optional[Cancel] = None) -> Optional[dict[str, str]]:
    try:
        with _session(url, deadline, cancel) as (session, path):
            words = session.sendcmd(f"MLST {path}")
    except CopyFailed as failed:
        if failed.kind is FailureKind.NO_SUCH_FILE:
            return None
        raise
    found = _FACT.search(words)
    if found is None:
        raise CopyFailed(None, f"{url}: the server tells no facts: {last_of(words)}")
    return {found[1].lower(): found[2].lower(), found[3].lower(): found[4].lower()}


@contextmanager
def _session(url: str, deadline: Deadline, cancel: Optional[Cancel] = None) -> Iterator[tuple[ftplib.FTP, str]]:
    """Speak with the server of an address, for as long as the deadline lets one wait for each answer."""
    cancel = deadline.cancel if cancel is None else cancel  # one that was not asked for is false
    host, _, port = server_of(url).partition(":")
    if not deadline.left():
        raise CopyFailed(FailureKind.TIMEOUT, f"{url} was not asked for: its time is up")
    try:
        session = ftplib.FTP(timeout=deadline.left(), encoding="utf-8")  # noqa: S321  nothing is secret
        # Its own way to end would wait for the server's good-bye.
        with closing(session), cancel.doing(lambda: _hang_up(session)):
            session.connect(host, int(port or PORT))
            session.login()
            yield session, path_of(url)
    except (TimeoutError, socket.timeout) as late:  # one and the same since Python 3.10
        raise CopyFailed(FailureKind.TIMEOUT, f"{host} did not answer in time") from late
    except ftplib.all_errors as wrong:
        if cancel:
            raise CopyCancelled from wrong
        kind = FailureKind.UNREACHABLE if isinstance(wrong, (OSError, EOFError)) else kind_of(str(wrong))
        raise CopyFailed(kind, f"{url}: {last_of(str(wrong)) or 'the connection was closed'}") from wrong


def _hang_up(session: ftplib.FTP) -> None:
    if session.sock is not None:
        with suppress(OSError):
            session.sock.shutdown(socket.SHUT_RDWR)
