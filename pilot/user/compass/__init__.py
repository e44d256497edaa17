"""What differs for COMPASS: its software, its programs, how they fail, end well and count events.

What only some jobs need is imported for them: a pilot starts without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.contract.naming import WRITTEN_DUMP
from pilot.contract.queue import QueueData
from pilot.errors import JobFailed
from pilot.hookspecs import hookimpl
from pilot.job import PayloadOutcome, Problem
from pilot.user.compass.kinds import WorkKind, kind_of, own_kind_of

if TYPE_CHECKING:
    from pilot.hpc.values import NodeService
    from pilot.user.compass.orders import ProgramOrder


@hookimpl
def verify_job(spec: JobSpec, queue: QueueData) -> Optional[str]:
    """Refuse a job whose release is not on the node, or whose arguments, files and template do not fit its kind.

    Raises:
        JobFailed: what is missing on the node, with its own code.
    """
    kind = own_kind_of(spec)
    if kind is None and not spec.home_package:
        return None
    from pilot.user.compass import calibration, commands, options, orders, release, site

    choice, place = site.read(queue), release.release_of(spec, queue)
    if place is not None:
        release.check(place)
        release.setup_of(place, choice.setup)
    if kind is None:
        return None
    try:
        order = orders.read(kind, spec.arguments)
        orders.check_files(kind, order, spec)
    except orders.BadOrder as wrong:
        return str(wrong)
    if kind.calibration:
        calibration.chosen(order.calibration, choice.calibration, place)
    if kind.template and not commands.brings_settings(spec):
        options.check(kind, order, place)
    return None


@hookimpl
def payload_environment(spec: JobSpec, queue: QueueData, workdir: Path) -> Mapping[str, str]:
    """Give what the job's release sets, what its program reads of the job, and where its calibrations come from."""
    kind = own_kind_of(spec)
    if kind is None and not spec.home_package:
        return {}
    from pilot.user.compass import calibration, commands, release, setting_up, site

    choice, place = site.read(queue), release.release_of(spec, queue)
    environment: dict[str, str] = {}
    if place is not None:
        release.check(place)
        setup = release.setup_of(place, choice.setup)
        environment.update(setting_up.values_of(setup, choice.setup_time, strict=choice.strict))
    if kind is not None:
        order = _order(kind, spec)
        environment.update(commands.variables(kind, order, spec))
        if kind.calibration and choice.database and not order.calibration:
            environment["CDBSERVER"] = "localhost"  # of each node; where its socket is, that node knows
        elif kind.calibration and (sources := calibration.chosen(order.calibration, choice.calibration, place)):
            asked = calibration.in_order(sources, spec.id, spread=choice.spread)
            environment.update(calibration.first_ready(asked, choice.calibration_time).variables)
    return environment


@hookimpl
def node_services(queue: QueueData) -> Sequence[NodeService]:
    """Give each node of an allocation a server of calibrations of its own, where the queue says what is in it."""
    from pilot.user.compass import site

    choice = site.read(queue)
    if not choice.database:
        return ()
    from pilot.user.compass import node_database

    return (node_database.service(choice),)


@hookimpl
def payload_command(
    spec: JobSpec, queue: QueueData, workdir: Path, environment: Mapping[str, str], image: str
) -> Optional[Sequence[str]]:
    """Run the experiment's own programs; whatever else a job names is run as any other is."""
    kind = own_kind_of(spec)
    if kind is None:
        return None
    from pilot.user.compass import commands, release

    place = release.release_of(spec, queue)
    program = release.program(kind.program, place, environment.get("PATH", ""), image=image)
    call = commands.Call(kind, _order(kind, spec), spec, program, place, workdir, environment)
    return commands.argument_list(call)


def _order(kind: WorkKind, spec: JobSpec) -> ProgramOrder:
    from pilot.user.compass import orders

    try:
        return orders.read(kind, spec.arguments)
    except orders.BadOrder as wrong:
        raise JobFailed(ErrorCode.BAD_JOB_DEFINITION, str(wrong)) from wrong


@hookimpl
def settle_outputs(spec: JobSpec, outcome: PayloadOutcome) -> None:
    """Give the event dump of a program that ended well its name; where no event was kept, the marker that says so."""
    if outcome.well and kind_of(spec) is not None:
        from pilot.user.compass import outputs

        outputs.settle(spec, outcome.workdir)


@hookimpl
def diagnose_payload(spec: JobSpec, outcome: PayloadOutcome) -> Optional[Problem]:
    """Read the output for what COMPASS's programs say when they fail, also where they end with status 0."""
    from pilot.user.compass import diagnosis

    return diagnosis.diagnose(spec, outcome)


@hookimpl
def job_metrics(spec: JobSpec, outcome: PayloadOutcome) -> Mapping[str, int]:
    """Count events: what the program says it wrote; the last such line counts. A merge is held against its inputs."""
    from pilot.user.compass import events

    return events.metrics(spec, outcome.stdout)


@hookimpl
def payload_progress(spec: JobSpec, stdout: Path) -> Optional[tuple[int, Optional[int]]]:
    """Say how many events are done, and of how many, from the end of the output."""
    from pilot.user.compass import events

    return events.progress(stdout)


@hookimpl
def redundant_files(spec: JobSpec) -> Sequence[str]:
    """Leave the dump of a failed job out of its log."""
    return (WRITTEN_DUMP,)
