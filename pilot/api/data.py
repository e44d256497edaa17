"""Brings files from storages and stores them there, as the pilot itself does: the front door for other tools.

`StageIn` and `StageOut` choose copy tools and addresses as the queue says, try again, verify at both ends and leave no
half file. What fails is told per file, and keeps no other file from its place:

    with StageIn("QUEUE", "ddmendpoints.json").start(["scope:lfn"], folder) as staging:
        results = staging.result()

`StageInClient` and `StageOutClient` are for programs that were written for PanDA's Pilot 2 and 3, such as Harvester's
plugins: see `pilot.info.clients`. Everything else should use the former.
"""

from __future__ import annotations

import contextlib
import os
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Optional, Union

from pilot.api import arriving
from pilot.api.copytools import copytools
from pilot.api.descriptions import Descriptions, QueueLike, StoragesLike
from pilot.api.file_lists import FileLike, read_files, refuse_twins
from pilot.api.staged import FileResult, Progress, Results, State
from pilot.api.staging import Item, OnFile, OnProgress, Staging
from pilot.api.tries import Tries, done, not_done
from pilot.contract.job import JobSpec, Role
from pilot.contract.queue import QueueData, StorageEndpoint
from pilot.copytool.base import Cancel, CopyTool, Deadline
from pilot.copytool.toolbox import Toolbox
from pilot.errors import ConfigError, JobFailed

if TYPE_CHECKING:
    from pilot.contract.messages import StoredFile
    from pilot.copytool.engine import Engine
    from pilot.info.clients import StageInClient, StageOutClient
    from pilot.settings import Settings

__all__ = [
    "FileLike",
    "FileResult",
    "OnFile",
    "OnProgress",
    "Progress",
    "QueueLike",
    "Results",
    "StageIn",
    "StageInClient",
    "StageOut",
    "StageOutClient",
    "Staging",
    "State",
    "StoragesLike",
]


#: The most that `at_once` may be; the limit of the setting.
MOST_AT_ONCE = 64


