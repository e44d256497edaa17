"""Batch systems as psij has them: LSF, PBS, Cobalt and others, each by its own commands, each job submitted by itself.

A key is never submitted twice, whatever dies: its folder is claimed first; what a command answers lies in that folder
before anybody reads it; and whether a job of the submission may run is settled once for ever, by the server, by the job
itself when it starts, or by `find` after a crash. A job that comes too late for that does nothing and ends.
"""

from __future__ import annotations

import functools
import re
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.batch import htcondor, slurm_node
from server.batch.base import BatchFailed, BatchJob, BatchMisconfigured, BatchState, BatchSystem, Template
from server.batch.disk import last_line, on_disk
from server.batch.place import Place, read_job_options
from server.batch.psij_files import PROGRAM, Shared, Submission, holding
from server.batch.psij_options import EXECUTORS, PsijJobOptions, PsijOptions, describe, interpreter, read_system
from server.batch.slurm_answers import Row, ended_as, moment
from server.batch.slurm_files import FULL, KEY, keep_row, kept_row, own_words

MODULE = "server.batch.psij_apart"
#: So many ids go into one command.
_MANY = 500
#: Seconds that a process apart is given beyond the time of one command.
_PATIENCE = 15.0
_ID = re.compile(rf"({KEY.pattern})/(0|[1-9]\d{{0,5}})", re.ASCII)
_NOT_OURS = "{}: is no job that this system has submitted"
_UNKNOWN = "the batch system does not know it any longer, and it has left no exit status"
#: What psij's states of jobs that go on are here; one that it cannot read is no end.
_ALIVE = {"NEW": BatchState.QUEUED, "QUEUED": BatchState.QUEUED}
_OVER = {"COMPLETED": "COMPLETED", "FAILED": "FAILED", "CANCELED": "CANCELLED"}


class PsijApart(htcondor.Apart):
    """Children of a Python that has psij."""

    def __init__(self, python: str) -> None:
        super().__init__(MODULE, {})
        self._command = [python, *self._command[1:]]


@functools.cache
def apart_of(python: str) -> PsijApart:
    """Answer the children of one Python: they serve all systems."""
    return PsijApart(python)


@dataclass(frozen=True)
class Job:
    """One job of this system: its folder, and the id that the batch system gave it."""

    folder: Path
    native: str


