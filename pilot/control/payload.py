"""The payload control: runs a job's program, stops it, and has its end judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from pilot.contract.codes import ErrorCode
from pilot.control.lanes import Occupied, Tell
from pilot.control.lifecycle import Event
from pilot.control.tails import last_words
from pilot.control.times import PATIENCE
from pilot.errors import JobFailed
from pilot.job import PayloadCommand, PayloadOutcome, Problem
from pilot.plugins import call
from pilot.runtime import environment, workdir
from pilot.runtime.container.containers import Containers
from pilot.runtime.workdir import Workdir

if TYPE_CHECKING:
    import pluggy

    from pilot.control.news import Key, Work
    from pilot.runtime.container.values import Container
    from pilot.runtime.processes import Root


@dataclass(frozen=True)
class Surroundings:
    """What payloads are started in.

    ``own`` is the pilot's own environment, ``also`` names further variables of it that payloads get.
    """

    own: Mapping[str, str]
    also: tuple[str, ...]
    containers: Containers


class PayloadControl:
    """Runs and stops payloads.

    ``base`` is the folder of the jobs' directories, ``grace`` the seconds between SIGTERM and SIGKILL.
    """

    def __init__(
        self,
        tell: Tell,
        plugins: pluggy.PluginManager,
        occupied: Occupied,
        base: Path,
        surroundings: Surroundings,
        grace: float,
    ) -> None:
        self._tell, self._plugins, self._occupied = tell, plugins, occupied
        self._base, self._surroundings, self._grace = base, surroundings, grace
        #: Where the trees of running payloads hang, by job; read by the checks' thread.
        self.roots: dict[Key, Root] = {}

    def run(self, work: Work) -> None:
        """Run a payload to its end, and say whether it ended well."""
        from pilot.runtime import process

        with self._occupied.doing(work) as cancelled:
            place = workdir.of(self._base, work.job.spec)
            container = self._surroundings.containers.choose(work.job.spec, work.site.queue)
            command = self._command(work, place, container)
            if cancelled:
                raise JobFailed(ErrorCode.ORDERED_STOP, "the job was stopped before its payload began")
            payload = process.start(command, stdout=place.stdout, stderr=place.stderr)
            self._occupied.stops_by(work.key, lambda: payload.stop(self._grace), payload.stop)
            self.roots[work.key] = payload.root
            try:
                outcome = replace(payload.wait(), words=last_words(place.stdout, place.stderr))
            finally:
                del self.roots[work.key]
        call(self._plugins, "settle_outputs", spec=work.job.spec, outcome=outcome)
        metrics = self._metrics(work, outcome)
        problem = self._surroundings.containers.explain(container, outcome) or self._judge(work, outcome)
        event = Event.FAIL if problem else Event.PAYLOAD_OK
        self._tell(work.answer(event, problem, outcome=outcome, metrics=metrics))

    def ask(self, work: Work) -> None:
        """Ask a payload to end in the time given; `run` tells how it did."""
        self._occupied.ask(work.key, work.seconds)

    def stop(self, work: Work) -> None:
        """End whatever is done for a job: its payload, or its copies; say when it is gone."""
        if not self._occupied.stop(work, self._grace + PATIENCE):
            raise JobFailed(ErrorCode.DEADLINE_PASSED, "payload or copies did not end when they were asked to")
        self._tell(work.answer(Event.GONE))

    def _command(self, work: Work, place: Workdir, container: Optional[Container]) -> PayloadCommand:
        spec, queue, around = work.job.spec, work.site.queue, self._surroundings
        image = container.image if container else ""
        asked = call(self._plugins, "payload_environment", spec=spec, queue=queue, workdir=place.root)
        # The last plugin that was registered answers first, and is to win.
        inherited = {name: around.own[name] for name in around.also if name in around.own}
        whole = environment.payload_environment(around.own, place.root, (inherited, *reversed(asked)))
        words = {"spec": spec, "queue": queue, "workdir": place.root, "environment": whole, "image": image}
        argv = call(self._plugins, "payload_command", **words)
        if not argv:
            raise JobFailed(ErrorCode.BAD_JOB_DEFINITION, f"no plugin knows how to run {spec.transformation!r}")
        command = PayloadCommand(tuple(argv), whole, place.root)
        wrapped: Optional[PayloadCommand] = call(self._plugins, "wrap_command", spec=spec, queue=queue, command=command)
        if wrapped is not None:
            return wrapped
        return around.containers.wrap(container, command) if container else command

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
