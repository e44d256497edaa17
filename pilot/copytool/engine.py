"""Moves a job's files by whatever tool fits, verifies them at both ends, and names what went wrong.

A file has its own name only when it is whole and verified; until then it is ``<name>.part``. All that can be delivered
is delivered, and the failure names the files that were not.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Callable, Optional, Union

from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, JobSpec
from pilot.contract.messages import StoredFile
from pilot.contract.named import NamedTuple
from pilot.contract.queue import QueueData, StorageEndpoint
from pilot.copytool import direct, inward, outward
from pilot.copytool.attempts import Attempts, OnTrace, Policy, Wish
from pilot.copytool.base import Cancel, CopyCancelled, CopyFailed, CopyTool, Deadline, FailureKind
from pilot.copytool.failures import Direction, job_failure, together
from pilot.copytool.room import Room, free_on, part_of
from pilot.copytool.routes import Route, alternatives_for, routes_for
from pilot.copytool.together import Turns, each
from pilot.errors import JobFailed

OnStored = Callable[[StoredFile], object]
#: What became of one file.
Fate = Union[StoredFile, JobFailed]


def nobody(_: object) -> None:
    """Forget what is told."""


class Input(NamedTuple):
    """An input, the ways to it, and those by which the payload reads it where it lies; without, it is copied."""

    file: FileSpec
    routes: Sequence[Route]
    remote: Sequence[Route] = ()


class Engine:
    """Stages files in and out for the jobs of one queue; may be used by several threads."""

    def __init__(
        self,
        tools: Mapping[str, CopyTool],
        storages: Mapping[str, StorageEndpoint],
        queue: QueueData,
        *,
        policy: Policy = Policy(),  # noqa: B008  a frozen value
        turns: Optional[Turns] = None,
        room: Optional[Room] = None,
        on_trace: OnTrace = nobody,
    ) -> None:
        """Take what there is to work with.

        Args:
            tools: By name.
            storages: By name.
            queue: Says which of them to use for what.
            policy: How long, and how often, a copy is tried.
            turns: How many copies at once, shared with other engines; one after the other when left out.
            room: On the node's disks, shared with other engines.
            on_trace: Told of each try of each file, one at a time, in the thread that has tried.
        """
        self._tools, self._storages, self._queue = tools, storages, queue
        self._turns, self._room = turns or Turns(1), room or Room()
        self._lock = threading.Lock()
        self._attempts = Attempts(policy, self._turns, self._one_at_a_time(on_trace))

    def stage_in(
        self,
        spec: JobSpec,
        folder: Path,
        deadline: Deadline,
        cancel: Cancel,
        on_arrived: OnStored = nobody,
    ) -> tuple[StoredFile, ...]:
        """Bring a job's inputs into ``folder`` under their names, and say what arrived.

        What the payload reads where it lies is looked for there, and is marked in the answer. ``on_arrived`` is told of
        each file as soon as it is there, one at a time.

        Raises:
            JobFailed: an input did not arrive as it is registered; what has arrived stays in ``folder``.
        """
        inputs = [self._input(spec, file) for file in _once_each(spec.inputs)]
        copied = [one for one in inputs if not one.remote]
        _check_names([one.file.lfn for one in copied])
        self._check_size(copied)
        tell = self._one_at_a_time(on_arrived)

        def bring(one: Input) -> Fate:
            if one.remote:
                return _fate(lambda: self._open(spec, one, deadline, cancel), tell)
            return _fate(lambda: self._fetch(spec, one, folder, deadline, cancel), tell)

        taking = {folder / one.file.lfn: one.file.size or 0 for one in copied if one.routes[0].tool.takes_space}
        with self._room.promised(folder, taking):
            return _all_of(each(inputs, bring, self._turns.count))

    def stage_out(
        self,
        spec: JobSpec,
        files: Sequence[FileSpec],
        folder: Path,
        deadline: Deadline,
        cancel: Cancel,
        on_stored: OnStored = nobody,
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
            on_stored: Called for each file as soon as it is stored, one at a time.

        Raises:
            JobFailed: a file is missing, or could not be stored; `on_stored` has told which ones were.
        """
        outputs = [one for file in files if (one := outward.found(spec, file, folder)) is not None]
        tell = self._one_at_a_time(on_stored)

        def store(output: outward.Output) -> Fate:
            return _fate(lambda: self._store(spec, output, deadline, cancel), tell)

        return _all_of(each(outputs, store, self._turns.count))

    def clear(self, spec: JobSpec, files: Sequence[FileSpec], deadline: Deadline) -> None:
        """Remove what a pilot that died may have left of outputs that were on their way; what cannot be is left."""
        for file in files:
            with contextlib.suppress(JobFailed):
                for route in self._routes(spec, file):
                    if not route.tool.whole:
                        with contextlib.suppress(CopyFailed):
                            route.tool.remove(outward.part_at(spec, route), deadline)

    def _one_at_a_time(self, tell: Callable[..., object]) -> Callable[..., None]:
        def told(said: object) -> None:
            with self._lock:
                tell(said)

        return told

    def _routes(self, spec: JobSpec, file: FileSpec) -> tuple[Route, ...]:
        return routes_for(spec, file, self._queue, self._storages, self._tools)

    def _input(self, spec: JobSpec, file: FileSpec) -> Input:
        routes = self._routes(spec, file)
        return Input(file, routes, direct.ways(spec, file, self._queue, routes))

    def _check_size(self, inputs: Sequence[Input]) -> None:
        total = sum(one.file.size or 0 for one in inputs)
        if total > self._queue.max_input_size > 0:
            words = f"the inputs have {total} bytes, queue {self._queue.name} allows {self._queue.max_input_size}"
            raise JobFailed(ErrorCode.SIZE_TOO_LARGE, words)

    def _open(self, spec: JobSpec, wanted: Input, deadline: Deadline, cancel: Cancel) -> StoredFile:
        file = wanted.file
        wish = Wish(spec, file, Direction.IN, self._attempts.policy.open_time, direct=True)
        try:
            return self._attempts.take(wish, wanted.remote, lambda one: direct.opened(file, one), deadline, cancel)
        except CopyFailed as failed:
            raise direct.not_opened(failed, file) from failed
        except CopyCancelled as given_up:
            raise JobFailed(ErrorCode.COPY_CANCELLED, f"{file.lfn} was not looked for", lfn=file.lfn) from given_up

    def _fetch(self, spec: JobSpec, wanted: Input, folder: Path, deadline: Deadline, cancel: Cancel) -> StoredFile:
        file, target = wanted.file, folder / wanted.file.lfn
        wish = Wish(spec, file, Direction.IN, self._attempts.policy.seconds_for(file.size))
        try:
            return self._attempts.take(
                wish, wanted.routes, lambda one: inward.fetch(file, target, one), deadline, cancel
            )
        except CopyFailed as failed:
            facts = {"needed": file.size, "free": free_on(folder)} if failed.kind is FailureKind.NO_SPACE else {}
            raise job_failure(failed, Direction.IN, file, **facts) from failed
        except CopyCancelled as given_up:
            raise JobFailed(ErrorCode.COPY_CANCELLED, f"{file.lfn} was not fetched", lfn=file.lfn) from given_up

    def _store(self, spec: JobSpec, output: outward.Output, deadline: Deadline, cancel: Cancel) -> StoredFile:
        file = output.file
        wish = Wish(spec, file, Direction.OUT, self._attempts.policy.seconds_for(output.size))
        guid = file.guid or outward.new_guid()

        def by(routes: Sequence[Route]) -> StoredFile:
            return self._attempts.take(
                wish, routes, lambda one: outward.store(spec, output, guid, one), deadline, cancel
            )

        try:
            try:
                return by(self._routes(spec, file))
            except CopyFailed as failed:
                others = alternatives_for(spec, file, self._queue, self._storages, self._tools)
                if not others or failed.kind is FailureKind.EXISTS:  # its name is taken, wherever it would lie
                    raise
                return _or_as(failed, lambda: by(others))
        except CopyFailed as failed:
            raise job_failure(failed, Direction.OUT, file, needed=output.size) from failed
        except CopyCancelled as given_up:
            raise JobFailed(ErrorCode.COPY_CANCELLED, f"{file.lfn} was not stored", lfn=file.lfn) from given_up


