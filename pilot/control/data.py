"""The data control: brings inputs, stores outputs, packs and stores the log, cleans up. One lane for each."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Optional

from pilot.contract import naming
from pilot.contract.archives import alone, not_packed
from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, JobSpec
from pilot.contract.messages import StoredFile
from pilot.contract.named import NamedTuple
from pilot.control import requirements
from pilot.control.lanes import Occupied, Tell
from pilot.control.lifecycle import Event
from pilot.control.news import Key, Stored, Transferred, Work
from pilot.copytool.base import Cancel, Deadline
from pilot.errors import JobFailed
from pilot.plugins import call
from pilot.runtime import bundle, workdir
from pilot.settings.sections import Log
from pilot.site import node
from pilot.site.node import free_disk

if TYPE_CHECKING:
    import pluggy

    from pilot.contract.queue import QueueData
    from pilot.control.verification import Addresses, Verification
    from pilot.copytool.engine import Engine
    from pilot.copytool.toolbox import Toolbox
    from pilot.copytool.trace import Trace

PILOT_LOG = "pilotlog.txt"
#: By which a change of a file is seen: its number, its size in bytes, and when it was last written to.
Look = Optional[tuple[int, int, int]]
#: Told of each try to copy a file, in the thread that has tried: the job, its queue, and how it went.
OnTry = Callable[["JobSpec", "QueueData", "Trace"], object]


def _not_yet(files: Sequence[FileSpec], stored: Sequence[StoredFile]) -> list[FileSpec]:
    """Leave out what the pilot that had the job before has stored."""
    there = {file.lfn for file in stored}
    return [file for file in files if file.lfn not in there]


def _linked(path: Path, link: Path) -> bool:
    """Give a file a second name; False when it is not there, or is none: links are not followed."""
    with contextlib.suppress(OSError):
        os.link(path, link, follow_symlinks=False)
        return stat.S_ISREG(link.lstat().st_mode)
    return False


def _look_of(path: Path) -> Look:
    with contextlib.suppress(OSError):
        found = path.lstat()
        return found.st_ino, found.st_size, found.st_mtime_ns
    return None


class Doors(NamedTuple):
    """What stands before a job: what it must fulfil, and from where its transformation may come."""

    verification: Verification
    addresses: Addresses


class Logs(NamedTuple):
    """How logs are made: as the settings say, without what ``secrets`` answers. ``user`` names the main plugin."""

    chosen: Log = Log()
    user: str = "generic"
    secrets: Callable[[], Sequence[str]] = tuple


class DataControl:
    """``base`` is the folder of the jobs' directories; ``handed`` answers what a payload alone is to know, or "".

    ``on_try`` is for whoever else wants to know of each try to copy a file.
    """

    def __init__(  # noqa: PLR0913
        self,
        tell: Tell,
        plugins: pluggy.PluginManager,
        occupied: Occupied,
        base: Path,
        toolbox: Toolbox,
        doors: Doors,
        *,
        free_disk_at_start: int = 0,
        keep_workdir: bool = False,
        logs: Logs = Logs(),  # noqa: B008 a frozen value
        handed: Callable[[Key], str] = lambda _: "",
        on_try: OnTry = lambda *_: None,
    ) -> None:
        self._tell, self._plugins, self._occupied, self._base = tell, plugins, occupied, base
        self._toolbox, self._logs = toolbox, logs
        self._free_disk_at_start, self._keep_workdir = free_disk_at_start, keep_workdir
        self._doors, self._handed, self._on_try = doors, handed, on_try
        self._early: dict[tuple[Key, str], Look] = {}  # how outputs looked that were stored early

    def stage_in(self, work: Work) -> None:
        """Make a job's directory and bring its inputs there."""
        spec = work.job.spec
        with self._occupied.doing(work) as cancel:
            if cancel:  # its turn came too late
                raise JobFailed(ErrorCode.COPY_CANCELLED, "the job was stopped before its inputs were fetched")
            self._verify(work)
            place = workdir.create(self._base, spec)
            self._check_room(place.root)
            deadline = Deadline(work.seconds)
            self._hand_over(work, place.root)
            self._fetch_transformation(spec, place.root, deadline, cancel)
            with self._engine(work, place.root) as engine:
                arrived = engine.stage_in(spec, place.root, deadline, cancel)
        bundle.note_inputs(place.root, arrived)
        self._tell(work.answer(Event.INPUT_READY))

    def stage_out(self, work: Work) -> None:
        """Store a job's outputs, some of them in archives; each is told as soon as it is stored."""
        from pilot.control import archiving  # not before the first outputs

        spec = work.job.spec
        place = workdir.of(self._base, spec)
        with self._occupied.doing(work) as cancel:
            self._doors.verification.check_outputs(spec, work.site.queue, place.root)
            deadline, there = Deadline(work.seconds), self._stored(work, place.root)
            inside = archiving.make(spec, place.root, there, archiving.Patience(deadline, cancel))
            there = [file for file in there if file.lfn not in inside]

            def stored(file: StoredFile) -> None:
                self._tell(Stored(work.key, file))
                for member in inside.get(file.lfn, ()):
                    self._tell(Stored(work.key, archiving.inside(file, member)))

            with self._engine(work, place.root) as engine:
                engine.stage_out(spec, _not_yet(alone(spec), there), place.root, deadline, cancel, stored)
        self._tell(work.answer(Event.OUTPUT_STORED))

    def store_early(self, work: Work, files: Sequence[FileSpec], cancel: Cancel) -> None:
        """Store outputs that a running payload has finished; each is told as soon as it is stored.

        They get a second name where no payload can reach: what is checked there is what is stored.

        Raises:
            JobFailed: one could not be stored; the payload may yet put that right.
        """
        spec, place = work.job.spec, workdir.of(self._base, work.job.spec)
        files = not_packed(files, spec)
        self._doors.verification.check_outputs(replace(spec, outputs=tuple(files)), work.site.queue, place.root)
        with tempfile.TemporaryDirectory(prefix=f"{workdir.EARLY}{place.root.name}-", dir=self._base) as aside:
            found = [file for file in files if _linked(place.root / file.lfn, Path(aside) / file.lfn)]
            looks = {file.lfn: _look_of(Path(aside) / file.lfn) for file in found}

            def stored(file: StoredFile) -> None:
                self._early[work.key, file.lfn] = looks[file.lfn]
                self._tell(Stored(work.key, file))

            with self._engine(work, place.root) as engine:
                engine.stage_out(spec, found, Path(aside), Deadline(self._toolbox.longest), cancel, stored)

    def _stored(self, work: Work, folder: Path) -> list[StoredFile]:
        """Leave out what a payload has changed after it had called it finished."""
        asked = {lfn: look for (key, lfn), look in self._early.items() if key == work.key}
        return [
            file for file in work.job.stored if file.lfn not in asked or _look_of(folder / file.lfn) == asked[file.lfn]
        ]

    def stage_log(self, work: Work) -> None:
        """Pack what is left in a job's directory, with the pilot's log so far, and store it."""
        spec, log = work.job.spec, work.job.spec.log
        if log is not None:
            from pilot.control import transfers
            from pilot.runtime import log_archive

            place = workdir.of(self._base, spec)
            if not place.root.is_dir():
                place = workdir.create(self._base, spec)
            self._add_pilot_log(place.root)
            if work.job.problem is not None and work.job.problem.code is ErrorCode.PILOT_LOST and self._toolbox.early:
                with self._engine(work, place.root) as engine:
                    engine.clear(spec, spec.outputs, Deadline(work.seconds / 4))
            transfers.add_to_log(place.root)
            chosen = self._logs.chosen
            if work.job.problem is not None and chosen.failure_bundle:
                bundle.write(place.root, work.job, work.site.queue.name, self._logs.user, node.describe()._asdict())
            log_archive.pack(
                place.root,
                place.root / log.lfn,
                self._left_out(work),
                size_limit=chosen.most_of_file,
                total_limit=chosen.most,
                compression=chosen.compression,
                secrets=self._logs.secrets(),
            )
            with self._engine(work, place.root) as engine:
                engine.stage_out(
                    spec,
                    (log,),
                    place.root,
                    Deadline(work.seconds),
                    Cancel(),
                    lambda file: self._tell(Stored(work.key, file)),
                )
        self._tell(work.answer(Event.LOG_STORED))

    def clean(self, work: Work) -> None:
        """Forget a job that has ended, and remove its directory."""
        self._occupied.forget(work.key)
        for known in [known for known in self._early if known[0] == work.key]:
            del self._early[known]
        place = workdir.of(self._base, work.job.spec)
        workdir.forget_secrets(place)
        leave = workdir.keep if self._keep_workdir or work.keep else workdir.remove
        leave(place)

    @contextlib.contextmanager
    def _engine(self, work: Work, folder: Path) -> Iterator[Engine]:
        """Answer what copies a job's files; each try is noted, and all of them are told when it is over."""
        from pilot.control import transfers  # not before the first job

        def on_trace(trace: Trace) -> None:
            transfers.note(folder, trace)
            self._on_try(work.job.spec, work.site.queue, trace)

        try:
            yield self._toolbox.engine(work.site.queue, work.site.storages, on_trace)
        finally:
            if tries := transfers.noted(folder):
                self._tell(Transferred(work.key, tries))

    def _check_room(self, folder: Path) -> None:
        free = free_disk(folder)
        if free < self._free_disk_at_start:
            needed = f"{self._free_disk_at_start // 10**6} MB to begin (monitor.free_disk_at_start)"
            words = f"{free // 10**6} MB are free, a job needs {needed}: {folder}"
            raise JobFailed(ErrorCode.NO_LOCAL_SPACE, words)

    def _fetch_transformation(self, spec: JobSpec, folder: Path, deadline: Deadline, cancel: Cancel) -> None:
        for command in requirements.commands(spec):
            if naming.is_address(command):
                from pilot.runtime.transformation import Patience

                self._doors.addresses.fetching().fetch(command, folder, Patience(deadline.left, cancel.wait))

    def _hand_over(self, work: Work, folder: Path) -> None:
        """Put what the job's owner has for the payload alone where it looks for that."""
        if text := self._handed(work.key):
            try:
                with workdir.write_new(folder / naming.SECRETS_FILE) as file:
                    file.write(text.encode("utf-8", "replace"))
            except OSError as wrong:
                words = f"{folder / naming.SECRETS_FILE}: {wrong.strerror}"
                raise JobFailed(ErrorCode.FILE_HANDLING, words) from wrong

    def _verify(self, work: Work) -> None:
        for file in work.job.spec.inputs:
            # Linked, the original itself would be overwritten.
            taken = (*workdir.OWN_NAMES, PILOT_LOG, naming.FINISHED_OUTPUTS, bundle.REPLAY, naming.SECRETS_FILE)
            if file.lfn in taken or file.lfn.startswith(workdir.OWN_BEGINNING):
                words = f"inFiles: {file.lfn} is the name of a file that the pilot writes; give it another"
                raise JobFailed(ErrorCode.BAD_JOB_DEFINITION, words)
        self._doors.verification.check(work.job.spec, work.site.queue, self._base)

    def _left_out(self, work: Work) -> list[str]:
        """Inputs and outputs have their own place; plugins name what else is not worth keeping."""
        from pilot.control.archiving import PART

        spec = work.job.spec
        patterns: Sequence[Sequence[str]] = call(self._plugins, "redundant_files", spec=spec)
        files = [naming.SECRETS_FILE, PART, *(file.lfn for file in (*spec.inputs, *spec.outputs))]
        return [*files, *(name for some in patterns for name in some)]

    def _add_pilot_log(self, folder: Path) -> None:
        source = self._base / PILOT_LOG
        if source.is_file():
            try:
                with source.open("rb") as log_file, workdir.write_new(folder / PILOT_LOG) as copy:
                    shutil.copyfileobj(log_file, copy)
            except OSError as wrong:
                raise JobFailed(ErrorCode.LOG_CREATION_FAILED, f"{folder / PILOT_LOG}: {wrong.strerror}") from wrong
