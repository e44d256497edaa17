"""What becomes of pieces, one after the other: jobs, files, merges, calls for tapes and time. Pure.

Of each chunk only some numbers are kept, for the merges of its run, so that a hundred thousand are some megabytes.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pilot.contract.naming import EMPTY_DUMP_SIZE
from server.production.chains import chain_of
from server.production.dryrun.values import Duration, Job, Made, MergeJob, Piece, RunLine, Sum, Wanted
from server.production.files import RESULT_OF, SOURCE_OF
from server.production.limits import Limits
from server.production.merging import plan_merge
from server.production.states import MergeKind, OutputKind

_UNKNOWN = -1


@dataclass
class _Run:
    """The chunks of a run as they came; ``sizes`` of the files that are merged, ``_UNKNOWN`` where there is none."""

    kinds: Iterable[MergeKind]
    empty: int = 0
    events: int = 0
    input: Sum = field(default_factory=Sum)
    numbers: array[int] = field(default_factory=lambda: array("l"))
    sizes: dict[MergeKind, array[int]] = field(init=False)

    def __post_init__(self) -> None:
        self.sizes = {kind: array("q") for kind in self.kinds}


class Planner:
    """Takes the pieces of a task, and answers what would be done with all of them."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted, self._names = wanted, wanted.names
        self._chain = chain_of(wanted.names.type)
        self._merges = [one.kind for one in self._chain.merges if wanted.merge_dumps or not one.optional]
        self._folders = {kind: self._names.dataset(kind) for kind in OutputKind}
        self._runs: dict[int, _Run] = {}
        self._kinds = tuple(self._names.chunk_files(1, 1))
        self._outputs = {kind: Sum() for kind in self._kinds}
        self._called: dict[str, Sum] = {}
        self._calling: dict[str, set[int]] = {}
        self._events_unknown = self._seconds_unknown = 0
        self._seconds = self._longest = 0.0

    def take(self, piece: Piece) -> bool:
        """Count a piece; False for a file without events, which is left out."""
        run = self._runs.get(piece.run)
        if run is None:
            run = self._runs[piece.run] = _Run(self._merges)
        if piece.events == 0:
            run.empty += 1
            return False
        run.numbers.append(piece.chunk)
        run.events += piece.events or 0
        self._events_unknown += piece.events is None
        if piece.lfn:
            run.input.add(piece.size)
            self._call(piece)
        sizes = {kind: self._size(kind, piece) for kind in self._kinds}
        for kind, size in sizes.items():
            self._outputs[kind].add(size)
        for merge, kept in run.sizes.items():
            size = sizes[SOURCE_OF[merge]]
            kept.append(_UNKNOWN if size is None else size)
        seconds = self._wanted.learnt.seconds.of(piece)
        if seconds is None:
            self._seconds_unknown += 1
        else:
            self._seconds += seconds
            self._longest = max(self._longest, seconds)
        return True

    def job_of(self, piece: Piece) -> Job:
        """Answer the job of a piece, with the names of everything: they cost more than all else."""
        files = self._names.chunk_files(piece.run, piece.chunk)
        outputs = [Made(kind, lfn, self._folders[kind], self._size(kind, piece)) for kind, lfn in files.items()]
        seconds = self._wanted.learnt.seconds.of(piece)
        return Job(self._names.chunk_job(piece.run, piece.chunk), piece, tuple(outputs), seconds)

    def _size(self, kind: OutputKind, piece: Piece) -> int | None:
        rate = self._wanted.learnt.sizes.get(kind)
        size = None if rate is None else rate.of(piece)
        return None if size is None else round(size)

    def _call(self, piece: Piece) -> None:
        if piece.endpoint in self._wanted.tapes:
            self._called.setdefault(piece.endpoint, Sum()).add(piece.size)
            self._calling.setdefault(piece.endpoint, set()).add(piece.run)

    def merges(self, runs: Iterable[int] | None = None) -> Iterator[MergeJob]:
        """Give the merges of these runs, of all of them if none are named, in their order."""
        for number in sorted(self._runs) if runs is None else runs:
            if found := self._runs.get(number):
                for kind in self._merges:
                    yield from self._merges_of(number, found, kind)

    def _merges_of(self, number: int, run: _Run, kind: MergeKind) -> Iterator[MergeJob]:
        sizes, limits = run.sizes[kind], self._wanted.limits
        order = sorted(range(len(sizes)), key=run.numbers.__getitem__)
        if kind is MergeKind.DUMP:
            # A dump of that size is a marker: no event was kept.
            order = [index for index in order if sizes[index] == _UNKNOWN or sizes[index] > EMPTY_DUMP_SIZE]
        known = [max(0, sizes[index]) for index in order]
        target = min(target_of(kind, limits), limits.merge_refusal)
        for group, part in enumerate(plan_merge(known, target=target, most=limits.merge_files)):
            size = sum(known[part.start : part.stop])
            yield MergeJob(
                name=self._names.merging_job(kind, number, group),
                run=number,
                kind=kind.value,
                number=group,
                first=run.numbers[order[part.start]],
                last=run.numbers[order[part.stop - 1]],
                files=len(part),
                lfn=self._names.merged_file(kind, number, group),
                dataset=self._folders[RESULT_OF[kind]],
                size=None if any(sizes[index] == _UNKNOWN for index in order[part.start : part.stop]) else size,
                refused=size > limits.merge_refusal,
            )

    def runs(self) -> list[int]:
        """Answer the numbers of the runs that have chunks."""
        return [number for number in sorted(self._runs) if self._runs[number].numbers]

    def chunks(self) -> Iterator[tuple[int, int]]:
        """Give run and number of every chunk."""
        return ((number, chunk) for number in self.runs() for chunk in self._runs[number].numbers)

    def run_lines(self, numbers: Iterable[int]) -> list[RunLine]:
        """Answer these runs, each with what it has."""
        lines = []
        for number in numbers:
            if run := self._runs.get(number):
                groups = Counter({kind.value: 0 for kind in self._merges})
                groups.update(merge.kind for merge in self.merges([number]))
                lines.append(RunLine(number, len(run.numbers), run.empty, run.events, run.input, groups))
        return lines

    def totals(self) -> dict[str, Any]:
        """Answer the sums over everything: runs, chunks, files, merges, tapes and time."""
        merged: dict[MergeKind, Sum] = {kind: Sum() for kind in self._merges}
        refused: Counter[str] = Counter()
        for merge in self.merges():
            merged[MergeKind(merge.kind)].add(merge.size)
            refused[merge.kind] += merge.refused
        taken = Sum()
        for run in self._runs.values():
            taken.files += run.input.files
            taken.size += run.input.size
            taken.unknown += run.input.unknown
        chunks = sum(len(run.numbers) for run in self._runs.values())
        groups = sum(one.files for one in merged.values())
        return {
            "runs": len(self.runs()),
            "chunks": chunks,
            "empty": sum(run.empty for run in self._runs.values()),
            "jobs": chunks + groups,
            "events": sum(run.events for run in self._runs.values()),
            "events_unknown": self._events_unknown,
            "inputs": taken.as_json(),
            "outputs": [
                {"kind": kind.value, "dataset": self._folders[kind], **found.as_json()}
                for kind, found in self._outputs.items()
            ],
            "merges": [
                {
                    "kind": kind.value,
                    "dataset": self._folders[RESULT_OF[kind]],
                    "refused": refused[kind.value],
                    **found.as_json(),
                }
                for kind, found in merged.items()
            ],
            "tape": {"prestage": self._prestage(), "archive": self._archive(merged)},
            "duration": self._duration(chunks, groups).as_json(),
        }

    def _prestage(self) -> list[dict[str, Any]]:
        runs_at_once = self._wanted.limits.prestage_runs
        return [
            {"storage": name, **found.as_json(), "requests": math.ceil(len(self._calling[name]) / runs_at_once)}
            for name, found in sorted(self._called.items())
        ]

    def _archive(self, merged: dict[MergeKind, Sum]) -> dict[str, Any] | None:
        """Say what goes to tape; nothing where no storage takes it."""
        if not self._wanted.tape:
            return None
        of_kind = {RESULT_OF[kind]: found for kind, found in merged.items()} | self._outputs
        kinds = {kind: of_kind[kind] for kind in self._chain.archived if kind in of_kind}
        files = sum(one.files for one in kinds.values())
        return {
            "storage": self._wanted.tape,
            "files": files,
            "size": sum(one.size for one in kinds.values()),
            "unknown": sum(one.unknown for one in kinds.values()),
            "requests": math.ceil(files / self._wanted.limits.archive_files),
            "kinds": [{"kind": kind.value, **one.as_json()} for kind, one in kinds.items()],
        }

    def _duration(self, jobs: int, merges: int) -> Duration:
        """Divide the work among the slots; it is never less than one job, and one merge of each kind after it."""
        wanted, each = self._wanted, self._wanted.learnt.merge_seconds
        slots, known = wanted.slots, jobs - self._seconds_unknown
        mean = self._seconds / known if known else None
        if not jobs:
            words, seconds = "there is nothing to do", None
        elif self._seconds_unknown:
            words, seconds = "unknown: no job of a similar task has finished yet", None
        elif not slots:
            words, seconds = "unknown: nobody says how many jobs the queue runs at a time", None
        else:
            work = self._seconds + merges * (each or 0.0)
            seconds = max(work / slots, self._longest + len(self._merges) * (each or 0.0))
            words = f"{jobs} jobs and {merges} merges on {slots} slots, once they have them"
            if merges and each is None:
                words += "; no merge of a similar task has finished yet: theirs is not counted"
        return Duration(seconds, slots, jobs, mean, merges, each, words)


def target_of(kind: MergeKind, limits: Limits) -> int:
    """Answer the largest sum of files that is wanted in a merge, in bytes."""
    targets = {MergeKind.HISTOGRAMS: limits.histogram_target, MergeKind.DUMP: limits.dump_target}
    return targets.get(kind, limits.merge_target)
