"""The payload control: runs a job's program, stops it, and has its end judged."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from pilot.contract.codes import ErrorCode
from pilot.control.lanes import Occupied, Tell
from pilot.control.lifecycle import Event
from pilot.control.times import PATIENCE
from pilot.errors import JobFailed
from pilot.job import PayloadCommand, PayloadOutcome, Problem
from pilot.plugins import call
from pilot.runtime import environment, workdir
from pilot.runtime.workdir import Workdir

if TYPE_CHECKING:
    import pluggy

    from pilot.control.news import Work


class PayloadControl:
    """Runs and stops payloads.

    ``base`` is the folder of the jobs' directories, ``own`` the pilot's own environment, ``also`` further variables of
    it that payloads get, ``grace`` the seconds between SIGTERM and SIGKILL.
    """

    def __init__(
        self,
        tell: Tell,
        plugins: pluggy.PluginManager,
        occupied: Occupied,
        base: Path,
        own: Mapping[str, str],
        also: tuple[str, ...],
        grace: float,
    ) -> None:
        self._tell, self._plugins, self._occupied = tell, plugins, occupied
        self._base, self._own, self._also, self._grace = base, own, also, grace

    def run(self, work: Work) -> None:
        """Run a payload to its end, and say whether it ended well."""
        from pilot.runtime import process

        with self._occupied.doing(work) as cancelled:
            place = workdir.of(self._base, work.job.spec)
            command = self._command(work, place)
            if cancelled:
                raise JobFailed(ErrorCode.ORDERED_STOP, "the job was stopped before its payload began")
            payload = process.start(command, stdout=place.stdout, stderr=place.stderr)
            self._occupied.stops_by(work.key, lambda: payload.stop(self._grace))
            outcome = payload.wait()
        metrics = self._metrics(work, outcome)
        problem = self._judge(work, outcome)
        event = Event.FAIL if problem else Event.PAYLOAD_OK
        self._tell(work.answer(event, problem, outcome=outcome, metrics=metrics))

    def stop(self, work: Work) -> None:
        """End whatever is done for a job: its payload, or its copies; say when it is gone."""
        if not self._occupied.stop(work, self._grace + PATIENCE):
            raise JobFailed(ErrorCode.DEADLINE_PASSED, "payload or copies did not end when they were asked to")
        self._tell(work.answer(Event.GONE))

    def _command(self, work: Work, place: Workdir) -> PayloadCommand:
        spec, queue = work.job.spec, work.site.queue
        asked = call(self._plugins, "payload_environment", spec=spec, queue=queue, workdir=place.root)
        # The last plugin that was registered answers first, and is to win.
        inherited = {name: self._own[name] for name in self._also if name in self._own}
        whole = environment.payload_environment(self._own, place.root, (inherited, *reversed(asked)))
        argv = call(self._plugins, "payload_command", spec=spec, queue=queue, workdir=place.root, environment=whole)
        if not argv:
            raise JobFailed(ErrorCode.BAD_JOB_DEFINITION, f"no plugin knows how to run {spec.transformation!r}")
        return PayloadCommand(tuple(argv), whole, place.root)

    def _metrics(self, work: Work, outcome: PayloadOutcome) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for answer in reversed(call(self._plugins, "job_metrics", spec=work.job.spec, outcome=outcome)):
            found.update(answer)
        return found

    def _judge(self, work: Work, outcome: PayloadOutcome) -> Optional[Problem]:
        problem: Optional[Problem] = call(self._plugins, "diagnose_payload", spec=work.job.spec, outcome=outcome)
        if problem is not None or outcome.well:
            return problem
        if outcome.signal is not None:
            return Problem(ErrorCode.PAYLOAD_SIGNALLED, f"the payload was ended by signal {outcome.signal}")
        return Problem(ErrorCode.PAYLOAD_FAILED, f"the payload ended with status {outcome.status}")
