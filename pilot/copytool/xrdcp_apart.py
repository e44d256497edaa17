"""What the copy tool ``xrdcp`` has XRootD's Python module do, in a process apart: connections are kept between calls.

Functions take and answer JSON's values: ``{"value": ...}``, or ``{"status": ..., "said": ...}`` for what XRootD's
programs would end with and say; what that means is judged by whoever asked. Nothing here has a time of its own.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from pilot.copytool.base import CopyFailed

#: The exit status that stands for a server's own answer, such as that a file is not there.
_ANSWERED = 54
#: Of a file's flags.
_IS_FOLDER = 2
Answer = dict[str, Any]


class _Connections:
    """What is known of those that the library keeps."""

    broken = False


def version() -> str:
    """Answer the module's version; a failure says that it is not there."""
    return str(_module().__version__)


def copy(source: str, target: str, algorithm: str) -> Answer:
    """Copy a file from or to a server, in folders that are made there, and compute its checksum in the same pass.

    Args:
        source: Its URL, or a path of this machine.
        target: The same; what lies there is replaced. A server removes what is half there when this process has died.
        algorithm: Of the checksum.

    Returns:
        ``size`` in bytes and the ``sum``, of the end that is on this machine.
    """
    stores = source.startswith("/")
    end = "source" if stores else "target"
    process = _module().CopyProcess()
    process.add_job(source, target, force=True, posc=stores, mkdir=stores, checksummode=end, checksumtype=algorithm)
    status = process.prepare()
    if status.ok:
        status, copied = process.run()
        if status.ok:
            (found,) = copied
            return {"value": {"size": found["size"], "sum": found[f"{end}CheckSum"].partition(":")[2]}}
    return _wrong(status)


def stat(server: str, path: str) -> Answer:
    """Answer the ``size`` of a file in bytes, and whether it is a ``folder``."""
    status, found = _module().FileSystem(server).stat(path)
    return {"value": {"size": found.size, "folder": bool(found.flags & _IS_FOLDER)}} if status.ok else _wrong(status)


def query(server: str, what: str, path: str) -> Answer:
    """Answer what a server says of a file's ``checksum``, or of the ``space`` that there is for it."""
    from XRootD.client.flags import QueryCode

    code = {"checksum": QueryCode.CHECKSUM, "space": QueryCode.SPACE}[what]
    status, said = _module().FileSystem(server).query(code, path)
    return {"value": said.rstrip(b"\0").decode("utf-8", "replace")} if status.ok else _wrong(status)


def rename(server: str, path: str, target: str) -> Answer:
    """Give a file another name; what has that already is replaced."""
    return _done(_module().FileSystem(server).mv(path, target)[0])


def remove(server: str, path: str) -> Answer:
    """Remove a file."""
    return _done(_module().FileSystem(server).rm(path)[0])


def _done(status: Any) -> Answer:
    return {"value": None} if status.ok else _wrong(status)


def _wrong(status: Any) -> Answer:
    _Connections.broken = _Connections.broken or status.shellcode != _ANSWERED
    return {"status": status.shellcode, "said": status.message}


def _module() -> Any:
    """Answer the module; this process ends for a new one when a connection broke, for the library sticks to that."""
    if _Connections.broken:
        os._exit(0)
    try:
        from XRootD import client
    except ImportError as wrong:
        words = (
            f"{sys.executable} has no module XRootD ({wrong}); install the extra xrootd, or set xrdcp.way to programs"
        )
        raise CopyFailed(None, words) from wrong
    return client
