"""The side of `server.storage.xrootd` that speaks with the service, by XRootD's own client; run apart.

Requests are sent without waiting for the answers to earlier ones, so that what takes a moment takes no longer for
thousands of files. An answer is ``[path, outcome]``: the outcome is a number or a word of ours, or a fault as
``{"kind": ..., "words": ...}``.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from server.storage.base import FaultKind, StorageMisconfigured, StorageUnavailable

#: Requests on their way at a time.
WINDOW = 256
#: Pieces of an answer that go back together.
TOGETHER = 200

_ERROR_OF_THE_SERVER = 400  # errErrorResponse: it has answered, and said no
_FAULTS = {
    3011: FaultKind.ABSENT,  # kXR_NotFound
    3010: FaultKind.FORBIDDEN,  # kXR_NotAuthorized
    3025: FaultKind.FORBIDDEN,  # kXR_fsReadOnly
    3003: FaultKind.BUSY,  # kXR_FileLocked
    3020: FaultKind.BUSY,  # kXR_ServerError at some, inProgress at others: another time it may
    3024: FaultKind.BUSY,  # kXR_Overloaded
}
_IS_FOLDER = 2

Fault = dict[str, str]
Asked = TypeVar("Asked")


def bindings() -> Any:
    try:
        from XRootD import client
    except ImportError as wrong:
        raise StorageMisconfigured(
            f"storages of the xroot protocol need the extra xrootd, `pip install compass-pilot[xrootd]`: {wrong}"
        ) from wrong
    return client


def look(host: str, base: str, paths: Sequence[str], patience: int) -> Iterator[Any]:
    """Yield ``[path, [size, flags]]`` or a fault for each path, some at a time."""
    system = bindings().FileSystem(host)

    def begin(path: str, answer: Callable[..., None]) -> Any:
        return system.stat(below(base, path), timeout=patience, callback=answer)

    yield from _together(_looked(path, status, found) for path, status, found in each(paths, begin, patience))


def remove(host: str, base: str, paths: Sequence[str], patience: int) -> Iterator[Any]:
    """Yield ``[path, "gone"]`` or a fault. Folders are found out before: the service would remove an empty one."""
    system = bindings().FileSystem(host)
    files: list[str] = []
    for pieces in look(host, base, paths, patience):
        for path, found in pieces:
            if isinstance(found, list):
                files.append(path)
            else:
                yield [[path, "gone" if found["kind"] == FaultKind.ABSENT.value else found]]

    def begin(path: str, answer: Callable[..., None]) -> Any:
        return system.rm(below(base, path), timeout=patience, callback=answer)

    for path, status, _ in each(files, begin, patience):
        fault = None if status.ok else fault_of(status)
        yield [[path, "gone" if fault is None or fault["kind"] == FaultKind.ABSENT.value else fault]]


def checksums(host: str, base: str, paths: Sequence[str], patience: int, at_once: int) -> Iterator[Any]:
    """Yield ``[path, "adler32:..."]`` or a fault; the service reads the files, if it has not noted their checksums."""
    client = bindings()
    system, code = client.FileSystem(host), client.flags.QueryCode.CHECKSUM

    def begin(path: str, answer: Callable[..., None]) -> Any:
        return system.query(code, f"{below(base, path)}?cks.type=adler32", timeout=patience, callback=answer)

    for path, status, found in each(paths, begin, patience, window=at_once, needed=False):
        words = text_of(found).split()
        if status.ok and len(words) == 2 and words[0] == "adler32":
            yield [[path, f"adler32:{words[1].rjust(8, '0')}"]]
        else:
            yield [
                [path, {"kind": FaultKind.FAILED.value, "words": " ".join(words)} if status.ok else fault_of(status)]
            ]


def list_below(host: str, base: str, folder: str, patience: int, singly: bool) -> Iterator[Any]:
    """Yield ``[path, [size, flags]]`` of the files below a folder. ``singly``: each is asked for by itself."""
    client = bindings()
    system = client.FileSystem(host)
    flags = client.flags.DirListFlags.NONE if singly else client.flags.DirListFlags.STAT

    def begin(path: str, answer: Callable[..., None]) -> Any:
        return system.dirlist(below(base, path), flags, timeout=patience, callback=answer)

    level = [folder]
    while level:
        names: list[str] = []
        pieces: list[Any] = []
        for path, status, found in each(level, begin, patience, window=8):
            if not status.ok:
                _refuse_to_guess(path, status)
                continue
            for entry in found or ():
                name = f"{path}/{entry.name}" if path else str(entry.name)
                if entry.statinfo is None:
                    names.append(name)
                else:
                    pieces.append([name, [entry.statinfo.size, entry.statinfo.flags]])
        for more in look(host, base, names, patience):
            pieces += [piece for piece in more if isinstance(piece[1], list) or piece[1]["words"] == "it is a folder"]
        level = [name for name, found in pieces if not isinstance(found, list) or found[1] & _IS_FOLDER]
        folders = set(level)
        yield from _together(piece for piece in pieces if piece[0] not in folders)


def space(host: str, base: str, patience: int) -> Iterator[Any]:
    """Yield what the service says of its space, as text."""
    client = bindings()
    status, found = client.FileSystem(host).query(client.flags.QueryCode.SPACE, base or "/", timeout=patience)
    if not status.ok:
        _need_an_answer(status)
    yield text_of(found) if status.ok else ""


def below(base: str, path: str) -> str:
    return f"{base}/{path}" if path else base or "/"


def each(
    paths: Iterable[Asked],
    begin: Callable[[Asked, Callable[..., None]], Any],
    patience: int,
    *,
    window: int = WINDOW,
    needed: bool = True,
) -> Iterator[tuple[Asked, Any, Any]]:
    """Begin something for each path, with so many on their way at a time, and yield what is answered, as it comes.

    Raises:
        StorageUnavailable: nothing was answered in time; or, where an answer is ``needed`` of each, one was not.
    """
    answers: queue.SimpleQueue[tuple[Asked, Any, Any]] = queue.SimpleQueue()
    waiting = 0
    left = iter(paths)
    while True:
        while waiting < window and (path := next(left, None)) is not None:
            status = begin(path, _answering(path, answers))
            if status is not None and not status.ok:
                answers.put((path, status, None))  # it could not even be sent
            waiting += 1
        if not waiting:
            return
        try:
            path, status, found = answers.get(timeout=patience + 2)
        except queue.Empty:
            raise StorageUnavailable(f"no answer within {patience} s") from None
        waiting -= 1
        if needed:
            _need_an_answer(status)
        yield path, status, found


def _answering(path: Asked, answers: queue.SimpleQueue[tuple[Asked, Any, Any]]) -> Callable[..., None]:
    return lambda status, found, *_: answers.put((path, status, found))


def _need_an_answer(status: Any) -> None:
    if not status.ok and status.code != _ERROR_OF_THE_SERVER:
        raise StorageUnavailable(words_of(status))


def _looked(path: str, status: Any, found: Any) -> Any:
    if not status.ok:
        return [path, fault_of(status)]
    if found.flags & _IS_FOLDER:
        return [path, {"kind": FaultKind.FAILED.value, "words": "it is a folder"}]
    return [path, [found.size, found.flags]]


def fault_of(status: Any) -> Fault:
    words = words_of(status)
    if status.code != _ERROR_OF_THE_SERVER:
        return {"kind": FaultKind.BUSY.value, "words": words}
    kind = FaultKind.ABSENT if "not a directory" in words.lower() else _FAULTS.get(status.errno, FaultKind.FAILED)
    return {"kind": kind.value, "words": words}


def text_of(found: Any) -> str:
    """Answer what a query found, as far as it is meant: behind its end there may be a byte of anything."""
    return bytes(found or b"").partition(b"\0")[0].decode(errors="replace")


def words_of(status: Any) -> str:
    """Answer what was said, without what stands before it every time."""
    return str(status.message).removeprefix("[ERROR] ").removeprefix("Server responded with an error: ").strip()


def _refuse_to_guess(path: str, status: Any) -> None:
    """A list with a hole in it would make its reader believe that files are gone."""
    fault = fault_of(status)
    if fault["kind"] != FaultKind.ABSENT.value:
        raise StorageUnavailable(f"{path or 'the root'} could not be listed: {fault['words']}")


def _together(pieces: Iterable[Any]) -> Iterator[list[Any]]:
    held: list[Any] = []
    for piece in pieces:
        held.append(piece)
        if len(held) == TOGETHER:
            yield held
            held = []
    if held:
        yield held
