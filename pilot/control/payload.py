"""The payload control: runs a job's program, stops it, and has its end judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Callable, Optional

from pilot.contract import naming
from pilot.contract.codes import ErrorCode
from pilot.contract.named import NamedTuple
from pilot.control.lanes import Occupied, Tell
from pilot.control.lifecycle import Event
from pilot.control.running import Alone, Bare, Findings, HandedOver, Run
from pilot.control.times import PATIENCE
from pilot.errors import JobFailed
from pilot.job import PayloadCommand, PayloadOutcome, Problem, Utility
from pilot.plugins import call
from pilot.runtime import bundle, environment, limits, signals, workdir
from pilot.runtime.container.containers import Containers
from pilot.runtime.workdir import Workdir

if TYPE_CHECKING:
    import pluggy

    from pilot.contract.queue import QueueData
    from pilot.control.gathering import Gathering
    from pilot.control.news import Answer, Key, Work
    from pilot.control.running import Way
    from pilot.control.utilities import Utilities
    from pilot.copytool.base import Cancel
    from pilot.runtime.container.values import Container
    from pilot.runtime.limits import Limits
    from pilot.runtime.processes import Root
    from pilot.settings import sections
    from pilot.settings.iterations import Iterations

NOTHING: Mapping[str, str] = MappingProxyType({})


class Once(NamedTuple):
    """One run of a payload, with what goes before and after it. No outcome: there was nothing to do."""

    outcome: Optional[PayloadOutcome] = None
    problem: Optional[Problem] = None
    metrics: Mapping[str, Any] = NOTHING


class Surroundings(NamedTuple):
    """What payloads are started in. ``own`` is the pilot's own environment; ``iterations`` answers a section."""

    own: Mapping[str, str]
    payload: sections.Payload
    limits: sections.PayloadLimits
    containers: Containers
    iterations: Callable[[], Iterations]

    def environment(self, queue: QueueData, folder: Path, asked: Sequence[Mapping[str, str]]) -> dict[str, str]:
        """Answer a payload's whole environment; ``asked`` is what plugins add, the least important first."""
        names = (*self.payload.environment, *environment.asked_by_queue(queue.params, queue.name))
        names = (*names, environment.PROXY) if self.payload.proxy else names
        return environment.payload_environment(self.own, folder, asked, names=names)


def _with_report(outcome: PayloadOutcome, place: Workdir) -> PayloadOutcome:
    """Add what a payload has written of itself; few do, and what reads it is imported for those."""
    if not (place.root / naming.JOB_REPORT).exists():
        return outcome
    from pilot.runtime import job_report

    return replace(outcome, report=job_report.read(place.root))


def _nothing(*_: object) -> AbstractContextManager[None]:
    return nullcontext()


