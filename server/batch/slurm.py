"""Slurm as a batch system, by its own commands: pilots are arrays, and leave how they ended in a shared folder.

A key is never submitted twice, whatever dies: its folder is claimed first; each array has a name of its own; which
array a part of the submission is gets settled once for ever, by the server, by the first of its jobs that starts, or by
`find` after a crash. A job of an array that came too late for that does nothing and ends.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from server.batch import slurm_node
from server.batch.base import BatchFailed, BatchJob, BatchState, BatchSystem, Template, Window
from server.batch.disk import last_line, on_disk
from server.batch.place import Place, read_job_options
from server.batch.slurm_answers import JobId, Row, ended_as, largest_array, read_id, read_settings, read_window
from server.batch.slurm_commands import Asked, Said
from server.batch.slurm_files import FULL, KEY, Part, Shared, Submission, keep_row, kept_row, own_words, read, script
from server.batch.slurm_options import SlurmJobOptions, SlurmOptions, job_arguments, need_arguments, read_system
from server.batch.slurm_questions import Questions

#: Seconds beyond its grace that the program on a node is given before Slurm ends its job.
_PATIENCE = 15.0
#: So many ids go into one command.
_MANY = 500
#: What scancel says of jobs that have ended: that is no failure.
_OVER = ("Invalid job id", "already completing or completed", "already completed")
_NOT_OURS = "{}: is no job that this system has submitted"
_UNKNOWN = "neither Slurm's controller nor its accounts know it, and it has left no exit status"


class SlurmBatch(BatchSystem):
    """One Slurm, or several clusters of one."""

    name = "slurm"
    job_options = SlurmJobOptions

    def __init__(self, name: str, shared: Shared, options: SlurmOptions) -> None:
        self._name, self._shared, self._options = name, shared, options
        self._questions = Questions(options)
        self._clusters = f"--clusters={options.clusters}" if options.clusters else ""
        self._largest: int | None = None

    @classmethod
    def open(cls, place: Place) -> SlurmBatch:
        options = read_system(place)
        here = place.folder.absolute()
        root = Path(options.folder) / place.name if options.folder else here
        return cls(place.name, Shared(root, here / "locks"), options)

    def submit(self, template: Template, count: int) -> tuple[str, ...]:
        if not KEY.fullmatch(template.key):
            raise BatchFailed(f"{template.key!r} cannot be the key of a submission: letters, digits, . _ and - only")
        options = read_job_options(self._name, type(self), template.options)
        words = [*need_arguments(template.needs, template.grace), *job_arguments(options)]
        submission = self._shared.submission(template.key)
        with on_disk(template.key):
            size = self._array_size()
        with on_disk(template.key), submission.sending() as lock:
            parts, taken = submission.divide(count, size), dict[int, str]()
            for place, part in enumerate(parts):
                with self._sbatch(submission.home, part, words, lock) as asked:
                    if place == 0:
                        # While it comes up: it takes nothing to Slurm before it has read its script.
                        _write(submission, replace(template, environment=self._with_programs(template)), parts)
                    said = asked.answer(script(self._options.python, submission.home, part.first, bool(self._clusters)))
                array = self._accept(submission, part, said)
                if not array:
                    self._refused(submission, parts[place:], said)
                taken.update(self._noted(submission, part, array))
            return tuple(taken.values())

    def _with_programs(self, template: Template) -> Mapping[str, str]:
        """Let a job find srun where the site has its Slurm."""
        given = template.environment
        if not self._options.programs or "PATH" not in given:
            return given
        return {**given, "PATH": f"{given['PATH']}:{self._options.programs}"}

    def _array_size(self) -> int:
        if self._largest is None:
            self._largest = min(largest_array(read_settings(text)) for text in self._questions.settings())
        return self._largest

    def _sbatch(self, home: Path, part: Part, words: Sequence[str], lock: int) -> AbstractContextManager[Asked]:
        return self._questions.commands.feed(
            "sbatch",
            *filter(None, [self._clusters]),
            *("--parsable", f"--job-name={part.name}", f"--array=0-{part.count - 1}", "--export=ALL", "--chdir=/"),
            # Begun anew, a job would run with the id of one that the server has seen end.
            *("--no-requeue", f"--output={home}/batch-%A_%a.log", "--open-mode=append", *words),
            keep=[lock],
        )

    def _accept(self, submission: Submission, part: Part, said: Said) -> str:
        """Answer which array a part has become; nothing if Slurm did not take it, or it was given up meanwhile."""
        number, _, cluster = said.output.strip().partition(";")
        if said.status or not number.isdigit():
            return ""
        array = f"{number}@{cluster}" if self._clusters else number
        if submission.settle(part, array) != array:
            self._scancel([array])  # it was given up meanwhile; its jobs would do nothing
            return ""
        return array

    def _refused(self, submission: Submission, left: Sequence[Part], said: Said) -> None:
        self._largest = None  # perhaps it is another one now
        if said.status and not said.unsure:
            for part in left:
                submission.settle(part, "")
            if not self._taken(submission):
                submission.remove()
        raise BatchFailed(f"{submission.home.name}: sbatch: {said.words}")

    def _taken(self, submission: Submission) -> dict[int, str]:
        found = {}
        for part in submission.parts():
            array = submission.array(part)
            if array:
                found.update(self._noted(submission, part, array))
        return found

    def _noted(self, submission: Submission, part: Part, array: str) -> dict[int, str]:
        self._shared.note(array, submission.home.name, part.first)
        return part.ids(array)

    def find(self, key: str) -> Mapping[int, str]:
        if not KEY.fullmatch(key):
            return {}
        submission = self._shared.submission(key)
        with on_disk(key):
            if not submission.home.exists():
                return {}
            parts = submission.parts()
            if not parts or any(submission.array(part) is None for part in parts):
                # A command that a dead server has left, and its answer, are waited for by asking again.
                with submission.sending():
                    self._settle(submission)
            return self._taken(submission)

    def _settle(self, submission: Submission) -> None:
        """Find out which arrays a submission that broke in the middle became; what is none now never starts."""
        parts = [part for part in submission.parts() if submission.array(part) is None]
        found = self._questions.arrays([part.name for part in parts]) if parts else {}
        for part in parts:
            arrays = found.get(part.name, [])
            settled = submission.settle(part, arrays[0] if arrays else "")
            self._scancel([array for array in arrays if array != settled])
        if not submission.parts():
            submission.remove()
        elif not any(submission.array(part) for part in submission.parts()):
            self._shared.close(submission)

    def status(self, ids: Collection[str]) -> Mapping[str, BatchJob]:
        with on_disk(self._name):
            ours = self._ours(ids)
            rows = self._questions.queue({job.cluster for job in ours.values()})
            found = {job: self._look(job, rows.get(job)) for job in ours.values()}
            unknown = [job for job, seen in found.items() if seen is None]
            accounts = self._questions.accounts(unknown)
            found.update({job: self._look_back(job, accounts.get(job)) for job in unknown})
        lost = {text: BatchJob(BatchState.LOST, words=_NOT_OURS.format(text)) for text in ids}
        return {text: found[ours[text]] or lost[text] if text in ours else lost[text] for text in ids}

    def _ours(self, ids: Collection[str]) -> dict[str, JobId]:
        read = {text: read_id(text) for text in ids}
        return {text: job for text, job in read.items() if job is not None and self._shared.place(job) is not None}

    def _look(self, job: JobId, row: Row | None) -> BatchJob | None:
        """Say how a job is that the controller shows, or that was seen to end; nothing of another."""
        if row is not None and not row.over:
            return row.as_job()
        folder = self._folder(job)
        row = kept_row(folder) if row is None else keep_row(folder, row)
        claim, end = own_words(folder)
        if row is None and not end:
            return None
        if row is not None and not claim:
            return ended_as(row, claim, {}, said=last_line(folder.parent / f"batch-{job.array}_{job.index}.log"))
        return ended_as(row, claim, end)

    def _look_back(self, job: JobId, row: Row | None) -> BatchJob:
        """Say how a job ended that the controller does not know any longer."""
        if row is None and (self._folder(job) / slurm_node.STOP).exists():
            # Of jobs of an array that are cancelled before they start there is no trace. Should it start, it stops.
            row = Row("CANCELLED", ended=time.time())
        if row is not None and row.over:
            return self._look(job, row) or BatchJob(BatchState.DONE)
        words = f"{_UNKNOWN}; the accounts call it {row.state}" if row is not None else _UNKNOWN
        return BatchJob(BatchState.LOST, words=words)

    def _folder(self, job: JobId) -> Path:
        folder = self._shared.directory(job)
        if folder is None:
            raise BatchFailed(_NOT_OURS.format(job))
        return folder

    def history(self, ids: Collection[str]) -> Mapping[str, BatchJob]:
        return {job: found for job, found in self.status(ids).items() if found.state is BatchState.DONE}

    def cancel(self, ids: Collection[str]) -> None:
        with on_disk(self._name):
            ours = self._ours(ids)
            rows = self._questions.queue({job.cluster for job in ours.values()})
            living = [job for job in ours.values() if job in rows and not rows[job].over]
            told: list[JobId] = []
            ended: list[JobId] = []
            for job in living:
                runs = rows[job].as_job().state is BatchState.RUNNING
                (told if self._may_still_stop(job) and runs else ended).append(job)
            # The program on the node hears it first, and gives its job the grace that was promised.
            self._scancel([str(job) for job in told], "--batch", "--signal=TERM", "--ctld")
            self._scancel([str(job) for job in ended])

    def _may_still_stop(self, job: JobId) -> bool:
        """Leave the order to stop where the job finds it; say whether it has time yet to do so."""
        folder = self._folder(job)
        order = read(folder.parent / slurm_node.ORDER)
        if order is None:
            return False  # somebody has removed its files
        stop = folder / slurm_node.STOP
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            with suppress(FileExistsError), stop.open("x") as file:
                file.write(f"{time.time()}\n")
        except OSError as error:
            if error.errno not in FULL:
                raise
            if not stop.exists():
                return False  # what fills a disk has to end all the same
        told = float(stop.read_text() or stop.stat().st_mtime)  # it is empty while another one writes it
        return time.time() - told <= float(order["grace"]) + _PATIENCE

    def _scancel(self, names: Sequence[str], *words: str) -> None:
        by_cluster = defaultdict(list)
        for name in names:
            number, _, cluster = name.partition("@")
            by_cluster[cluster].append(number)
        for cluster, numbers in by_cluster.items():
            where = [f"--clusters={cluster}"] if cluster else []
            for first in range(0, len(numbers), _MANY):
                said = self._questions.commands.tell("scancel", *where, *words, *numbers[first : first + _MANY])
                wrong = [line for line in said.errors.splitlines() if not any(over in line for over in _OVER)]
                if said.status and wrong:
                    raise BatchFailed(f"scancel: {said.words}")

    def directory(self, job: str) -> Path:
        with on_disk(self._name):
            known = self._ours([job])
        if not known:
            raise BatchFailed(f"{job!r} is not an id of a job that {self._name} has submitted")
        return self._folder(known[job])

    def forget(self, ids: Collection[str]) -> None:
        over = (BatchState.DONE, BatchState.LOST)
        ended = [text for text, found in self.status(ids).items() if found.state in over]
        by_key: dict[str, dict[int, str]] = defaultdict(dict)
        with on_disk(self._name):
            self._shared.sweep(time.time())
            for job in self._ours(ended).values():
                key, number = self._shared.place(job) or ("", 0)
                by_key[key][number] = f"{job.array}_{job.index}"
            for key, jobs in by_key.items():
                submission = self._shared.submission(key)
                arrays = [submission.array(part) or "" for part in submission.parts()]
                if submission.forget(jobs):
                    self._shared.drop([array for array in arrays if array])

    def window(self, options: Mapping[str, Any]) -> Window | None:
        said: SlurmJobOptions = read_job_options(self._name, type(self), options)
        if said.reservation or said.constraint or "," in self._options.clusters:
            return None  # sinfo does not tell how many of the idle nodes would do
        with on_disk(self._name):
            nodes, waiting = self._questions.window(said.partition, self._options.clusters)
        return read_window(nodes, waiting, time.time())


def _write(submission: Submission, template: Template, parts: Sequence[Part]) -> None:
    try:
        submission.write(template, parts)
    except FileExistsError as error:
        raise BatchFailed(f"{template.key}: a submission of that key exists") from error
