"""The job files that Harvester leaves for a pilot: found, read in both of their forms, emptied as jobs are taken."""

from __future__ import annotations

import json
import logging
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Optional, Union
from urllib.parse import parse_qsl

from pilot.api import exchange
from pilot.api.replies import BadAnswer, BrokenJob, Jobs, jobs_with_secrets
from pilot.contract.codec import ContractError
from pilot.contract.job import JobSpec
from pilot.contract.job_wire import from_panda

log = logging.getLogger(__name__)

#: The names of job files, in the order in which they are looked for.
NAMES = ("pandaJobData.out", "HPCJobs.json")
#: Harvester's list of the jobs that are this worker's.
WORKERS_OWN = "worker_pandaids.json"
#: Where inputs lie that Harvester has brought, as storages call it: the access point itself.
STORAGE = "HARVESTER"

Raw = Mapping[str, Any]


@dataclass(frozen=True)
class Found:
    """One job as it stands in a job file."""

    raw: Raw
    file: Path

    @property
    def id(self) -> str:
        """The job's number, as text; "" when it has none."""
        return str(self.raw.get("PandaID") or "")


def parse(text: str, where: str) -> list[Raw]:
    """Read a job file: JSON (one job, several by their numbers, or a list), or one job as an encoded form.

    Raises:
        BadAnswer: it is none of these; it may not be whole yet.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = _form(text)
    jobs = found if isinstance(found, list) else _by_number(found) if isinstance(found, Mapping) else None
    if jobs is None or not all(isinstance(job, Mapping) for job in jobs):
        raise BadAnswer(f"{where}: neither JSON nor a form with jobs, or not whole yet: {text[:100]!r}")
    return jobs


def _form(text: str) -> Optional[Raw]:
    try:
        return dict(parse_qsl(text.strip(), keep_blank_values=True, strict_parsing=True))
    except ValueError:
        return None


def _by_number(found: Raw) -> Optional[list[Any]]:
    if "PandaID" in found:
        return [found]
    if not all(str(key).isdigit() for key in found):
        return None
    return [
        {"PandaID": int(key), **job} if isinstance(job, Mapping) and "PandaID" not in job else job
        for key, job in found.items()
    ]


class JobFiles:
    """Takes jobs from the files in some folders. One pilot to an access point: nobody else takes from there.

    Args:
        access: The access point. Harvester gives each job a folder of its own there, when a worker has several.
        folders: Where else job files may lie; looked at before.
    """

    def __init__(self, access: Path, folders: Sequence[Path] = ()) -> None:
        self._access = access
        self._folders = tuple(dict.fromkeys((*folders, access)))

    def place(self, job_id: object) -> Path:
        """Answer the folder in which files about one job are exchanged."""
        own = self._access / str(job_id)
        return own if own.is_dir() else self._access

    def take(self, count: int, request_id: str) -> list[Raw]:
        """Take up to ``count`` jobs; asked again under the same id, answer the same jobs again.

        Jobs that are not taken stay where they are.

        Raises:
            BadAnswer: a job file cannot be understood; it may not be whole yet.
            OSError: something cannot be read or written.
        """
        kept = self.kept(request_id)
        if (told := exchange.read_json(kept)) is not None:
            mine = [Found(raw, kept) for raw in told]
        else:
            mine = self._own(list(self._found()))[:count]
            if mine:
                exchange.write_json(kept, [job.raw for job in mine], exchange.PRIVATE)
        self._drop({job.id for job in mine})
        return [job.raw for job in mine]

    def kept(self, request_id: str) -> Path:
        """Answer the file in which the jobs of a request stand until it is known that they were taken."""
        return self._access / f"job_definition.{request_id}.json"

    def _sources(self) -> Iterator[Path]:
        own = sorted(path for path in self._access.glob("[0-9]*") if path.name.isdigit() and path.is_dir())
        for folder in dict.fromkeys((*self._folders, *own)):
            for name in NAMES:
                yield folder / name

    def _found(self) -> Iterator[Found]:
        for file in self._sources():
            if (text := exchange.read(file)) is not None and text.strip():
                yield from (Found(raw, file) for raw in parse(text, str(file)))

    def _own(self, found: list[Found]) -> list[Found]:
        """Leave out what Harvester does not count among this worker's jobs, when it says which these are."""
        told = exchange.read_json(self._access / WORKERS_OWN)
        ids = {str(one) for one in told} if isinstance(told, list) else set()
        mine = [job for job in found if job.id in ids]
        if found and ids and not mine:
            log.warning("%s names none of the jobs that are here; all are taken for this worker's", WORKERS_OWN)
        return mine or found

    def _drop(self, ids: set[str]) -> None:
        """Take jobs out of the files that hold them."""
        if not ids:
            return
        for file in self._sources():
            text = exchange.read(file)
            if text is None or not text.strip():
                continue
            jobs = parse(text, str(file))
            left = [raw for raw in jobs if str(raw.get("PandaID")) not in ids]
            if not left:
                exchange.remove(file)
            elif len(left) < len(jobs):
                mode = stat.S_IMODE(file.stat().st_mode)
                exchange.write_json(file, {str(raw.get("PandaID")): raw for raw in left}, mode)


def read_jobs(raws: Sequence[Raw], files: JobFiles) -> Jobs:
    """Read what was taken. Inputs that Harvester has brought are taken from where it has put them.

    Raises:
        BadAnswer: a job has no number, so that nobody can be told of it.
    """
    return jobs_with_secrets([_job(raw, files) for raw in raws], raws)


def _job(raw: Raw, files: JobFiles) -> Union[JobSpec, BrokenJob]:
    try:
        return _with_local_inputs(from_panda(raw), files)
    except ContractError as wrong:
        try:
            return BrokenJob(int(raw["PandaID"]), int(raw.get("attemptNr") or 0), str(wrong))
        except (KeyError, TypeError, ValueError, OverflowError):
            raise BadAnswer(f"a job file holds a job without a number: {wrong}") from wrong


def _with_local_inputs(spec: JobSpec, files: JobFiles) -> JobSpec:
    place = files.place(spec.id)
    folder = place.name if place.name == str(spec.id) else ""
    inputs = tuple(
        file.evolve(endpoint=STORAGE, dataset=folder) if (place / file.lfn).exists() else file for file in spec.inputs
    )
    return replace(spec, inputs=inputs)