class PsijBatch(BatchSystem):
    """One batch system, by one of psij's executors."""

    name = "psij"
    job_options = PsijJobOptions

    def __init__(self, name: str, shared: Shared, options: PsijOptions) -> None:
        self._name, self._shared, self._options = name, shared, options
        self._apart = apart_of(interpreter(options))
        self._where = {
            "executor": options.executor,
            "folder": str(shared.root),
            "programs": options.programs,
            "environment": options.environment,
            "timeout": options.timeout,
        }
        self._known: dict[str, Job] = {}

    @classmethod
    def open(cls, place: Place) -> PsijBatch:
        options = read_system(place)
        here = place.folder.absolute()
        root = Path(options.folder) / place.name if options.folder else here
        return cls(place.name, Shared(root, here / "locks"), options)

    def submit(self, template: Template, count: int) -> tuple[str, ...]:
        if not KEY.fullmatch(template.key):
            raise BatchFailed(f"{template.key!r} cannot be the key of a submission: letters, digits, . _ and - only")
        options = read_job_options(self._name, type(self), template.options)
        said = describe(self._name, self._options, template.needs, options, template.key)
        submission = self._shared.submission(template.key)
        with on_disk(template.key), holding(submission.lock, template.key):
            try:
                submission.write(template, count)
            except FileExistsError as error:
                raise BatchFailed(f"{template.key}: a submission of that key exists") from error
            try:
                self._send(submission, said)
            except BatchFailed as wrong:
                self._give_up(submission)
                raise BatchFailed(f"{template.key}: {wrong}") from wrong
            except BatchMisconfigured:
                if not submission.taken():
                    submission.remove()  # before anything was sent
                raise
            return tuple(submission.taken().values())

    def _send(self, submission: Submission, said: Mapping[str, Any]) -> None:
        home = str(submission.home)
        words = [self._options.python, "-I", "-S", f"{home}/{PROGRAM}", home]
        arguments = {
            "job": said,
            "home": home,
            "lock": str(submission.command_lock),
            "numbers": list(submission.numbers()),
            "words": [*words, EXECUTORS[self._options.executor].variable],
        }
        for each in self._ask("submit", **arguments):
            if not submission.accept(each["number"], each["native"]):
                self._cancel([each["native"]])

    def _give_up(self, submission: Submission) -> None:
        submission.give_up()
        if not submission.taken():
            self._shared.close(submission)

    def find(self, key: str) -> Mapping[int, str]:
        if not KEY.fullmatch(key):
            return {}
        submission = self._shared.submission(key)
        with on_disk(key):
            if not submission.home.exists():
                return {}
            if not submission.numbers() or submission.open_numbers():
                # A command that a dead server has left, and its answer, are waited for by asking again.
                with holding(submission.lock, key), holding(submission.command_lock, key):
                    self._settle(submission)
            return submission.taken()

    def _settle(self, submission: Submission) -> None:
        """Find out what a submission that broke in the middle became; what is not known now never starts."""
        if not submission.numbers():
            submission.remove()
            return
        answers = {str(number): text for number, text in submission.answers().items()}
        for each in self._ask("read_answers", texts=answers) if answers else ():
            submission.accept(each["number"], each["native"])
        self._give_up(submission)

    def status(self, ids: Collection[str]) -> Mapping[str, BatchJob]:
        with on_disk(self._name):
            ours = self._ours(ids)
            rows = self._queue([job.native for job in ours.values()])
            found = {text: self._look(job, rows.get(job.native)) for text, job in ours.items()}
        lost = {text: BatchJob(BatchState.LOST, words=_NOT_OURS.format(text)) for text in ids if text not in ours}
        return {text: found[text] if text in found else lost[text] for text in ids}

    def _ours(self, ids: Collection[str]) -> dict[str, Job]:
        found = {text: self._read_job(text) for text in ids}
        return {text: job for text, job in found.items() if job is not None}

    def _read_job(self, text: str) -> Job | None:
        if text not in self._known:
            read = _ID.fullmatch(text)
            if read is None:
                return None
            submission = self._shared.submission(read[1])
            native = submission.native(int(read[2]))
            if not native:
                return None
            self._known[text] = Job(submission.home / read[2], native)
        return self._known[text]

    def _queue(self, natives: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        found = {}
        for first in range(0, len(natives), _MANY):
            for row in self._ask("queue", natives=natives[first : first + _MANY]):
                found[row["native"]] = row
        return found

    def _look(self, job: Job, row: Mapping[str, Any] | None) -> BatchJob:
        claim, end = own_words(job.folder)
        if row is not None and row["state"] not in _OVER:
            state = BatchState.HELD if row["held"] else _ALIVE.get(row["state"], BatchState.RUNNING)
            if state is not BatchState.RUNNING:
                return BatchJob(state, words=row["words"])
            return BatchJob(state, None, moment(claim.get("at")), None, "", claim.get("node", ""))
        stopped = not claim and (job.folder / slurm_node.STOP).exists()
        over = Row("CANCELLED", ended=time.time()) if stopped else None
        if row is not None and over is None:
            over = Row(_OVER[row["state"]], row["words"], code=row["status"] or 0, ended=time.time())
        kept = kept_row(job.folder) if over is None else keep_row(job.folder, over)
        if kept is None and not end:
            return BatchJob(BatchState.LOST, started=moment(claim.get("at")), words=_UNKNOWN)
        said = "" if claim else last_line(job.folder.parent / "batch" / f"{job.native}.out")
        return ended_as(kept, claim, end, said)

    def history(self, ids: Collection[str]) -> Mapping[str, BatchJob]:
        return {job: found for job, found in self.status(ids).items() if found.state is BatchState.DONE}

    def cancel(self, ids: Collection[str]) -> None:
        with on_disk(self._name):
            ours = self._ours(ids)
            rows = self._queue([job.native for job in ours.values()])
            living = [job for job in ours.values() if rows.get(job.native, {"state": "FAILED"})["state"] not in _OVER]
            for job in living:
                _leave_order(job.folder)
            self._cancel([job.native for job in living])

    def _cancel(self, natives: Sequence[str]) -> None:
        for first in range(0, len(natives), _MANY):
            list(self._ask("cancel", natives=natives[first : first + _MANY]))

    def directory(self, job: str) -> Path:
        with on_disk(self._name):
            known = self._read_job(job)
        if known is None:
            raise BatchFailed(f"{job!r} is not an id of a job that {self._name} has submitted")
        return known.folder

    def forget(self, ids: Collection[str]) -> None:
        over = (BatchState.DONE, BatchState.LOST)
        ended = [text for text, found in self.status(ids).items() if found.state in over]
        by_key: dict[str, dict[int, str]] = defaultdict(dict)
        with on_disk(self._name):
            self._shared.sweep(time.time())
            for text, job in self._ours(ended).items():
                by_key[job.folder.parent.name][int(job.folder.name)] = job.native
                self._known.pop(text, None)
            for key, jobs in by_key.items():
                self._shared.submission(key).forget(jobs)

    def _ask(self, function: str, **arguments: Any) -> Iterator[Any]:
        patience = self._options.timeout + _PATIENCE
        return self._apart.ask(function, {"where": self._where, **arguments}, patience=patience)


def _leave_order(folder: Path) -> None:
    """Leave the order to stop where a job that starts all the same finds it."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / slurm_node.STOP).touch()
    except OSError as error:
        if error.errno not in FULL:  # what fills a disk has to end all the same
            raise
