"""Moves a job's files by whatever tool fits, verifies them at both ends, and names what went wrong.

A file has its own name only when it is whole and verified; until then it is ``<name>.part``.
"""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Callable, Optional

from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.contract.messages import StoredFile
from pilot.contract.queue import QueueData, StorageEndpoint
from pilot.copytool import checksum
from pilot.copytool.base import (
    Cancel,
    CopyCancelled,
    CopyFailed,
    CopyTool,
    Deadline,
    FailureKind,
    FileFacts,
    Transfer,
)
from pilot.copytool.failures import Direction, job_failure, passes
from pilot.copytool.routes import Route, routes_for
from pilot.copytool.system_errors import told
from pilot.errors import JobFailed
from pilot.site.node import free_disk

log = logging.getLogger(__name__)


class Engine:
    """Stages files in and out for the jobs of one queue; holds no state, and may be used by several threads."""

    def __init__(
        self,
        tools: Mapping[str, CopyTool],
        storages: Mapping[str, StorageEndpoint],
        queue: QueueData,
        *,
        attempts: int = 3,
        backoff: float = 1.0,
    ) -> None:
        """Take what there is to work with.

        Args:
            tools: By name.
            storages: By name.
            queue: Says which of them to use for what.
            attempts: How often a copy is tried when its failure may pass.
            backoff: Seconds before the second try; doubled for each further one.
        """
        self._tools, self._storages, self._queue = tools, storages, queue
        self._attempts, self._backoff = attempts, backoff

    def stage_in(self, spec: JobSpec, folder: Path, deadline: Deadline, cancel: Cancel) -> tuple[StoredFile, ...]:
        """Bring a job's inputs into ``folder`` under their names, and say what arrived.

        Raises:
            JobFailed: an input did not arrive as it is registered; what has arrived stays in ``folder``.
        """
        ways = [(file, self._routes(spec, file)) for file in spec.inputs]
        self._check_room(ways, folder)
        return tuple(self._fetch(spec, file, routes, folder, deadline, cancel) for file, routes in ways)

    def stage_out(
        self,
        spec: JobSpec,
        files: Sequence[FileSpec],
        folder: Path,
        deadline: Deadline,
        cancel: Cancel,
        on_stored: Callable[[StoredFile], None] = lambda _: None,
    ) -> tuple[StoredFile, ...]:
        """Store files (outputs, or the log) that lie in ``folder``, and say what was stored.

        Nothing is stored when one of them is missing. A file that lies on the storage already with the same size and
        checksum, because a pilot died after it had stored it, counts as stored; what an earlier attempt left with
        another content is replaced. Outputs that the job may do without (`JobSpec.allow_no_output`) are passed over
        when they are not there.

        Args:
            spec: The job.
            files: What to store.
            folder: Where they lie.
            deadline: When to give up.
            cancel: Asked for when the job is ended.
            on_stored: Called for each file as soon as it is stored, in this thread.

        Raises:
            JobFailed: a file is missing, or could not be stored; `on_stored` has told which ones were.
        """
        found = [(file, size) for file in files if (size := _size_of_output(spec, file, folder)) is not None]
        stored = []
        for file, size in found:
            stored.append(self._store(spec, file, folder / file.lfn, size, deadline, cancel))
            on_stored(stored[-1])
        return tuple(stored)

    def _routes(self, spec: JobSpec, file: FileSpec) -> tuple[Route, ...]:
        return routes_for(spec, file, self._queue, self._storages, self._tools)

    def _check_room(self, ways: Sequence[tuple[FileSpec, Sequence[Route]]], folder: Path) -> None:
        total = sum(file.size or 0 for file, _ in ways)
        if total > self._queue.max_input_size > 0:
            words = f"the inputs have {total} bytes, queue {self._queue.name} allows {self._queue.max_input_size}"
            raise JobFailed(ErrorCode.SIZE_TOO_LARGE, words)
        needed = sum(file.size or 0 for file, routes in ways if routes[0].tool.takes_space)
        if needed and needed > (free := _free(folder)):
            words = f"the inputs have {needed} bytes, {folder} has room for {free}"
            raise JobFailed(ErrorCode.NO_LOCAL_SPACE, words, needed=needed, free=free)

    def _fetch(
        self,
        spec: JobSpec,
        file: FileSpec,
        routes: Sequence[Route],
        folder: Path,
        deadline: Deadline,
        cancel: Cancel,
    ) -> StoredFile:
        part, target = folder / f"{file.lfn}.part", folder / file.lfn

        def once(route: Route) -> StoredFile:
            try:
                transfer = Transfer(file.lfn, route.url, f"file://{part}", file.size, file.checksum)
                facts = route.tool.copy(transfer, deadline, cancel)
                arrived = _verify_input(file, part, facts, deadline, cancel)
                with told(target, "named"):
                    part.replace(target)
            finally:
                with told(part, "removed"):
                    part.unlink(missing_ok=True)
            return StoredFile(file.lfn, arrived.size, arrived.checksum, file.guid, route.url, route.endpoint)

        try:
            return self._try(spec, "from", routes, once, deadline, cancel)
        except CopyFailed as failed:
            facts = {"needed": file.size, "free": _free(folder)} if failed.kind is FailureKind.NO_SPACE else {}
            raise job_failure(failed, Direction.IN, file, **facts) from failed
        except CopyCancelled as given_up:
            raise JobFailed(ErrorCode.COPY_CANCELLED, f"{file.lfn} was not fetched", lfn=file.lfn) from given_up

    def _store(
        self, spec: JobSpec, file: FileSpec, path: Path, size: int, deadline: Deadline, cancel: Cancel
    ) -> StoredFile:
        def once(route: Route) -> StoredFile:
            sum_ = _put(spec, file, path, size, route, deadline, cancel)
            return StoredFile(file.lfn, size, sum_, file.guid or _new_guid(), route.url, route.endpoint)

        try:
            return self._try(spec, "to", self._routes(spec, file), once, deadline, cancel)
        except CopyFailed as failed:
            raise job_failure(failed, Direction.OUT, file, needed=size) from failed
        except CopyCancelled as given_up:
            raise JobFailed(ErrorCode.COPY_CANCELLED, f"{file.lfn} was not stored", lfn=file.lfn) from given_up

    def _try(
        self,
        spec: JobSpec,
        way: str,
        routes: Sequence[Route],
        once: Callable[[Route], StoredFile],
        deadline: Deadline,
        cancel: Cancel,
    ) -> StoredFile:
        """Take the routes in their order, and again after a while when a failure may pass; each is told in the log."""
        for attempt in range(1, self._attempts + 1):
            failures = []
            for route in routes:
                begun, where = time.monotonic(), f"{way} {_shown(route.url)} by {route.tool.name}"
                try:
                    file = once(route)
                except CopyFailed as failed:
                    failures.append(failed)
                    log.warning("job %d.%d: try %d %s: %s", *spec.key, attempt, where, failed)
                else:
                    took = time.monotonic() - begun
                    log.info("job %d.%d: %d bytes %s in %.2f s", *spec.key, file.size, where, took)
                    return file
            worth = [failure for failure in failures if passes(failure)]
            wait = self._backoff * 2 ** (attempt - 1)
            if not worth or attempt == self._attempts or deadline.left() <= wait:
                raise failures[-1]
            if cancel.wait(wait):
                break
        raise CopyCancelled


