"""HTCondor as a batch system: a schedd of this machine, a remote one, or a computing element's.

One submission is one cluster, whose jobs carry its key. What is known here of one lies in its folder: ``lock`` is held
by whoever submits it, ``submission.json`` says what became of it, ``files`` has what its jobs are given, and each job
has a folder of its own number. The bindings run in a process apart (`server.batch.htcondor_apart`).
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import shutil
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from server.batch import htcondor_ads as ads
from server.batch.base import BatchFailed, BatchJob, BatchMisconfigured, BatchState, BatchSystem, Template
from server.batch.htcondor_ads import JobId, read_id, read_job
from server.batch.htcondor_apart import LOCK, MISSING, RECORD
from server.batch.htcondor_description import FILES, Submission, describe
from server.batch.htcondor_options import HTCondorJobOptions, HTCondorOptions
from server.batch.place import Place, read_job_options
from server.lib import apart

MODULE = "server.batch.htcondor_apart"
_ALIVE = (BatchState.QUEUED, BatchState.RUNNING, BatchState.HELD)
_UNKNOWN = "neither the queue of the schedd nor its records have this job"
#: Jobs that the schedd is told to act on at a time.
_AT_ONCE = 1000


class Apart(apart.Apart):
    """Children that speak with one HTCondor."""

    unavailable = BatchFailed
    misconfigured = BatchMisconfigured


class HTCondorBatch(BatchSystem):
    """One schedd; its submissions' files lie below the folder of its place."""

    name = "htcondor"
    job_options = HTCondorJobOptions

    def __init__(self, place: Place, options: HTCondorOptions) -> None:
        self._system, self._folder, self._options = place.name, place.folder.absolute(), options
        self._apart = Apart(MODULE, options.environment, options.idle)
        self._where = {"pool": options.pool, "schedd": options.schedd}

    @classmethod
    def open(cls, place: Place) -> HTCondorBatch:
        options = place.read_options(HTCondorOptions)
        options.check(place)
        if not ads.KEY.fullmatch(place.name):
            raise place.wrong("name", "letters, digits, . _ and - only")
        if place.here and importlib.util.find_spec("htcondor2") is None:
            raise place.wrong("kind", MISSING)
        return cls(place, options)

    def submit(self, template: Template, count: int) -> tuple[str, ...]:
        if not ads.KEY.fullmatch(template.key):
            raise BatchFailed(f"{template.key!r} cannot be the key of a submission: letters, digits, . _ and - only")
        job_options: HTCondorJobOptions = read_job_options(self.name, type(self), template.options)
        job_options.check()
        submission = Submission(self._system, self._folder / template.key, count)
        lines = describe(template, submission, self._options, job_options)
        try:
            _lay_out(submission, template.files)
        except FileExistsError as error:
            raise BatchFailed(f"{template.key}: a submission of that key exists") from error
        except OSError as error:
            raise BatchFailed(f"{template.key}: {error}") from error
        asked = {
            "lines": lines,
            "count": count,
            "home": str(submission.home),
            "found": ads.of_key(self._system, template.key),
            "spool": self._options.spool,
        }
        (taken,) = self._ask("submit", self._options.submit_patience, **asked)
        return tuple(str(JobId(template.key, taken["cluster"], number)) for number in range(count))

    def find(self, key: str) -> Mapping[int, str]:
        if not ads.KEY.fullmatch(key):
            return {}
        with self._settled(key) as home:
            if home is not None and (said := _read_record(home)):
                return {number: str(JobId(key, said["cluster"], number)) for number in range(said["count"])}
            found = self._search(ads.of_key(self._system, key))
            if home is not None and not found:
                # An order that is still on its way to a process of ours finds no lock then, and comes too late.
                (home / LOCK).unlink(missing_ok=True)
                shutil.rmtree(home, ignore_errors=True)
        return {job.number: str(job) for ad in found for job in ads.whole_cluster(ad)}

    def _search(self, constraint: str) -> Sequence[Mapping[str, Any]]:
        """Answer one job that meets a constraint, if there is one in the queue or in the records."""
        queued = [*self._queued(constraint)]
        return (queued or [*self._recorded(constraint, 1)])[:1]

    @contextmanager
    def _settled(self, key: str) -> Iterator[Path | None]:
        """Be the one who decides about a key; answer its folder, if it has one."""
        home = self._folder / key
        try:
            door = (home / LOCK).open("a")
        except FileNotFoundError:
            yield None
            return
        with door:
            try:
                fcntl.flock(door, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BatchFailed(f"{key} is being submitted at this moment; ask again") from None
            yield home

    def status(self, ids: Collection[str]) -> Mapping[str, BatchJob]:
        known, found = self._known(ids)
        found |= self._look(known)
        left = {job: known[job] for job in known if job not in found}
        return {**found, **self._records_of(left, BatchJob(BatchState.LOST, words=_UNKNOWN))}

    def history(self, ids: Collection[str]) -> Mapping[str, BatchJob]:
        return {job: found for job, found in self.status(ids).items() if found.state is BatchState.DONE}

    def cancel(self, ids: Collection[str]) -> None:
        known, _ = self._known(ids)
        now = time.time()
        living = {str(ads.id_of(ad)): ad for ad in self._in_queue(known.values())}
        first, last = [], []
        for job in known.keys() & living.keys():
            ad = living[job]
            due = ad.get("EnteredCurrentStatus", now) + ad.get("JobMaxVacateTime", 0) + self._options.force_after
            if ad["JobStatus"] == ads.REMOVED and now > due:
                last.append(known[job].at_schedd)
            elif ad["JobStatus"] not in (ads.REMOVED, ads.COMPLETED):
                first.append(known[job].at_schedd)
        self._act("Remove", first, "cancelled by the server")
        self._act("RemoveX", last, "cancelled by the server, and not gone in its time")

    def directory(self, job: str) -> Path:
        found = read_id(job)
        if found is None:
            raise BatchFailed(f"{job!r} is not an id of HTCondor's jobs: submission/cluster.number")
        return self._folder / found.key / str(found.number)

    def forget(self, ids: Collection[str]) -> None:
        for job, found in self.status(ids).items():
            if found.state in _ALIVE or read_id(job) is None:
                continue
            folder = self.directory(job)
            shutil.rmtree(folder, ignore_errors=True)
            if folder.parent.is_dir() and not any(folder.parent.glob("[0-9]*")):
                shutil.rmtree(folder.parent, ignore_errors=True)
        self._let_go(ids)

    def collect(self, ids: Collection[str]) -> int:
        if not self._options.spool:
            return 0
        jobs = self._waiting_at_schedd(ids)
        for some in _shared_out(jobs, _AT_ONCE):
            [*self._ask("retrieve", self._options.submit_patience, jobs=some)]
        return len(jobs)

    def _let_go(self, ids: Collection[str]) -> None:
        """Have the schedd forget spooled jobs whose files nobody wants any longer."""
        if self._options.spool:
            self._act("Remove", self._waiting_at_schedd(ids), "not wanted any longer")

    def _waiting_at_schedd(self, ids: Collection[str]) -> list[str]:
        known, _ = self._known(ids)
        in_queue = self._in_queue(known.values())
        found = {str(ads.id_of(ad)) for ad in in_queue if ads.waits_to_be_fetched(ad)}
        return [known[job].at_schedd for job in known if job in found]

    def _known(self, ids: Iterable[str]) -> tuple[dict[str, JobId], dict[str, BatchJob]]:
        """Read ids; answer those that are ours, and what is to be said of the others."""
        read = {job: read_id(job) for job in ids}
        odd = BatchJob(BatchState.LOST, words="this is not an id of HTCondor's jobs: submission/cluster.number")
        return (
            {job: found for job, found in read.items() if found is not None},
            {job: odd for job, found in read.items() if found is None},
        )

    def _look(self, known: Mapping[str, JobId]) -> dict[str, BatchJob]:
        """Say how those are that are in the queue."""
        now, patience = time.time(), 2 * self._options.submit_patience
        found = {str(ads.id_of(ad)): ad for ad in self._in_queue(known.values())}
        return {
            job: read_job(ad, in_queue=True, now=now, patience=patience) for job, ad in found.items() if job in known
        }

    def _records_of(self, left: Mapping[str, JobId], missing: BatchJob) -> Mapping[str, BatchJob]:
        """Say how those ended that have left the queue, and ``missing`` of those without a record."""
        found: dict[str, BatchJob] = {}
        for some in _shared_out(list(left.values()), self._options.history_at_once):
            for ad in self._recorded(ads.ended(self._system, some), len(some)):
                found[str(ads.id_of(ad))] = read_job(ad, in_queue=False, now=0.0, patience=0.0)
        return {job: found.get(job, missing) for job in left}

    def _in_queue(self, jobs: Collection[JobId]) -> Iterator[Mapping[str, Any]]:
        return self._queued(ads.living(self._system, jobs)) if jobs else iter(())

    def _queued(self, constraint: str) -> Iterator[Mapping[str, Any]]:
        asked = {"constraint": constraint, "projection": ads.PROJECTION}
        for piece in self._ask("queued", self._options.patience, **asked):
            yield from piece

    def _recorded(self, constraint: str, most: int) -> Iterator[Mapping[str, Any]]:
        asked = {"constraint": constraint, "projection": ads.PROJECTION, "most": most}
        for piece in self._ask("recorded", self._options.history_patience, **asked):
            yield from piece

    def _act(self, action: str, jobs: Sequence[str], reason: str) -> None:
        for some in _shared_out(jobs, _AT_ONCE):
            [*self._ask("act", self._options.patience, action=action, jobs=some, reason=reason)]

    def _ask(self, function: str, patience: float, **asked: Any) -> Iterator[Any]:
        return self._apart.ask(function, {"where": self._where, **asked}, patience=patience)


def _lay_out(submission: Submission, files: Mapping[str, Path]) -> None:
    """Make the folders of a submission, the first of which says that its key is used, and links to its jobs' files."""
    submission.home.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    submission.home.mkdir(mode=0o700)
    (submission.home / LOCK).touch(exist_ok=False)
    home = str(submission.home)
    for number in range(submission.count):
        os.mkdir(f"{home}/{number}", 0o700)  # noqa: PTH102  a thousand of these are a third of the whole
    (submission.home / FILES).mkdir(mode=0o700)
    for name, path in files.items():
        (submission.home / FILES / name).symlink_to(path.absolute())


def _read_record(home: Path) -> Mapping[str, int]:
    """Answer what became of a submission; nothing if that was never written, or lost its text when the power failed."""
    try:
        said: Mapping[str, int] = json.loads((home / RECORD).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return said


def _shared_out(whole: Sequence[Any], most: int) -> Iterator[Sequence[Any]]:
    for first in range(0, len(whole), most):
        yield whole[first : first + most]
