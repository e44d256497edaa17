"""A search for parameters (PanDA's HPO): preprocess, payload and postprocess again and again, until there is enough.

The preprocess brings the next point of the search, or says by its exit status that there is none. What the programs of
an iteration have printed lies in ``iterations/<n>`` of the job's directory; for the last one it is where it always is.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Sequence, Set
from dataclasses import replace
from typing import TYPE_CHECKING, Callable, NamedTuple

from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec
from pilot.contract.naming import ITERATIONS as FOLDER
from pilot.control.payload import Once
from pilot.errors import JobFailed
from pilot.job import Problem
from pilot.runtime.workdir import clear

if TYPE_CHECKING:
    from pathlib import Path

    from pilot.runtime.workdir import Workdir

log = logging.getLogger(__name__)

#: By this variable the programs of an iteration know which one it is; the first is 0.
VARIABLE = "PILOT_EXEC_ITERATION_COUNT"
#: How many there were, in the final report.
METRIC = "hpoIterations"
#: Figures that are those of all iterations together.
_SUMMED = ("nEvents",)


class Bounds(NamedTuple):
    """When no further iteration begins: after so many, or so many seconds; 0: no such bound.

    ``left`` is the time, in seconds, that the payload may take in all: an iteration that would not end in it, as long
    as the longest one so far, is not begun.
    """

    most: int = 0
    seconds: float = 0.0
    left: float = 0.0

    def reached(self, count: int, spent: float, longest: float) -> str:
        """Say why no further iteration is to begin; "" when one may."""
        if self.most and count >= self.most:
            return f"{count} iterations are as many as there may be (iterations.most)"
        if self.seconds and spent >= self.seconds:
            return f"{spent:.0f} s are as long as it may begin another (iterations.seconds)"
        if self.left and spent + longest > self.left:
            return f"of the {self.left:.0f} s that it may take in all, too few are left for another"
        return ""


class Search(NamedTuple):
    """A search that has ended: so many iterations, the outcome of all together, and why it failed, if it did."""

    done: int
    whole: Once


def search(
    once: Callable[[int], Once],
    put_aside: Callable[[int], None],
    bounds: Bounds,
    stopped: Callable[[], bool],
    clock: Callable[[], float] = time.monotonic,
) -> Search:
    """Run iterations until one finds nothing to do, one fails, a bound is reached, or somebody wants an end.

    Args:
        once: Runs an iteration with a number. A `JobFailed` fails the search; what is known of those before is kept.
        put_aside: Called with the number of an iteration, before the next one.
        bounds: When no further one begins.
        stopped: Whether somebody wants an end.
        clock: Answers seconds.
    """
    began, longest, count, whole = clock(), 0.0, 0, Once()
    while True:
        since = clock()
        try:
            found = once(count)
        except JobFailed as failed:
            if not count:
                raise
            return Search(count, whole._replace(problem=Problem(failed.code, failed.detail)))
        if found.outcome is None:
            return Search(count, whole)
        count, whole = count + 1, _together(whole, found)
        longest = max(longest, clock() - since)
        if found.problem is not None or stopped():
            return Search(count, whole)
        if why := bounds.reached(count, clock() - began, longest):
            log.info("no further iteration: %s", why)
            return Search(count, whole)
        put_aside(count - 1)


def _together(before: Once, now: Once) -> Once:
    """Add an iteration to those before it: times add up, of memory the most counts."""
    metrics = {**before.metrics, **now.metrics}
    for name in _SUMMED:
        if name in before.metrics and name in now.metrics:
            metrics[name] = before.metrics[name] + now.metrics[name]
    outcome, past = now.outcome, before.outcome
    if outcome is not None and past is not None:
        outcome = replace(
            outcome,
            wall_time=past.wall_time + outcome.wall_time,
            cpu_time=past.cpu_time + outcome.cpu_time,
            max_rss=max(past.max_rss, outcome.max_rss),
            memory_peak=max(past.memory_peak, outcome.memory_peak),
        )
    return Once(outcome, now.problem, metrics)


def put_aside(place: Workdir, outputs: Sequence[FileSpec], number: int) -> None:
    """Move what the programs of an iteration have printed out of the way of the next one's.

    Raises:
        JobFailed: it cannot be moved (FILE_HANDLING).
    """
    try:
        _move(place, {file.lfn for file in outputs}, number)
    except OSError as wrong:
        words = f"what iteration {number} has printed cannot be put aside: {wrong}"
        raise JobFailed(ErrorCode.FILE_HANDLING, words) from wrong


def _move(place: Workdir, kept: Set[str], number: int) -> None:
    for folder in (place.root / FOLDER, place.root / FOLDER / str(number)):
        if folder.is_symlink() or not folder.is_dir():  # a payload may have put something else there
            clear(folder)
            folder.mkdir()
    for pattern in ("*.stdout", "*.stderr"):
        for path in place.root.glob(pattern):
            if path.name not in kept:
                path.rename(folder / path.name)


def bring_back(place: Workdir, number: int) -> None:
    """Put what the last iteration has printed back where everybody looks for it; what lies there already stays."""
    folder = place.root / FOLDER / str(number)
    if folder.is_dir():
        for path in folder.iterdir():
            if not (place.root / path.name).exists():
                path.rename(place.root / path.name)


def written(outputs: Sequence[FileSpec], folder: Path, others: Sequence[FileSpec] = ()) -> tuple[FileSpec, ...]:
    """Answer the outputs that a search has written: each ``<name>_<n>`` in the place of the name, as PanDA has it.

    An output is kept under its own name where there is such a file, and left out where there is neither. What is
    another output's own name, or that of one of the job's ``others``, such as an input, is no iteration's.
    """
    own = {file.lfn for file in (*outputs, *others)}
    names = sorted(path.name for path in folder.iterdir())
    found: list[FileSpec] = []
    for file in outputs:
        pattern = re.compile(rf"{re.escape(file.lfn)}_[0-9]+")
        numbered = [name for name in names if pattern.fullmatch(name) and name not in own]
        found.extend(file.evolve(lfn=name, guid="") for name in sorted(numbered, key=_number))
        if not numbered and file.lfn in names:
            found.append(file)
        elif not numbered:
            log.warning("%s: no iteration has written it, and it is not stored", file.lfn)
    return tuple(found)


def _number(name: str) -> int:
    return int(name.rpartition("_")[2])
