"""The clients of PanDA's Data API as Harvester's plugins call them: thin, over `pilot.api.data`.

They copy files, set on the caller's objects what became of each, and tell the first failure by an exception. Which
replica to take, and how, is the engine's to decide: what let callers take part in that raises `NotImplementedError`,
which names what to use instead. Thread-safe: each transfer has files of its own, and knows the queue that the thread
which made its client had chosen.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NoReturn, Optional, Union, cast

from pilot.api.data import FileResult, StageIn, StageOut
from pilot.api.staging import Item
from pilot.common.exception import PilotException, told_as_pilot_exception
from pilot.contract.codes import ErrorCode
from pilot.contract.job import Role
from pilot.contract.queue import QueueData as Queue
from pilot.info import infosys
from pilot.info.extinfo import PilotConfigProvider
from pilot.info.filespec import FileSpec
from pilot.info.infoservice import InfoService
from pilot.info.queuedata import QueueData

Names = Union[str, Sequence[str], None]
#: What these clients were made to let others do, and what does it now.
_INSTEAD = {
    "resolve_replica": "the engine tries every replica in its order",
    "resolve_replicas": "the copy tool rucio looks replicas up by itself",
    "list_replicas": "ask Rucio's own client",
    "add_replicas": "give a file's addresses as its replicas: [{'pfn': ...}]",
    "sort_replicas": "the engine takes the queue's own storages first",
    "get_preferred_replica": "the engine goes by the queue's acopytools_schemas",
    "detect_client_location": "the copy tool rucio tells Rucio where it is",
    "require_protocols": "the engine chooses protocols",
    "resolve_protocols": "the engine chooses protocols",
    "resolve_protocol": "the engine chooses protocols",
    "resolve_surl": "a result's turl says where a file lies",
    "get_path": "pilot.contract.naming.storage_path",
    "get_direct_access_variables": "these clients copy every file; only the pilot's own jobs read remotely",
    "set_status_for_direct_access": "these clients copy every file; only the pilot's own jobs read remotely",
    "check_availablespace": "the engine keeps room for what it copies",
    "transfer_files": "transfer",
}


class StagingClient:
    """What both directions have in common."""

    mode: ClassVar[str]
    _stage: ClassVar[type[Union[StageIn, StageOut]]]

    def __init__(
        self,
        infosys_instance: Optional[InfoService] = None,
        acopytools: Union[Mapping[str, Names], Names] = None,
        logger: Optional[logging.Logger] = None,
        default_copytools: Names = "rucio",
        trace_report: Optional[Mapping[str, Any]] = None,
        ipv: str = "IPv6",
        workdir: str = "",
        **further: Any,
    ) -> None:
        """Take what a transfer goes by.

        Args:
            infosys_instance: Knows the queue; the shared `infosys` when left out.
            acopytools: Names of copy tools by activity, or for every activity; the queue's when left out.
            logger: Told of each file.
            default_copytools: Used for activities that ``acopytools`` does not name, or where the queue names none.
            trace_report: Not used: traces are sent of the pilot's own jobs only.
            ipv: Not used: the setting ``server.ip_version`` says it.
            workdir: The folder of files that name none.
            further: ``site``: a queue, for which `infosys` is initialised first, as Pilot 2's first clients did.

        Raises:
            PilotException: ``site`` cannot be described.
        """
        self.infosys = infosys_instance or infosys
        if site := further.pop("site", None):
            self.infosys = InfoService()
            self.infosys.init(site)
        if further:
            raise TypeError(f"{type(self).__name__} takes no {', '.join(sorted(further))}")
        self.logger = logger or logging.getLogger(__name__)
        self.trace_report, self.ipv, self.workdir = dict(trace_report or {}), ipv, workdir
        # What this thread has chosen holds for this client, whichever thread it is used by.
        self._queue: Optional[QueueData] = self.infosys.queuedata
        self._extinfo = self.infosys.extinfo
        self._confinfo = self.infosys.confinfo or PilotConfigProvider()
        self.acopytools = _by_activity(acopytools)
        if self.acopytools or self._queue is None or not (self._queue.copytools or self._queue.acopytools):
            self.acopytools.setdefault("default", _listed(default_copytools))
        else:  # where it names none for an activity, the engine goes by those that it has
            self.acopytools = _by_activity(self._queue.acopytools)

    def transfer(
        self, files: Sequence[Any], activity: Names = "default", raise_exception: bool = True, **_: Any
    ) -> list[Any]:
        """Stage files, all that can be; then answer them.

        Each gets ``status`` (``transferred`` or ``failed``), ``status_code`` (0 or the error code), ``turl`` and
        ``surl`` (where it lies on its storage), ``checksum``, ``filesize`` and ``ddmendpoint``. Those that have a
        status of ``transferred``, ``remote_io`` or ``no_transfer`` are passed over. Further arguments of PanDA's
        pilot, such as ``use_vp``, are taken, and change nothing.

        Args:
            files: `FileSpec` objects; or dictionaries with ``scope``, ``name`` and ``destination``, which get
                ``errno``, ``errmsg`` and ``status`` instead, and are told of by no exception.
            activity: By which copy tools are chosen; the first that has any.
            raise_exception: Whether to raise the first failure, when all files have been tried.

        Raises:
            PilotException: a file was not staged, or cannot be.
        """
        specs = [file if isinstance(file, FileSpec) else _of_dictionary(file) for file in files]
        waiting = [file for file in specs if file.require_transfer()]
        failures = [wrong for wrong in self._tried(waiting, _listed(activity)) if wrong is not None]
        answered = [_answer(file, spec) for file, spec in zip(files, specs)]
        # Who gives dictionaries looks for the errno in them, and does not expect an exception.
        if failures and raise_exception and all(file is spec for file, spec in zip(files, specs)):
            raise failures[0]
        return answered

    def _tried(self, files: Sequence[FileSpec], activities: Sequence[str]) -> list[Optional[PilotException]]:
        """Stage those that can be, note on each what became of it, and answer the failure of each."""
        fates: list[Union[Item, FileResult, PilotException]] = [self._item(file) for file in files]
        items = {at: fate for at, fate in enumerate(fates) if isinstance(fate, Item)}
        if items:
            try:
                found: Sequence[Union[FileResult, PilotException]] = self._staged(list(items.values()), activities)
            except PilotException as wrong:  # nothing could be begun
                found = [wrong] * len(items)
            for at, fate in zip(items, found):
                fates[at] = fate
        return [self._note(file, cast("Union[FileResult, PilotException]", fate)) for file, fate in zip(files, fates)]

    def _item(self, file: FileSpec) -> Union[Item, PilotException]:
        """Read one file; what is wrong with it is said of it alone."""
        try:
            with told_as_pilot_exception():
                return Item(file.ordered(self._role(file)), self._folder(file))
        except PilotException as wrong:
            return wrong

    def _staged(self, items: Sequence[Item], activities: Sequence[str]) -> Sequence[FileResult]:
        tools = next((found for name in (*activities, "default") if (found := self.acopytools.get(name))), [])
        with told_as_pilot_exception():
            stage = self._stage(
                self._queue.contract() if self._queue is not None else Queue(""),
                self._extinfo.endpoints(),
                settings=self._confinfo.settings,
                tools=tools,
            )
            with stage.start_items(items) as staging:
                return staging.result()

    def _note(self, file: FileSpec, fate: Union[FileResult, PilotException]) -> Optional[PilotException]:
        """Write on a file what became of it; answer its failure."""
        if isinstance(fate, PilotException):
            return self._failed(file, fate)
        if not fate.well:
            return self._failed(file, PilotException(fate.words, code=fate.code))
        file.status, file.status_code, file.errmsg = "transferred", 0, ""
        there = fate.source if self.mode == "stage-in" else fate.target
        file.turl = file.surl = there
        file.ddmendpoint = fate.endpoint or file.ddmendpoint
        file.filesize, file.guid = fate.size, fate.guid or file.guid
        algorithm, _, value = fate.checksum.partition(":")
        file.checksum = {**file.checksum, algorithm: value} if value else file.checksum
        self.logger.info("%s: %d bytes by %s, %s", file.lfn, fate.size, fate.tool, there)
        return None

    def _failed(self, file: FileSpec, wrong: PilotException) -> PilotException:
        file.status, file.status_code, file.errmsg = "failed", wrong.get_error_code(), wrong.message
        self.logger.warning("%s: error %d: %s", file.lfn, wrong.get_error_code(), wrong.message)
        return wrong

    def _role(self, file: FileSpec) -> Optional[Role]:
        return None

    def _folder(self, file: FileSpec) -> Path:
        return Path(file.workdir or self.workdir or ".").absolute()

    def prepare_sources(self, files: Sequence[FileSpec], activities: Names = None) -> None:
        """Do nothing: sources are chosen when a file is copied."""

    def prepare_inputddms(self, files: Sequence[FileSpec], activities: Names = None) -> None:
        """Set the storages that inputs may come from, where a file has none."""
        known = self._queue.astorages if self._queue is not None else {}
        near = next((names for name in _listed(activities) or ["read_lan"] if (names := known.get(name))), [])
        for file in files:
            file.inputddms = file.inputddms or list(near) or [file.ddmendpoint] * bool(file.ddmendpoint)

    def __getattr__(self, name: str) -> Any:
        """Tell what these clients do not let callers do any more, and what does it."""
        if name not in _INSTEAD:
            raise AttributeError(f"{type(self).__name__} has no {name!r}")
        return _refuse(name)


class StageInClient(StagingClient):
    """Brings inputs to their ``workdir``."""

    mode, _stage = "stage-in", StageIn

    def _role(self, file: FileSpec) -> Role:
        return Role.INPUT

    def _folder(self, file: FileSpec) -> Path:
        folder = super()._folder(file)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as wrong:
            raise PilotException(f"workdir: {folder}: {wrong.strerror}", code=ErrorCode.MKDIR) from wrong
        return folder


class StageOutClient(StagingClient):
    """Stores outputs that lie in their ``workdir``."""

    mode, _stage = "stage-out", StageOut

    def prepare_destinations(
        self, files: list[FileSpec], activities: Names, alt_exclude: Optional[Sequence[str]] = None
    ) -> list[FileSpec]:
        """Set the storage of outputs that have none: the queue's first for these activities, but ``alt_exclude``.

        Raises:
            PilotException: the queue names none.
        """
        known = self._queue.astorages if self._queue is not None else {}
        names = next((found for name in _listed(activities) if (found := known.get(name))), known.get("default", []))
        left = [name for name in names if name not in (alt_exclude or ())]
        for file in files:
            if not file.ddmendpoint or file.ddmendpoint in (alt_exclude or ()):
                if not left:
                    words = f"{file.lfn}: the queue names no storage for {', '.join(_listed(activities))}"
                    raise PilotException(words, code=ErrorCode.NO_STORAGE)
                file.ddmendpoint = left[0]
        return files


def _listed(names: Names) -> list[str]:
    return [names] if isinstance(names, str) and names else list(names or ())


def _by_activity(acopytools: Union[Mapping[str, Names], Names]) -> dict[str, list[str]]:
    if isinstance(acopytools, Mapping):
        return {activity: _listed(names) for activity, names in acopytools.items()}
    return {"default": _listed(acopytools)} if acopytools else {}


def _of_dictionary(file: Mapping[str, Any]) -> FileSpec:
    """Read a file as Pilot 2's first clients took it."""
    if not isinstance(cast("object", file), Mapping) or not file.get("name"):
        raise PilotException(f"files: {file!r} is no FileSpec", code=ErrorCode.BAD_JOB_DEFINITION)
    return FileSpec(lfn=file["name"], scope=file.get("scope"), workdir=file.get("destination"))


def _answer(file: Any, spec: FileSpec) -> Any:
    if file is not spec:
        file.update(errno=spec.status_code, errmsg=spec.errmsg, status=spec.status)
    return file


def _refuse(name: str) -> Any:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise NotImplementedError(f"{name} is not supported here: {_INSTEAD[name]}")

    return refuse