class PayloadControl:
    """Runs and stops payloads. ``base`` is the folder of the jobs' directories; ``ways``: see `running`."""

    def __init__(
        self,
        tell: Tell,
        plugins: pluggy.PluginManager,
        occupied: Occupied,
        base: Path,
        surroundings: Surroundings,
        ways: Sequence[Way] = (),
    ) -> None:
        self._tell, self._plugins, self._occupied = tell, plugins, occupied
        self._base, self._surroundings, self._grace = base, surroundings, surroundings.payload.grace
        #: Where the trees of running payloads hang, by job; read by the checks' thread.
        self.roots: dict[Key, Root] = {}
        #: What happens beside each payload: its job, directory, and the token that is asked when it is to end.
        self.beside: Callable[[Work, Path, Cancel], AbstractContextManager[None]] = _nothing
        #: By which payloads are run many at a time; they come back through it.
        self.gathering: Optional[Gathering] = None
        self._alone = Alone(occupied, self._grace, self.roots)
        self._ways = (*ways, self._alone)

    def gather_by(self, way: Gathering) -> None:
        """Have payloads that no other way takes run many at a time."""
        self.gathering = way
        self._ways = (*self._ways[:-1], way, self._alone)

    def run(self, work: Work) -> None:
        """Run a payload to its end, with what goes before, beside and after it, and say whether it ended well."""
        with self._occupied.doing(work) as cancelled:
            place = workdir.of(self._base, work.job.spec)
            container = self._surroundings.containers.choose(work.job.spec, work.site.queue)
            try:
                with self._surroundings.containers.leaving_nothing(container, place.temporary):
                    answer = self._brought(work, place, container, cancelled)
                    answer = answer or self._carry_out(work, place, container, cancelled)
            except HandedOver:
                return
            if answer.outcome is not None and not cancelled and signals.may_be_meant_for_all(answer.outcome):
                cancelled.wait(signals.MOMENT)  # it is stopped, if the pilot is ended with it: that is the cause then
        self._tell(answer)

    def _brought(
        self, work: Work, place: Workdir, container: Optional[Container], cancelled: Cancel
    ) -> Optional[Answer]:
        """Judge a payload that was handed over and is brought back; ``None`` for one that is to be run now."""
        if self.gathering is None:
            if not workdir.is_allocated(place):
                return None
            from pilot.control.gathering import leftovers  # of a dead pilot, which gathered

            self.gathering = leftovers(self._occupied, self._base)
        back = self.gathering.brought(work, place)
        if back is None:
            return None
        if back.waits:
            raise HandedOver
        outcome, problem, metrics, utilities = back.outcome, back.problem, back.metrics, back.utilities
        if outcome is not None:
            call(self._plugins, "settle_outputs", spec=work.job.spec, outcome=outcome)
            outcome = _with_report(outcome, place)
            metrics = {**self._metrics(work, outcome), **metrics}
            problem = problem or self._judge(work, container, outcome)
        if utilities is None and work.job.spec.programs and not cancelled:
            whole = self._environment(work, place)
            bounds = limits.of(work.job.spec, work.site.queue, self._surroundings.limits)
            utilities = self._utilities(work, place, container, whole, bounds)
        if utilities is not None and not cancelled:
            problem = utilities.after(well=problem is None) or problem
        return work.answer(Event.FAIL if problem else Event.PAYLOAD_OK, problem, outcome=outcome, metrics=metrics)

    def _carry_out(self, work: Work, place: Workdir, container: Optional[Container], cancelled: Cancel) -> Answer:
        way = next(way for way in self._ways if way.takes(work))
        if work.job.spec.iterative and not isinstance(way, Bare):
            return self._search(work, place, container, cancelled, way)
        found = self._once(work, place, container, cancelled, way)
        event = Event.FAIL if found.problem else Event.PAYLOAD_OK
        return work.answer(event, found.problem, outcome=found.outcome, metrics=found.metrics)

    def _search(
        self, work: Work, place: Workdir, container: Optional[Container], cancelled: Cancel, way: Way
    ) -> Answer:
        from pilot.control import iterations

        spec, chosen = work.job.spec, self._surroundings.iterations()
        ended = iterations.search(
            lambda number: self._once(work, place, container, cancelled, way, {iterations.VARIABLE: str(number)}),
            lambda number: iterations.put_aside(place, spec.outputs, number),
            iterations.Bounds(chosen.most, chosen.seconds, float(spec.max_walltime or work.site.queue.max_time)),
            lambda: bool(cancelled) or self._occupied.asked(work.key),
        )
        iterations.bring_back(place, ended.done - 1)
        problem, outcome = ended.whole.problem, ended.whole.outcome
        return work.answer(
            Event.FAIL if problem else Event.PAYLOAD_OK,
            problem,
            outcome=outcome,
            metrics={**ended.whole.metrics, iterations.METRIC: ended.done},
            outputs=iterations.written(spec.outputs, place.root, spec.files),
        )

    def _once(
        self,
        work: Work,
        place: Workdir,
        container: Optional[Container],
        cancelled: Cancel,
        way: Way,
        besides: Mapping[str, str] = NOTHING,
    ) -> Once:
        """Run a payload, with what goes before and after it; ``besides`` are further variables."""
        whole = {**self._environment(work, place), **besides}
        bounds = limits.of(work.job.spec, work.site.queue, self._surroundings.limits)
        instead = way.argv if isinstance(way, Bare) else None
        utilities = self._utilities(work, place, container, whole, bounds) if instead is None else None
        needed = bool(cancelled) or utilities is None or utilities.before()
        if cancelled:
            raise JobFailed(ErrorCode.ORDERED_STOP, "the job was stopped before its payload began")
        if not needed:
            return Once()
        command = self._command(work, place, container, whole, instead)  # now: what runs before may make the program
        if container is not None:
            bundle.note_container(place.root, container)
        bundle.note_command(place.root, command, bounds._asdict())
        findings = Findings()
        with self.beside(work, place.root, cancelled):
            outcome = way.run(Run(work, command, place, bounds, utilities, cancelled, findings, self._alone.run))
        call(self._plugins, "settle_outputs", spec=work.job.spec, outcome=outcome)
        outcome = _with_report(outcome, place)
        metrics = {**self._metrics(work, outcome), **findings.metrics}
        problem = findings.problem or self._judge(work, container, outcome)
        if utilities is not None and not cancelled:
            problem = utilities.after(well=problem is None) or problem
        return Once(outcome, problem, metrics)

    def ask(self, work: Work) -> None:
        """Ask a payload to end in the time given; `run` tells how it did."""
        self._occupied.ask(work.key, work.seconds)

    def stop(self, work: Work) -> None:
        """End whatever is done for a job: its payload, or its copies; say when it is gone."""
        if not self._occupied.stop(work, self._grace + PATIENCE):
            raise JobFailed(ErrorCode.DEADLINE_PASSED, "payload or copies did not end when they were asked to")
        self._tell(work.answer(Event.GONE))

    def _environment(self, work: Work, place: Workdir) -> dict[str, str]:
        spec, queue = work.job.spec, work.site.queue
        asked = call(self._plugins, "payload_environment", spec=spec, queue=queue, workdir=place.root)
        # The last plugin that was registered answers first, and is to win.
        return self._surroundings.environment(queue, place.root, list(reversed(asked)))

    def _command(
        self,
        work: Work,
        place: Workdir,
        container: Optional[Container],
        whole: Mapping[str, str],
        instead: Optional[tuple[str, ...]] = None,
    ) -> PayloadCommand:
        if instead is not None:
            command = PayloadCommand(instead, whole, place.root)
            return self._contained(container if instead else None, command)
        spec, queue = work.job.spec, work.site.queue
        image = container.image if container else ""
        words = {"spec": spec, "queue": queue, "workdir": place.root, "environment": whole, "image": image}
        argv = call(self._plugins, "payload_command", **words)
        if not argv:
            raise JobFailed(ErrorCode.BAD_JOB_DEFINITION, f"no plugin knows how to run {spec.transformation!r}")
        if addresses := bundle.read_remotely(place.root) if spec.inputs else None:
            from pilot.copytool.direct import with_addresses

            argv = (argv[0], *with_addresses(argv[1:], addresses))
        command = PayloadCommand(tuple(argv), whole, place.root)
        wrapped: Optional[PayloadCommand] = call(self._plugins, "wrap_command", spec=spec, queue=queue, command=command)
        return wrapped if wrapped is not None else self._contained(container, command)

    def _contained(self, container: Optional[Container], command: PayloadCommand) -> PayloadCommand:
        return self._surroundings.containers.wrap(container, command) if container else command

    def _utilities(
        self, work: Work, place: Workdir, container: Optional[Container], whole: Mapping[str, str], bounds: Limits
    ) -> Optional[Utilities]:
        """Answer what goes with a payload; ``None``: nothing, as with most, which then need not load what runs it."""
        spec, queue, chosen = work.job.spec, work.site.queue, self._surroundings.payload
        image = container.image if container else ""
        words = {"spec": spec, "queue": queue, "workdir": place.root, "environment": whole, "image": image}
        asked = call(self._plugins, "utility_commands", **words)
        wanted = [utility for answer in reversed(asked) for utility in answer]
        if not wanted and not chosen.prmon:
            return None
        from pilot.control.utilities import Means, Utilities, with_prmon

        def command_of(utility: Utility) -> PayloadCommand:
            command = PayloadCommand(utility.argv, {**whole, **utility.environment}, place.root)
            return self._contained(container if utility.in_container else None, command)

        means = Means(
            place=place,
            limits=bounds,
            seconds=chosen.utility_time,
            grace=chosen.grace,
            command_of=command_of,
            judge=lambda outcome: self._judge(work, None, outcome),
            # It can be stopped; to be asked to end in its time is for the payload itself.
            started=lambda payload: self._occupied.stops_by(work.key, lambda: payload.stop(chosen.grace)),
        )
        return Utilities(with_prmon(wanted, chosen.prmon), means)

    def _metrics(self, work: Work, outcome: PayloadOutcome) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for answer in reversed(call(self._plugins, "job_metrics", spec=work.job.spec, outcome=outcome)):
            found.update(answer)
        return found

    def _judge(self, work: Work, container: Optional[Container], outcome: PayloadOutcome) -> Optional[Problem]:
        if outcome.well:
            doubt: Optional[Problem] = call(self._plugins, "diagnose_payload", spec=work.job.spec, outcome=outcome)
            return doubt
        from pilot.control import verdicts

        problem: Problem = (
            verdicts.of_limits(outcome)
            or self._surroundings.containers.explain(container, outcome)
            or call(self._plugins, "diagnose_payload", spec=work.job.spec, outcome=outcome)
            or verdicts.of_status(outcome)
        )
        if not outcome.dumped:
            return problem
        from pilot.runtime import core_dump

        return verdicts.with_core(problem, core_dump.where(outcome.pid, outcome.workdir))
