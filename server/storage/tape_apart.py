"""The side of `server.storage.tape` that speaks with the service, by XRootD's own client; run apart."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from server.storage.base import StorageUnavailable
from server.storage.xrootd_apart import below, bindings, each, fault_of, text_of, words_of

#: How many files of a request each service was found to tell of in one answer; XRootD cuts what is too long for it.
_MOST: dict[str, int] = {}

#: The errors of a service whose tapes do not answer: of its file system, its own, cancelled, too much to do.
_NO_ANSWER = (3005, 3007, 3012, 3017, 3024)

#: A request's number, and some of its files.
Asked = tuple[str, tuple[str, ...]]


def prepare(host: str, base: str, groups: Sequence[Sequence[str]], suffix: str, patience: int) -> Iterator[Any]:
    """Ask for each group of files to be brought to disk; yield ``[group's index, the request's number or a fault]``."""
    client = bindings()
    system, stage = client.FileSystem(host), client.flags.PrepareFlags.STAGE

    def begin(index: int, answer: Callable[..., None]) -> Any:
        files = [f"{below(base, path)}{suffix}" for path in groups[index]]
        return system.prepare(files, stage, timeout=patience, callback=answer)

    for index, status, found in each(range(len(groups)), begin, patience, window=4):
        yield [index, text_of(found).strip() if status.ok else fault_of(status)]


def query(host: str, base: str, asked: Sequence[Sequence[Any]], patience: int) -> Iterator[Any]:
    """Yield lists of ``[path, what the service says of it]`` for ``[request's number, paths]``; faults are such too.

    An answer that was cut is asked for again in halves.
    """
    client = bindings()
    system, code = client.FileSystem(host), client.flags.QueryCode.PREPARE

    def begin(one: Asked, answer: Callable[..., None]) -> Any:
        lines = [one[0], *(below(base, path) for path in one[1])]
        return system.query(code, "\n".join(lines), timeout=patience, callback=answer)

    work = list(_parts(((number, tuple(paths)) for number, paths in asked), _MOST.get(host, 0)))
    while work:
        again: list[Asked] = []
        for (number, paths), status, found in each(work, begin, patience, window=8):
            if not status.ok and status.errno in _NO_ANSWER and len(paths) == 1:
                raise StorageUnavailable(words_of(status))
            said = _read(text_of(found)) if status.ok else None
            if said is not None:
                yield [[path, said.get(below(base, path))] for path in paths]
            elif len(paths) > 1:
                half = _MOST[host] = (len(paths) + 1) // 2
                again += _parts([(number, paths)], half)
            else:
                words = {"kind": "failed", "words": "what it says of the request cannot be read"}
                yield [[paths[0], words if status.ok else fault_of(status)]]
        work = again


def cancel(host: str, base: str, asked: Sequence[Sequence[Any]], patience: int) -> Iterator[Any]:
    """Take files out of requests; yield faults."""
    client = bindings()
    flag = client.flags.PrepareFlags.CANCEL
    lists = [[number, *(below(base, path) for path in paths)] for number, paths in asked]
    yield from _tell(client.FileSystem(host), lists, flag, patience)


def evict(host: str, base: str, groups: Sequence[Sequence[str]], patience: int) -> Iterator[Any]:
    """Say that files need not stay on disk; yield faults."""
    client = bindings()
    lists = [[below(base, path) for path in paths] for paths in groups]
    yield from _tell(client.FileSystem(host), lists, client.flags.PrepareFlags.EVICT, patience)


def _tell(system: Any, lists: Sequence[Sequence[str]], flag: int, patience: int) -> Iterator[Any]:
    def begin(index: int, answer: Callable[..., None]) -> Any:
        return system.prepare(list(lists[index]), flag, timeout=patience, callback=answer)

    for _, status, _found in each(range(len(lists)), begin, patience, window=4):
        if not status.ok:
            yield fault_of(status)


def _parts(asked: Iterable[Asked], most: int) -> Iterator[Asked]:
    for number, paths in asked:
        size = most or len(paths) or 1
        yield from ((number, paths[begin : begin + size]) for begin in range(0, len(paths), size))


def _read(said: str) -> dict[str, Any] | None:
    """Read an answer: what it says of each file; nothing when it is none, or was cut."""
    try:
        responses = json.loads(said)["responses"]
        return {str(one["path"]): one for one in responses}
    except (ValueError, KeyError, TypeError):
        return None
