"""The workflow stager: a job's inputs are lent to somebody beside the pilot, until he is done or the lease is over.

No payload is run. Whoever works with the inputs finds a note of them in the job's directory, and leaves outputs there.
That the lease is over, that the server wants an end, or that the pilot has to go, ends such a job well: what there is
by then is stored.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pilot.control.ends import working_end
from pilot.control.running import Bare
from pilot.job import PayloadOutcome
from pilot.runtime.workdir import write_new

if TYPE_CHECKING:
    from pilot.control.ends import End
    from pilot.control.lanes import Occupied
    from pilot.control.news import Work
    from pilot.control.running import Run
    from pilot.settings import Settings

#: The note in a job's directory; it is there as soon as the inputs are.
NOTE = "lent.json"
#: Among the metrics: how a lease came to its end.
METRIC = "leaseEnd"


class Lending(Bare):
    """Lends each job to its user. ``ends``: when the pilot has to be gone that has ``started`` then, on its clock."""

    def __init__(self, occupied: Occupied, settings: Settings, started: float, ends: Sequence[End]) -> None:
        self._occupied, self._chosen = occupied, settings.stager
        #: When the lease is over, in seconds since 1970.
        self._until = time.time() + working_end(ends, started, settings.job.reserve) - time.monotonic()
        self.argv = settings.stager.command

    def takes(self, work: Work) -> bool:
        """Every job."""
        return True

    def run(self, run: Run) -> PayloadOutcome:
        """Lend a job's directory, and come back when that is over."""
        self._note(run)
        if self.argv and run.plain is not None:
            outcome = run.plain(run)
            asked = self._occupied.asked(run.work.key)
            outcome = replace(outcome, status=0, signal=None) if asked else outcome
        else:
            outcome, asked = self._wait(run)
        if run.findings is not None:
            run.findings.metrics[METRIC] = "over" if asked else "done"
        return outcome

    def _note(self, run: Run) -> None:
        """Write down what there is; whoever sees the note sees all of it."""
        folder, spec = run.place.root, run.work.job.spec
        said = {
            "job": spec.id,
            "attempt": spec.attempt,
            "folder": str(folder),
            "inputs": [str(folder / file.lfn) for file in spec.inputs],
            "outputs": [str(folder / file.lfn) for file in spec.outputs],
            "until": self._until,
            "done": str(folder / self._chosen.done),
        }
        part = folder / f".{NOTE}"
        with write_new(part) as file:
            file.write(json.dumps(said, indent=1).encode())
        part.replace(folder / NOTE)

    def _wait(self, run: Run) -> tuple[PayloadOutcome, bool]:
        """Wait until the user is done, or it is over; say whether it is the latter."""
        over, began, place = threading.Event(), time.monotonic(), run.place
        self._occupied.stops_by(run.work.key, over.set, lambda grace: over.set())
        while not over.wait(self._chosen.look):
            if (place.root / self._chosen.done).exists():
                break
        for path in (place.stdout, place.stderr):
            write_new(path).close()
        seconds = time.monotonic() - began
        return PayloadOutcome(0, None, place.root, place.stdout, place.stderr, wall_time=seconds), over.is_set()
