"""What the data service knows of a task's files, and what storages say of them, read for many files at once."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from server.dataservice.logic.files import move_replicas
from server.dataservice.models import DatasetFile, Replica
from server.dataservice.states import ReplicaState
from server.dataservice.steps.contact import Silent, ask, checked
from server.dataservice.where import Rims
from server.production.archive.rules import believed
from server.production.models import Output
from server.storage.base import Fault, FaultKind, Found, Storage, StorageMisconfigured

log = logging.getLogger(__name__)


@dataclass
class Known:
    """A file of the catalogue: its number there, and its replicas by storage, in the order in which copies use them."""

    number: int
    replicas: dict[str, ReplicaState] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)

    def source(self, tape: str) -> str:
        """Answer where a copy to the tapes would be read from."""
        readable = (name for name, state in self.replicas.items() if state is ReplicaState.AVAILABLE and name != tape)
        return next(readable, "")


def known(files: Sequence[Output]) -> dict[int, Known]:
    """Answer what the catalogue has of some hundred files, as their jobs have written them, by the output's key."""
    of_job = {file.job_file_id: file.pk for file in files if file.job_file_id is not None}
    rows = DatasetFile.objects.filter(job_file__in=of_job)
    of_file = {row.pk: of_job[row.job_file] for row in rows if row.job_file is not None}
    found = {key: Known(key) for key in of_file}
    for one in Replica.objects.filter(file__in=found).order_by("pk"):
        found[one.file_id].replicas[one.endpoint] = ReplicaState(one.state)
        found[one.file_id].paths[one.endpoint] = one.path
    return {of_file[key]: one for key, one in found.items()}


def look_at_sources(files: Mapping[int, Known], tape: str, rims: Rims, now: datetime) -> set[int]:
    """Ask storages whether the sources are there, one question for each; answer the files of which nothing is known.

    A copy that a storage says it does not have is lost from then on. Where it has none of several, only the first is
    believed to be: it may be the storage that is away. A storage that only its mover can speak to is not asked.
    """
    by_source: dict[str, dict[int, str]] = defaultdict(dict)
    for key, file in files.items():
        if source := file.source(tape):
            by_source[source][key] = file.paths[source]
    unknown: set[int] = set()
    for source, paths in sorted(by_source.items()):
        try:
            storage = rims.storage_of(source)
        except (LookupError, StorageMisconfigured) as why:
            log.info("%s is not looked at before its files go to tape: %s", source, why)
            continue
        try:
            absent = _absent(storage, source, paths, now)
        except Silent:
            unknown |= paths.keys()
            continue
        lost = believed(absent, paths)
        move_replicas([files[key].number for key in lost], source, ReplicaState.LOST, now=now)
        unknown |= set(absent) - set(lost)
    return unknown


def _absent(storage: Storage, source: str, paths: Mapping[int, str], now: datetime) -> list[int]:
    """Answer which files a storage says are absent.

    Raises:
        Silent: it did not answer.
    """
    said = ask(source, lambda: checked(storage.look(list(paths.values())), Found, Fault), now)
    nothing = Fault(FaultKind.FAILED, "the storage says nothing of it")
    answers = {key: said.get(path, nothing) for key, path in paths.items()}
    return [key for key, one in answers.items() if isinstance(one, Fault) and one.kind is FaultKind.ABSENT]
