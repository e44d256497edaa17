"""What every experiment's jobs need, once. An experiment's own plugin says only what differs."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Optional

from pilot.contract import naming
from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.contract.queue import QueueData
from pilot.errors import JobFailed
from pilot.hookspecs import hookimpl
from pilot.job import PayloadOutcome, Problem, Utility, When
from pilot.user import signs
from pilot.user.output import last_lines
from pilot.user.program import Where, find

#: Statuses by which a preprocess says that there is nothing (more) to be done (PanDA's).
NOTHING_TO_DO = (160, 161, 162)
_WHEN = {"preprocess": When.BEFORE, "postprocess": When.AFTER, "coprocess": When.BESIDE}
#: Statuses by which a shell says that it could not start the program.
_SHELL_WORDS = {126: "126: found, but not executable", 127: "127: a command was not found"}


@hookimpl
def payload_environment(spec: JobSpec, queue: QueueData, workdir: Path) -> Mapping[str, str]:
    """Give the site's own variables (``environ`` of the queue), and those that say which job this is."""
    environment = _site_variables(queue)
    if queue.appdir:
        environment["APPDIR"] = queue.appdir
    environment.setdefault("OMP_NUM_THREADS", str(spec.cores))
    environment["PANDAID"] = str(spec.id)
    environment["PANDA_ATTEMPT"] = str(spec.attempt)
    environment["PILOT_SITENAME"] = queue.name
    if spec.task_id is not None:
        environment["PanDA_TaskID"] = str(spec.task_id)
    if spec.events:
        from pilot.contract import events

        environment[events.SOCKET_VARIABLE] = str(workdir / events.SOCKET_FILE)
        environment[events.CLIENT_VARIABLE] = str(workdir / events.CLIENT_FILE)
    return environment


def _site_variables(queue: QueueData) -> dict[str, str]:
    try:
        words = shlex.split(queue.environ)
    except ValueError as wrong:
        raise JobFailed(ErrorCode.BAD_QUEUE_CONFIGURATION, f"environ of queue {queue.name}: {wrong}") from wrong
    variables = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.isidentifier():
            text = f"environ of queue {queue.name}: {word!r} is not NAME=value"
            raise JobFailed(ErrorCode.BAD_QUEUE_CONFIGURATION, text)
        variables[name] = value
    return variables


@hookimpl
def payload_command(
    spec: JobSpec, queue: QueueData, workdir: Path, environment: Mapping[str, str], image: str
) -> Optional[Sequence[str]]:
    """Run the transformation, wherever its program is found; or what the job says for a shell in its container."""
    if spec.container_script:
        return ("/bin/sh", "-c", spec.container_script)
    where = Where(workdir, environment, image)
    return (find(spec.transformation, "transformation", where), *spec.arguments)


@hookimpl
def utility_commands(
    spec: JobSpec, queue: QueueData, workdir: Path, environment: Mapping[str, str], image: str
) -> Sequence[Utility]:
    """Run what the job says itself: its preprocess, its postprocess, its coprocess; where its payload runs.

    Where its container is only for a line of its own (``containerExec``), they run on the node, as PanDA has it.
    """
    where = Where(workdir, environment, "" if spec.container_script else image)
    return [
        Utility(
            name,
            (find(program.command, f"{name}.command", where), *program.arguments),
            _WHEN[name],
            needed=_WHEN[name] is not When.BESIDE,
            in_container=not spec.container_script,
            nothing_to_do=NOTHING_TO_DO if name == "preprocess" else (),
        )
        for name, program in spec.programs.items()
    ]


@hookimpl
def diagnose_payload(spec: JobSpec, outcome: PayloadOutcome) -> Optional[Problem]:
    """Say how a payload failed, with the last words of its error output, or of its output.

    What a payload says itself in ``payload_error_report.json`` comes first, also for one that ended with status 0.
    """
    if (reported := signs.own_report(outcome.workdir)) is not None:
        return reported
    if outcome.well:
        return None
    words = last_lines(outcome.stderr) or last_lines(outcome.stdout) or "it wrote nothing"
    if outcome.signal is not None:
        name = signal.Signals(outcome.signal).name if outcome.signal in _KNOWN else f"signal {outcome.signal}"
        return Problem(ErrorCode.PAYLOAD_SIGNALLED, f"the payload was ended by {name}; last words: {words}")
    if (found := signs.problem_in(outcome.stderr)) is not None:
        return Problem(found.code, f"{found.detail}; last words: {words}")
    status = _status_words(outcome.status or 0)
    raised = signs.raised_in(outcome.stderr)
    how = f"status {status}: Python raised {raised}" if raised else f"status {status}"
    return Problem(ErrorCode.PAYLOAD_FAILED, f"the payload ended with {how}; last words: {words}")


_KNOWN = frozenset(number.value for number in signal.Signals)


def _status_words(status: int) -> str:
    if status > 128 and status - 128 in _KNOWN:
        return f"{status}: a shell's word for {signal.Signals(status - 128).name}"
    return _SHELL_WORDS.get(status, str(status))


@hookimpl
def job_metrics(spec: JobSpec, outcome: PayloadOutcome) -> Mapping[str, float]:
    """Tell how well the cores were used: CPU time by wall time by core."""
    if outcome.wall_time <= 0:
        return {}
    return {"cpuEfficiency": round(outcome.cpu_time / outcome.wall_time / max(1, spec.cores), 3)}


@hookimpl
def payload_progress(spec: JobSpec, stdout: Path) -> Optional[tuple[int, Optional[int]]]:
    """Count the iterations that a search for parameters has behind it."""
    if not spec.iterative:
        return None
    folder = stdout.parent / naming.ITERATIONS
    return (len(list(folder.iterdir())) if folder.is_dir() else 0, None)


@hookimpl
def monitor_checks(workdir: Path) -> Optional[Problem]:
    """End a payload when somebody has made PanDA's file for it, in the pilot's folder or in the one it works in."""
    for folder in (workdir.parent, workdir.parent.parent):
        if (folder / naming.KILL_FILE).exists():
            return Problem(ErrorCode.KILL_PAYLOAD_FILE, f"{folder / naming.KILL_FILE} is there")
    return None


@hookimpl
def redundant_files(spec: JobSpec) -> Sequence[str]:
    """Leave out byte code, and memory images unless the job is debugged; inputs and outputs are left out anyway."""
    images = () if spec.debug else ("core", "core.[0-9]*")
    return (*images, "__pycache__", "*.pyc")