class _Stage(ABC):
    """What both directions have in common."""

    _role: ClassVar[Role]

    def __init__(
        self,
        queue: QueueLike,
        storages: Optional[StoragesLike] = None,
        *,
        settings: Optional[Settings] = None,
        tools: Sequence[str] = (),
        storage: str = "",
        label: str = "managed",
        at_once: Optional[int] = None,
    ) -> None:
        """Read what there is to work with; copy tools are looked for when files are staged.

        Args:
            queue: Whose copy tools and storages are used: a `QueueData`; its JSON as PanDA or CRIC gives it; the
                address or the file of that (of several queues, the one that ``settings.queue.name`` names); or the
                name of a queue that the source of the settings, or their server, describes.
            storages: By name: `StorageEndpoint` values or their JSON (``ddmendpoints.json``), or the address or the
                file of that. Left out, those that the settings name, or that their server knows.
            settings: The pilot's. Left out, the site's own, from the files and the environment variables that a
                pilot reads.
            tools: Names of copy tools, best first, instead of the queue's.
            storage: The storage of files that name none; left out, the queue's for the activity.
            label: Kind of the jobs that the files belong to (``prodSourceLabel``); queues may have other storages and
                copy tools for users' jobs (``user``).
            at_once: Files that are copied at the same time; left out, ``copy.at_once`` of the settings.

        Raises:
            ConfigError: an argument, or a setting, is none; the message says what is expected.
            pilot.api.replies.ServerError: what describes queue or storages cannot be had, or cannot be read.
        """
        chosen = _site_settings() if settings is None else settings
        if at_once is not None:
            chosen = chosen.evolve(copy=replace(chosen.copy, at_once=_count(at_once)))
        self._kinds = _kinds(chosen)
        read = Descriptions(chosen)
        self.settings: Settings = chosen
        self.queue: QueueData = _adapted(read.queue(queue), self._known(tools))
        self.storages: Mapping[str, StorageEndpoint] = read.storages(storages)
        self._storage, self._label = self._stored(storage), _word(label)

    def run(
        self,
        files: Iterable[FileLike],
        folder: Union[str, Path],
        *,
        on_progress: Optional[OnProgress] = None,
        on_file: Optional[OnFile] = None,
    ) -> Results:
        """Stage files, and wait until each has come to its end; see `start`."""
        cancel = Cancel()
        try:
            with self._start(files, folder, on_progress, on_file, cancel) as staging:
                return staging.result()
        except BaseException:  # also of an interrupt that comes before the block
            cancel.ask()
            raise

    def start(
        self,
        files: Iterable[FileLike],
        folder: Union[str, Path],
        *,
        on_progress: Optional[OnProgress] = None,
        on_file: Optional[OnFile] = None,
    ) -> Staging:
        """Begin to stage files, and answer a handle at once.

        Args:
            files: Each a name (``lfn`` or ``scope:lfn``), a `FileSpec`, or a dictionary with ``lfn`` and perhaps
                ``scope``, ``dataset``, ``size`` (bytes), ``checksum``, ``endpoint``, ``guid`` and, of inputs,
                ``urls``. No two have the same name.
            folder: Where inputs come to, or outputs lie, under their names. For inputs it is made.
            on_progress: Called with a `Progress` when a file begins or ends.
            on_file: Called with a `FileResult` when a file has ended. Both are called in a thread of their own, one
                call at a time, in order. What they raise is raised by `Staging.result`.

        Raises:
            ConfigError: a file or the folder is none; the message names file, field and value. Nothing was begun.
        """
        return self._start(files, folder, on_progress, on_file, Cancel())

    def _start(
        self,
        files: Iterable[FileLike],
        folder: Union[str, Path],
        on_progress: Optional[OnProgress],
        on_file: Optional[OnFile],
        cancel: Cancel,
    ) -> Staging:
        found = read_files(files, self._role, endpoint=self._storage)
        refuse_twins(found)
        place = self._place(folder)
        items = [Item(file, place) for file in found]
        return self.start_items(items, on_progress=on_progress, on_file=on_file, cancel=cancel)

    def start_items(
        self,
        items: Sequence[Item],
        *,
        on_progress: Optional[OnProgress] = None,
        on_file: Optional[OnFile] = None,
        cancel: Optional[Cancel] = None,
    ) -> Staging:
        """Begin to stage files that have a folder each; see `start`. The folders are there.

        All are given up as soon as ``cancel`` is asked.
        """
        for name, callback in (("on_progress", on_progress), ("on_file", on_file)):
            if callback is not None and not callable(callback):
                raise ConfigError(f"{name}: {callback!r} cannot be called; give a function of one argument")
        box, tries = Toolbox(self._kinds, self.settings), Tries()
        try:
            engine = box.engine(self.queue, self.storages, tries.note, {item.folder for item in items})
        except JobFailed as wrong:  # the container in which the tools are to run
            raise ConfigError(wrong.detail) from wrong
        job_id = random.SystemRandom().getrandbits(48)  # stands in the names of half files, which two may write at once
        spec = JobSpec(job_id, 1, "", label=self._label)
        return Staging(
            [self._prepared(item) for item in items],
            lambda item, cancel: self._one(engine, spec, tries, item, cancel),
            at_once=self.settings.copy.at_once,
            arriving=arriving.arrived,
            on_progress=on_progress,
            on_file=on_file,
            cancel=cancel,
        )

    def _one(self, engine: Engine, spec: JobSpec, tries: Tries, item: Item, cancel: Cancel) -> FileResult:
        """Move one file. Each is a job to the engine, so that no failure stands for another file's."""
        copy, began = self.settings.copy, time.monotonic()
        needed = copy.attempts * (copy.base_time + (item.file.size or 0) / copy.rate)
        with tries.of_this_thread() as made:
            try:
                stored = self._move(engine, spec, item, Deadline(max(needed, copy.most_time)), cancel)
            except JobFailed as failed:
                return not_done(item, failed, time.monotonic() - began, made)
            return done(item, stored, time.monotonic() - began, made)

    def _known(self, tools: object) -> tuple[str, ...]:
        if not isinstance(tools, (list, tuple)):
            raise ConfigError(f"tools: {tools!r} is not a list of copy tools; put a single one into a list")
        for tool in tools:
            if not isinstance(tool, str) or tool not in self._kinds:
                raise ConfigError(f"tools: there is no copy tool {tool!r}; there are {_listed(self._kinds)}")
        return tuple(tools)

    def _stored(self, storage: object) -> str:
        if storage == "" or (isinstance(storage, str) and storage in self.storages):
            return str(storage)
        raise ConfigError(f"storage: {storage!r} is not known; there are {_listed(self.storages)}")

    @abstractmethod
    def _place(self, folder: Union[str, Path]) -> Path:
        """Answer the folder, or refuse it."""

    @abstractmethod
    def _prepared(self, item: Item) -> Item:
        """Answer an item with what is known of it before it moves."""

    @abstractmethod
    def _move(self, engine: Engine, spec: JobSpec, item: Item, deadline: Deadline, cancel: Cancel) -> StoredFile:
        """Have the engine move one file."""


