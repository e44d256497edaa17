"""The way of supercomputers, as payload threads see it: a job is handed over here, and brought back later.

The payload thread is free for the next one meanwhile. What becomes of payloads is seen to by a lane of its own
(`allocating`); a job then passes through the payload lane once more, to be judged like any other.
"""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from pilot.contract.codes import ErrorCode
from pilot.control.running import Brought, HandedOver
from pilot.errors import JobFailed
from pilot.hpc import record
from pilot.hpc.allocation import Allocation, Payload
from pilot.hpc.values import BatchState
from pilot.job import Phase

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pilot.control.lanes import Occupied
    from pilot.control.means import Outbox
    from pilot.control.news import Key, Work
    from pilot.control.running import Run
    from pilot.control.utilities import Utilities
    from pilot.hpc.record import Note
    from pilot.hpc.report import RankReport
    from pilot.job import Job, PayloadOutcome
    from pilot.runtime.workdir import Workdir


class Handed(NamedTuple):
    """A job whose payload waits or runs in an allocation, and what is needed when it comes back."""

    work: Work
    place: Workdir
    utilities: Optional[Utilities] = None


class Gathered(NamedTuple):
    """A payload may run."""

    handed: Handed
    payload: Payload


class Left(NamedTuple):
    """A dead pilot has left a payload in an allocation that may go on."""

    handed: Handed
    note: Note


class Stop(NamedTuple):
    """A payload is to be ended."""

    key: Key


class Moved(NamedTuple):
    """A job has changed its phase."""

    key: Key
    phase: Phase


class Reported(NamedTuple):
    """Ranks on this node have reported, on these lines."""

    allocation: Allocation
    lines: Sequence[int]


class Tick(NamedTuple):
    """It is time to look; or a launcher has ended."""


class Gathering:
    """The way: takes every job. Used by the payload threads, the conductor's and the lane's."""

    def __init__(self, inbox: queue.Queue[Any], occupied: Occupied, own: Path) -> None:
        self.inbox, self._occupied, self._own = inbox, occupied, own
        self._back: dict[Key, Brought] = {}
        self._changing = threading.Lock()

    def takes(self, work: Work) -> bool:
        """All but searches, which decide after each run whether there is another."""
        return not work.job.spec.iterative

    def run(self, run: Run) -> PayloadOutcome:
        """Hand a payload over; it comes back by `brought`."""
        spec, queue_data = run.work.job.spec, run.work.site.queue
        seconds = float(spec.max_walltime or queue_data.max_time or 0)
        payload = Payload(run.work.key, run.command, run.bounds, seconds, spec.cores)
        self._hand_over(Gathered(Handed(run.work, run.place, run.utilities), payload))
        raise HandedOver

    def _hand_over(self, item: Any) -> None:
        key = item.handed.work.key
        late = self._occupied.hand_over(key, lambda: self.warn(key), lambda _: self.warn(key))
        self.inbox.put(item)
        if late:
            self.warn(key)

    def warn(self, key: Key) -> None:
        """Have a payload ended, if it is here; does not wait for that."""
        self.inbox.put(Stop(key))

    def warned(self, stops: Outbox) -> Warned:
        """Answer where work goes that stops jobs."""
        return Warned(self, stops)

    def note(self, job: Job) -> None:
        """Take it that a job has moved; of one that goes another way nobody waits for the payload."""
        if not (job.spec.iterative or job.spec.events):
            self.inbox.put(Moved(job.key, job.phase))

    def bring(self, key: Key, brought: Brought) -> None:
        """Lay down what became of a payload, for the payload thread that takes its job next."""
        with self._changing:
            self._back[key] = brought

    def brought(self, work: Work, place: Workdir) -> Optional[Brought]:
        """Answer what became of a payload that was handed over before, by this pilot or by one that has died.

        Raises:
            JobFailed: that is not known, and never will be (PILOT_LOST).
        """
        with self._changing:
            back = self._back.pop(work.key, None)
        if back is not None or (note := record.read_note(place.root)) is None:
            return back
        found = record.brought(place.root, work.key) or record.report_of(note.folder, note.line, work.key)
        written = record.read(note.folder)
        if found is not None:
            return of_report(found, place, written.number if written else "", written.cores if written else 0)
        if written is None or not written.outlives or note.folder.parent != self._own:
            raise JobFailed(ErrorCode.PILOT_LOST, "the job's pilot died, and its rank has left no report")
        self._hand_over(Left(Handed(work, place), note))
        return Brought(waits=True)


def leftovers(occupied: Occupied, own: Path) -> Gathering:
    """Answer what brings back the payloads of dead pilots that gathered, for a pilot that does not."""
    return Gathering(queue.Queue(), occupied, own)


def of_report(found: RankReport, place: Workdir, number: str, cores: int, handed: Optional[Handed] = None) -> Brought:
    """Answer what a rank has reported, as a payload's end."""
    figures = {**told(BatchState.ENDED.value, number, cores), "hpcNode": found.host}
    utilities = handed.utilities if handed else None
    return Brought(found.outcome(place.root), found.problem, figures, utilities)


def told(status: str, number: str, cores: int) -> dict[str, Any]:
    """Answer what reports say of an allocation, in PanDA's words."""
    said: dict[str, Any] = {"hpcStatus": status.replace(" ", "_")}
    if number:
        said["HPCJobId"] = number
    if cores:
        said["actualCoreCount"] = cores
    return said


class Warned:
    """Where work goes that stops jobs: all that are in an allocation hear of it at once, not one after the other."""

    def __init__(self, way: Gathering, inbox: Outbox) -> None:
        self._way, self._inbox = way, inbox

    def put(self, item: Work) -> None:
        """Take one item."""
        self._way.warn(item.key)
        self._inbox.put(item)