def _shown(url: str) -> str:
    """Write an address without what may be a secret in it: a password, a signature."""
    return re.sub(r"//[^/\s]*@", "//***@", url.partition("?")[0])


def _put(spec: JobSpec, file: FileSpec, path: Path, size: int, route: Route, deadline: Deadline, cancel: Cancel) -> str:
    """Store one file by one route, and answer its checksum."""
    tool, part = route.tool, f"{route.url}.{spec.id}-{spec.attempt}.part"
    there = tool.stat(route.url, deadline)
    if there is not None:
        if same := _same_content(path, size, there, route, deadline, cancel):
            with contextlib.suppress(CopyFailed):  # of a pilot that died when it had given the file its name
                tool.remove(part, deadline)
            return same
        # A later attempt finds what an earlier one's pilot stored before it died: two runs of one program rarely write
        # the same bytes. A log's name is its attempt's own. Whatever a first attempt finds is somebody else's.
        if file.role is not Role.LOG and spec.attempt <= 1:
            words = f"{route.url} is there with another content ({there.size} bytes)"
            raise CopyFailed(FailureKind.EXISTS, words)
    try:
        facts = tool.copy(Transfer(path.name, f"file://{path}", part, size, root=route.root), deadline, cancel)
        stored = tool.stat(part, deadline)
        if stored is None or stored.size != size:
            words = f"{stored.size if stored else 0} of {size} bytes lie at {part}"
            raise CopyFailed(FailureKind.SIZE, words)
        read = facts.checksum or _local_sum(path, checksum.ADLER32, deadline, cancel)
        written = tool.checksum(part, checksum.ADLER32, deadline)
        if read != written:
            raise CopyFailed(FailureKind.CHECKSUM, f"{read} was written, {written} lies at {part}")
        if there is not None:
            tool.remove(route.url, deadline)
        tool.rename(part, route.url, deadline)
    except (CopyFailed, CopyCancelled):
        # Time may be up, and yet no half file stays behind.
        with contextlib.suppress(CopyFailed):
            tool.remove(part, Deadline(60))
        raise
    return read