class StageIn(_Stage):
    """Brings files from the storages of a queue to a folder, copied and verified, whole or not at all."""

    _role = Role.INPUT

    def _place(self, folder: Union[str, Path]) -> Path:
        place = _path(folder)
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as wrong:
            raise ConfigError(
                f"folder: {place} cannot be made: {wrong.strerror}; give one that you may write to"
            ) from wrong
        return place

    def _prepared(self, item: Item) -> Item:
        return item._replace(own=arriving.own_folder(item.folder))

    def _move(self, engine: Engine, spec: JobSpec, item: Item, deadline: Deadline, cancel: Cancel) -> StoredFile:
        file = item.file.evolve(copied=True)  # who asks for a file here wants it here
        with arriving.alone(item) as folder:
            return engine.stage_in(replace(spec, inputs=(file,)), folder, deadline, cancel)[0]


class StageOut(_Stage):
    """Stores files of a folder on the storages of a queue, verified there, under their names only when they are whole.

    A file that lies there already with the same content counts as stored. One with another content is never replaced.
    """

    _role = Role.OUTPUT

    def _place(self, folder: Union[str, Path]) -> Path:
        place = _path(folder)
        if not os.path.isdir(place):  # noqa: PTH112  which takes a name that is too long for none
            raise ConfigError(f"folder: {place} is not a folder; give the one in which the files lie")
        return place

    def _prepared(self, item: Item) -> Item:
        with contextlib.suppress(OSError):
            return item._replace(file=item.file.evolve(size=(item.folder / item.file.lfn).stat().st_size))
        return item._replace(file=item.file.evolve(size=0))

    def _move(self, engine: Engine, spec: JobSpec, item: Item, deadline: Deadline, cancel: Cancel) -> StoredFile:
        return engine.stage_out(spec, (item.file,), item.folder, deadline, cancel)[0]


def __getattr__(name: str) -> Any:
    """Find Harvester's face when somebody asks for it; nobody else pays for it."""
    if name in ("StageInClient", "StageOutClient"):
        from pilot.info import clients

        return getattr(clients, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _site_settings() -> Settings:
    from pilot import settings

    return settings.load(settings.layers(None, [])).settings


def _kinds(settings: Settings) -> Mapping[str, type[CopyTool]]:
    from pilot import plugins

    return copytools(plugins.load(settings.plugins.user, settings.plugins.also))


def _adapted(queue: QueueData, tools: tuple[str, ...]) -> QueueData:
    """Answer a queue as it is for files that are nobody's job: no limit for a job's inputs holds."""
    chosen: dict[str, Any] = {"acopytools": {"default": tools}} if tools else {}
    return replace(queue, max_input_size=0, **chosen)


def _count(at_once: object) -> int:
    if isinstance(at_once, bool) or not isinstance(at_once, int) or not 1 <= at_once <= MOST_AT_ONCE:
        raise ConfigError(f"at_once: {at_once!r} is not a number of files from 1 to {MOST_AT_ONCE}")
    return at_once


def _word(label: object) -> str:
    if not isinstance(label, str):
        raise ConfigError(f"label: {label!r} is not a kind of jobs; give a word such as managed or user")
    return label


def _path(folder: object) -> Path:
    try:
        if isinstance(folder, (str, Path)) and str(folder) and b"\0" not in os.fsencode(folder):
            return Path(folder).absolute()
    except UnicodeEncodeError:
        pass  # no file system has such a name
    raise ConfigError(f"folder: {folder!r} is not the path of a folder")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)[:20]) or "none"
