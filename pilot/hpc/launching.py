"""Makes allocations for payloads, starts them, and finds those that a dead pilot has left. Belongs to one thread."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional

from pilot.contract.codes import ErrorCode
from pilot.errors import ConfigError, JobFailed
from pilot.hpc import choosing, launchers, local, rank, record, shaping, starting, worklist
from pilot.hpc.allocation import Allocation, Orders, Payload, launch_of, plan
from pilot.hpc.record import Stage
from pilot.hpc.values import BatchState, Launch, Resource, Status, Submission
from pilot.plugins import call

if TYPE_CHECKING:
    import pluggy

    from pilot.contract.queue import QueueData
    from pilot.hpc.values import NodeService, Shape
    from pilot.settings.hpc import Hpc

log = logging.getLogger(__name__)

#: Where batch systems tell a job how many nodes it has.
NODES = ("SLURM_JOB_NUM_NODES", "SLURM_NNODES", "PBS_NUM_NODES", "COBALT_JOBSIZE")
_NONE, _LOCAL, _RESOURCE = "none", "local", "resource"

Poked = Callable[[Allocation, Sequence[int]], None]


def _write_number(allocation: Allocation, stage: Stage) -> None:
    """Write down what was started. It goes on if that cannot be done: the next pilot finds it by its name."""
    number = allocation.started.number if allocation.started is not None else ""
    try:
        allocation.write_down(stage=stage, number=number)
    except OSError as wrong:
        log.error("the number %s of allocation %s cannot be written down: %s", number, allocation.record.name, wrong)


class Launching:
    """``own`` is the pilot's folder, ``environment`` its own; ``left`` answers the seconds that it has left."""

    def __init__(
        self,
        settings: Hpc,
        plugins: pluggy.PluginManager,
        own: Path,
        environment: Mapping[str, str],
        grace: float,
        left: Callable[[], float],
    ) -> None:
        self.settings = self._admins = settings
        self._heeded: Optional[QueueData] = None
        self._plugins, self._own, self._environment = plugins, own, environment
        self._grace, self._left = grace, left
        self._submissions: dict[str, Submission] = {}

    def heed(self, queue: QueueData) -> None:
        """Have the settings as they are for a queue; what it says wrongly is told to those who want an allocation."""
        if queue is not self._heeded:
            self._heeded = queue
            with contextlib.suppress(JobFailed):
                self.settings = choosing.chosen(self._admins, queue)

    def begin(
        self, payloads: Sequence[Payload], queue: QueueData, poked: Poked, ended: Callable[[], None]
    ) -> Allocation:
        """Shape an allocation for payloads, the first of them at least, and start it.

        Raises:
            JobFailed: there will be none, for none of them.
        """
        chosen = choosing.chosen(self._admins, queue)
        wanted = [shaping.Wanted(payload.cores, payload.seconds) for payload in payloads]
        reserve = chosen.reserve + self._grace
        shape, reasons = shaping.shape(wanted, choosing.wishes(chosen), self._room(chosen), reserve)
        before, system = self._launcher(chosen, shape)
        orders = Orders(chosen.reserve, chosen.stop_look, chosen.node_folder, self._grace, self._services(queue))
        try:
            allocation = plan(self._own, payloads[: shape.lines], shape, orders, poked)
            log.info("allocation %s: %s", allocation.record.name, "; ".join(reasons))
            argv = (*before, *rank.command(allocation.folder / worklist.NAME))
            self._start(allocation, launch_of(allocation, shape, argv, chosen.batch_options), system, ended)
        except OSError as wrong:
            raise JobFailed(ErrorCode.FILE_HANDLING, f"no allocation can be written down: {wrong}") from wrong
        return allocation

    def _launcher(self, chosen: Hpc, shape: Shape) -> tuple[tuple[str, ...], str]:
        """Answer what starts the ranks, and by whom the allocation is had; "": this pilot is in one already."""
        argv: tuple[str, ...] = ()
        system = "" if chosen.batch == _NONE else chosen.batch
        if chosen.resource:
            resource = self._resource(chosen.resource, shape)
            argv, system = resource.argv, f"{_RESOURCE}:{chosen.resource}" if resource.submission else system
        return argv or launchers.command(chosen.launcher, shape, chosen.launcher_options, (), local.command()), system

    def _start(self, allocation: Allocation, launch: Launch, system: str, ended: Callable[[], None]) -> None:
        allocation.listen()
        try:
            if system:
                submission = self._submission_of(system)
                allocation.write_down(stage=Stage.SUBMITTING, batch=system)
                allocation.started = starting.submit(submission, launch)
                _write_number(allocation, Stage.SUBMITTED)
            else:
                environment = starting.environment_of(self._environment)
                allocation.write_down(stage=Stage.STARTED)
                allocation.started = starting.Here(launch, environment, self._grace, ended)
                _write_number(allocation, Stage.STARTED)
        finally:
            if allocation.started is None:
                allocation.close()  # with the work list gone no rank does anything, should one begin

    def resume(self, folder: Path, poked: Poked) -> Optional[Allocation]:
        """Go on with an allocation of a dead pilot; ``None``: it was never started, and never will be."""
        written = record.read(folder)
        if written is None or not written.outlives:
            return None
        allocation = Allocation(folder, written, poked)
        try:
            self._find(allocation)
        except JobFailed as failed:  # nobody knows yet; it is asked again
            log.warning("allocation %s: %s", written.name, failed)
        else:
            if allocation.started is None:
                allocation.close()
                return None
        allocation.listen()
        return allocation

    def _find(self, allocation: Allocation) -> None:
        """Find the batch job of an allocation that was, or may have been, submitted; each is submitted once."""
        written = allocation.record
        submission = self._submission_of(written.batch)
        number = written.number or submission.find(written.name)
        if number:
            allocation.started = starting.Submitted(submission, number)
            _write_number(allocation, Stage.SUBMITTED)

    def state(self, allocation: Allocation) -> BatchState:
        """Say how an allocation is."""
        try:
            if allocation.started is None:
                self._find(allocation)
            if allocation.started is not None:
                allocation.status = allocation.started.status()
            else:
                allocation.status = Status(BatchState.UNKNOWN, "it was not submitted before its pilot died")
        except (JobFailed, OSError) as wrong:
            log.warning("allocation %s: %s", allocation.record.name, wrong)
            if isinstance(wrong, JobFailed) and wrong.code is ErrorCode.BAD_CONFIGURATION:  # nobody will ever know
                allocation.status = Status(BatchState.UNKNOWN, wrong.detail)
        return allocation.status.state

    def _room(self, chosen: Hpc) -> shaping.Room:
        if chosen.batch != _NONE or chosen.resource:
            return shaping.AMPLE
        nodes = 1 if chosen.launcher == _LOCAL else self._nodes()
        return shaping.Room(nodes, max(0.0, self._left()))

    def _nodes(self) -> int:
        """Answer how many nodes the allocation has that this pilot is in; 0: nobody says."""
        said = (self._environment.get(name, "") for name in NODES)
        return next((int(text) for text in said if text.isdigit()), 0)

    def _services(self, queue: QueueData) -> tuple[dict[str, Any], ...]:
        found: list[Sequence[NodeService]] = call(self._plugins, "node_services", queue=queue)
        return tuple(service._asdict() for services in reversed(found) for service in services)

    def _resource(self, name: str, shape: Optional[Shape]) -> Resource:
        resource: Optional[Resource] = call(self._plugins, "hpc_resource", name=name, shape=shape)
        if resource is None:
            raise JobFailed(ErrorCode.BAD_CONFIGURATION, f"hpc.resource: no plugin knows a supercomputer {name!r}")
        return resource

    def _submission_of(self, system: str) -> Submission:
        """Answer how allocations are had from a batch system, or from a supercomputer that a plugin knows."""
        if system not in self._submissions:
            kind, _, name = system.partition(":")
            submission = self._resource(name, None).submission if kind == _RESOURCE else self._by_batch(system)
            if submission is None:
                raise JobFailed(ErrorCode.BAD_CONFIGURATION, f"{system} has no way to submit allocations any more")
            self._submissions[system] = submission
        return self._submissions[system]

    def _by_batch(self, system: str) -> Submission:
        from pilot.hpc.batch import submission_by

        try:
            return submission_by(system, self._environment)
        except ConfigError as wrong:
            raise JobFailed(ErrorCode.BAD_CONFIGURATION, wrong.detail) from wrong
