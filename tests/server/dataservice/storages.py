"""Small storages for tests: files in memory, a tape system with a robot that is told what to do, and a mover."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from server.storage.base import (
    Copied,
    Copy,
    CopyState,
    Fault,
    FaultKind,
    Found,
    Locality,
    Mover,
    Recall,
    Recalled,
    Space,
    Storage,
    StorageUnavailable,
    Tape,
    Ticket,
)

ABSENT = Fault(FaultKind.ABSENT, "no such file")


class Disk(Storage):
    """Files in memory. ``silent`` makes it answer nothing; ``calls`` are the methods that were called."""

    name = "memory"

    def __init__(self, name: str) -> None:
        self.called = name
        self.files: dict[str, Found] = {}
        self.silent = False
        self.calls: list[str] = []
        self.refuses: dict[str, Fault] = {}

    @classmethod
    def open(cls, place: object) -> Disk:
        raise NotImplementedError("made by the tests themselves")

    def url(self, path: str) -> str:
        return f"file:///{self.called}/{path}"

    def said(self, what: str) -> None:
        self.calls.append(what)
        if self.silent:
            raise StorageUnavailable("connection refused")

    def put(self, *paths: str, size: int = 10, checksum: str = "adler32:0000000a", on: str = "disk") -> None:
        for path in paths:
            self.files[path] = Found(size, Locality(on), checksum)

    def look(self, paths: Sequence[str], *, checksums: bool = False) -> Mapping[str, Found | Fault]:
        self.said("look")
        return {path: self._found(path, checksums) for path in paths}

    def _found(self, path: str, checksums: bool) -> Found | Fault:
        found = self.files.get(path)
        if found is None:
            return ABSENT
        return Found(found.size, found.locality, found.checksum if checksums else None)

    def remove(self, paths: Sequence[str]) -> Mapping[str, Fault | None]:
        self.said("remove")
        for path in paths:
            if path not in self.refuses:
                self.files.pop(path, None)
        return {path: self.refuses.get(path) for path in paths}

    def list_below(self, folder: str) -> Iterable[tuple[str, Found]]:
        self.said("list")
        return [(path, found) for path, found in self.files.items() if path.startswith(folder)]

    def space(self) -> Space | None:
        return None


class Robot(Disk, Tape):
    """A tape system. What is recalled waits until `bring`; a recall under a number that it knows is not begun again."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.tickets: dict[str, str] = {}
        self.recalls: dict[str, dict[str, Recalled]] = {}
        self.released: list[str] = []
        self.lifetimes: list[float] = []

    def recall(self, paths: Sequence[str], *, lifetime: float, request: str) -> Ticket:
        self.said("recall")
        refused = {
            path: self.refuses.get(path, ABSENT) for path in paths if path not in self.files or path in self.refuses
        }
        if request not in self.tickets:
            self.tickets[request] = f"ticket-{len(self.tickets) + 1}"
            taken = {path: Recalled(Recall.QUEUED) for path in paths if path not in refused}
            self.recalls[self.tickets[request]] = taken
            self.lifetimes.append(lifetime)
        return Ticket(self.tickets[request], refused)

    def recalled(self, ticket: str, paths: Sequence[str]) -> Mapping[str, Recalled]:
        self.said("recalled")
        known = self.recalls.get(ticket, {})
        return {path: known.get(path, Recalled(Recall.UNKNOWN)) for path in paths}

    def release(self, ticket: str, paths: Sequence[str]) -> None:
        self.said("release")
        self.released += paths

    def work(self, *paths: str, state: Recall = Recall.ON_DISK, words: str = "") -> None:
        """Bring files of all requests so far; all files when none is named."""
        for recall in self.recalls.values():
            for path in paths or list(recall):
                if path in recall:
                    recall[path] = Recalled(state, words)
                if state is Recall.ON_DISK and path in self.files:
                    self.files[path] = Found(self.files[path].size, Locality.DISK_AND_TAPE, self.files[path].checksum)


class Porter(Mover):
    """Copies between storages of the tests when it is told to; a request that it knows is not begun again."""

    def __init__(self, storages: Mapping[str, Disk]) -> None:
        self.storages = storages
        self.requests: dict[str, list[Copy]] = {}
        self.done: dict[str, dict[str, Copied]] = {}
        self.silent = False
        self.submitted = 0

    def submit(self, copies: Sequence[Copy], *, request: str) -> str:
        if self.silent:
            raise StorageUnavailable("the mover does not answer")
        if request not in self.requests:
            self.requests[request] = list(copies)
            self.done[request] = {copy.target: Copied(CopyState.QUEUED) for copy in copies}
            self.submitted += len(copies)
        return request

    def status(self, request: str) -> Mapping[str, Copied]:
        return self.done.get(request, {})

    def cancel(self, request: str) -> None:
        if self.silent:
            raise StorageUnavailable("the mover does not answer")
        self.done.pop(request, None)

    def work(self) -> None:
        """Make all copies that wait; those whose source is not there fail."""
        for request, copies in self.requests.items():
            for copy in copies:
                if self.done[request][copy.target].state is CopyState.QUEUED:
                    self.done[request][copy.target] = self._copy(copy)

    def _copy(self, copy: Copy) -> Copied:
        (here, path), (there, target) = self._split(copy.source), self._split(copy.target)
        if path not in here.files:
            return Copied(CopyState.FAILED, words="the source is not there")
        there.files[target] = Found(here.files[path].size, Locality.DISK, here.files[path].checksum)
        return Copied(CopyState.DONE, here.files[path].size)

    def _split(self, url: str) -> tuple[Disk, str]:
        name, _, path = url.removeprefix("file:///").partition("/")
        return self.storages[name], path