def _or_as(first: CopyFailed, move: Callable[[], StoredFile]) -> StoredFile:
    """Store a file elsewhere; should that fail too, its own storage's failure is the one that counts."""
    try:
        return move()
    except CopyFailed as failed:
        raise CopyFailed(first.kind, f"{first.words}; and elsewhere: {failed.words}") from failed


def _once_each(files: Sequence[FileSpec]) -> list[FileSpec]:
    """Leave out what is named again, because several datasets hold it.

    Raises:
        JobFailed: two files would have one name.
    """
    found: dict[str, FileSpec] = {}
    for file in files:
        if found.setdefault(file.lfn, file).scope != file.scope:
            words = f"{file.lfn} is wanted of scope {found[file.lfn].scope} and of scope {file.scope}"
            raise JobFailed(ErrorCode.BAD_JOB_DEFINITION, words, lfn=file.lfn)
    return list(found.values())


def _check_names(lfns: Sequence[str]) -> None:
    """Look whether a file would be in the way of another one that is coming.

    Raises:
        JobFailed: it would (BAD_JOB_DEFINITION).
    """
    names = set(lfns)
    for lfn in lfns:
        if (part := part_of(Path(lfn)).name) in names:
            words = f"{part} is an input, and what {lfn} is called until it is whole; give it another name"
            raise JobFailed(ErrorCode.BAD_JOB_DEFINITION, words, lfn=part)


def _fate(move: Callable[[], StoredFile], tell: Callable[[StoredFile], object]) -> Fate:
    """Move a file and tell of it; a failure is an answer, so that the other files go on."""
    try:
        file = move()
    except JobFailed as failed:
        return failed
    tell(file)
    return file


def _all_of(fates: Sequence[Fate]) -> tuple[StoredFile, ...]:
    """Answer the files, or raise what stands for all that failed."""
    failures = [fate for fate in fates if isinstance(fate, JobFailed)]
    if failures:
        raise together(failures, len(fates))
    return tuple(fate for fate in fates if isinstance(fate, StoredFile))
