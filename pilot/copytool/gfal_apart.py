"""What the copy tool ``gfal`` has gfal2's Python module do, in a process apart: much of it ignores its time-outs.

Functions take and answer JSON's values. What gfal2 says of a failure is told as its programs do:
``gfal2 error: <number> (<its meaning>) - <words>``; what that means is judged by whoever asked.
"""

from __future__ import annotations

import errno
import functools
import os
import stat as modes
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Callable, Optional, TypeVar

from pilot.copytool.base import CopyFailed, FailureKind

#: Options of gfal2 that limit what is no copy.
_TIMES = (
    ("CORE", "NAMESPACE_TIMEOUT"),
    ("CORE", "CHECKSUM_TIMEOUT"),
    ("GRIDFTP PLUGIN", "OPERATION_TIMEOUT"),
    ("GRIDFTP PLUGIN", "CHECKSUM_CALC_TIMEOUT"),
)

#: Failures that tell nothing of the connections by which they came.
_SETTLED = (
    *(errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.EINVAL),
    *(errno.ENOSPC, errno.EDQUOT, errno.ENOSYS, errno.EOPNOTSUPP, errno.EILSEQ, errno.EIO),
)
Act = TypeVar("Act", bound=Callable[..., Any])


class _Connections:
    """What is known of those that the libraries keep: whether there are some from earlier calls, or broken ones."""

    kept = broken = False


def _asked(act: Act) -> Act:
    """Have a function's failures told, and this process end for a new one when connections that it keeps are no more.

    The libraries stick to them: XRootD's believes for long that a server is dead, Globus's that it lives.
    """

    @functools.wraps(act)
    def once(**arguments: Any) -> Any:
        import gfal2

        if _Connections.broken:
            os._exit(0)
        try:
            answer = act(**arguments)
        except gfal2.GError as wrong:
            if wrong.code not in _SETTLED and _Connections.kept:
                os._exit(0)
            _Connections.broken = wrong.code not in _SETTLED
            _Connections.kept = True
            words = f"gfal2 error: {wrong.code} ({os.strerror(wrong.code)}) - {wrong.message}"
            raise CopyFailed(None, words) from wrong
        _Connections.kept = True
        return answer

    return once  # type: ignore[return-value]


def version() -> str:
    """Answer gfal2's version; a failure says that the module is not there."""
    import gfal2

    return str(gfal2.get_version())


@_asked
def make_folder(folder: str, root: str, seconds: float, settings: Mapping[str, Any]) -> None:
    """Make a folder that is not there, and what is above it; not ``root``, which has to be there, unless it is ""."""
    context = _context(seconds, (folder,), settings)
    if _stat(context, folder) is not None:
        return
    if root and _stat(context, root) is None:
        raise CopyFailed(FailureKind.UNREACHABLE, f"{root}: the storage's folder is not there")
    context.mkdir_rec(folder, 0o755)


@_asked
def copy(source: str, target: str, verify: str, streams: int, seconds: float, settings: Mapping[str, Any]) -> None:
    """Copy a file into a folder that is there.

    Args:
        source: Its URL.
        target: Its URL; what lies there is replaced.
        verify: ``ALGORITHM:value``, or just ``ALGORITHM:``, compared at both ends by gfal2; "" for nothing.
        streams: Connections; 0 as gfal2 has it.
        seconds: How long it may take.
        settings: ``options`` and ``token_file``.
    """
    import gfal2

    context = _context(seconds, (source, target), settings)
    wanted = context.transfer_parameters()
    wanted.overwrite, wanted.create_parent, wanted.timeout = True, False, max(1, int(seconds))
    if streams:
        wanted.nbstreams = streams
    if verify:
        wanted.set_checksum(gfal2.checksum_mode.both, *verify.split(":"))
    context.filecopy(wanted, source, target)


@_asked
def stat(url: str, seconds: float, settings: Mapping[str, Any]) -> Optional[dict[str, Any]]:
    """Answer a file's ``size`` in bytes and whether it is a ``file``; ``None`` when nothing is there."""
    found = _stat(_context(seconds, (url,), settings), url)
    return None if found is None else {"size": found.st_size, "file": modes.S_ISREG(found.st_mode)}


@_asked
def checksum(url: str, algorithm: str, seconds: float, settings: Mapping[str, Any]) -> str:
    """Answer the hexadecimal digits of a checksum, as the storage computes it."""
    return str(_context(seconds, (url,), settings).checksum(url, algorithm.upper())).lower()


@_asked
def rename(source: str, target: str, seconds: float, settings: Mapping[str, Any]) -> None:
    """Give a file another name; what has that already is replaced, by most servers."""
    _context(seconds, (source, target), settings).rename(source, target)


@_asked
def remove(url: str, seconds: float, settings: Mapping[str, Any]) -> None:
    """Remove a file."""
    _context(seconds, (url,), settings).unlink(url)


def _stat(context: Any, url: str) -> Any:
    import gfal2

    try:
        return context.stat(url)
    except gfal2.GError as wrong:
        if wrong.code == errno.ENOENT:
            return None
        raise


def _context(seconds: float, urls: Sequence[str], settings: Mapping[str, Any]) -> Any:
    """Answer gfal2's context, which keeps connections from call to call, with what holds for this one."""
    context = _made(tuple(settings["options"]))
    for group, name in _TIMES:
        context.set_opt_integer(group, name, max(1, int(seconds)))
    if settings["token_file"]:
        token = _token_in(settings["token_file"])
        for host in {"/".join(url.split("/", 3)[:3]) for url in urls if not url.startswith("file:")}:
            context.cred_set(host, context.cred_new("BEARER", token))
    return context


def _token_in(path: str) -> str:
    """Read a token. That its file is not there says nothing of what it is to be shown for."""
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except (OSError, ValueError) as wrong:
        words = f"no token can be read from {path}: {getattr(wrong, 'strerror', None) or 'not ASCII'}"
        raise CopyFailed(FailureKind.AUTHENTICATION, words) from wrong


@functools.lru_cache(maxsize=1)
def _made(options: tuple[str, ...]) -> Any:
    import gfal2

    context = gfal2.creat_context()
    for option in options:
        place, _, value = option.partition("=")
        group, _, name = place.rpartition(":")
        if value.lower() in ("true", "false"):
            context.set_opt_boolean(group, name, value.lower() == "true")
        elif value.isdecimal():
            context.set_opt_integer(group, name, int(value))
        else:
            context.set_opt_string(group, name, value)
    return context