def _same_content(
    path: Path, size: int, there: FileFacts, route: Route, deadline: Deadline, cancel: Cancel
) -> Optional[str]:
    """Answer the checksum of a file that is stored already; ``None`` when something else is."""
    if there.size != size:
        return None
    ours = _local_sum(path, checksum.ADLER32, deadline, cancel)
    return ours if route.tool.checksum(route.url, checksum.ADLER32, deadline) == ours else None


def _verify_input(file: FileSpec, part: Path, facts: FileFacts, deadline: Deadline, cancel: Cancel) -> FileFacts:
    size = part.stat().st_size if part.is_file() else 0
    wanted = facts.size if file.size is None else file.size
    if size != wanted:
        raise CopyFailed(FailureKind.SIZE, f"{size} bytes arrived, {wanted} are registered")
    if not file.checksum:
        return FileFacts(size, facts.checksum)
    algorithm = file.checksum.partition(":")[0]
    free = facts.checksum if facts.checksum and facts.checksum.startswith(f"{algorithm}:") else None
    found = free or _local_sum(part, algorithm, deadline, cancel)
    if found != file.checksum.lower():
        raise CopyFailed(FailureKind.CHECKSUM, f"{found} arrived, {file.checksum} is registered")
    return FileFacts(size, found)


def _size_of_output(spec: JobSpec, file: FileSpec, folder: Path) -> Optional[int]:
    """Answer an output's size in bytes; ``None`` when it is not there and need not be."""
    path = folder / file.lfn
    size = path.stat().st_size if path.is_file() else 0
    if size:
        return size
    if file.lfn in spec.allow_no_output or (spec.events and file.role is Role.OUTPUT):
        return None  # what event ranges make is stored on its way, and merged by another job
    if path.is_file():
        raise JobFailed(ErrorCode.ZERO_FILE_SIZE, f"{file.lfn} is empty", lfn=file.lfn)
    what = "is a folder, not a file" if path.is_dir() else "was not written"
    raise JobFailed(ErrorCode.OUTPUT_MISSING, f"{file.lfn} {what}", lfn=file.lfn)


def _local_sum(path: Path, algorithm: str, deadline: Deadline, cancel: Cancel) -> str:
    with told(path, "read"):
        return checksum.of_file(path, algorithm, deadline, cancel)


def _free(folder: Path) -> int:
    with contextlib.suppress(OSError):
        return free_disk(folder)
    return 0


def _new_guid() -> str:
    import uuid

    return str(uuid.uuid4()).upper()
