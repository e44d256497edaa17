"""What every experiment's jobs need, once. An experiment's own plugin says only what differs."""

from __future__ import annotations

import shlex
import shutil
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
from pilot.job import PayloadOutcome, Problem
from pilot.user.output import last_lines, tail

#: What a program prints that got no memory; looked for in the end of its error output.
_NO_MEMORY = (b"std::bad_alloc", b"MemoryError", b"Cannot allocate memory")
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
    """Run the transformation: a program's absolute path, its name on the payload's own PATH, or what was fetched."""
    name = spec.transformation
    if naming.is_address(name):  # the pilot has fetched it with the inputs
        return (str(workdir / naming.transformation_file(name)), *spec.arguments)
    if "/" in name and not name.startswith("/"):
        words = f"transformation: {name!r} is neither an absolute path nor the name of a program"
        raise JobFailed(ErrorCode.BAD_JOB_DEFINITION, words)
    if image:  # it is the image's; the runtime says when it has none
        return (name, *spec.arguments)
    program = shutil.which(name, path=environment.get("PATH", ""))
    if program is None:
        where = "" if name.startswith("/") else f" on the payload's PATH ({environment.get('PATH', '')})"
        raise JobFailed(ErrorCode.PAYLOAD_NOT_STARTED, f"{name}: there is no such program{where}")
    return (program, *spec.arguments)


@hookimpl
def diagnose_payload(spec: JobSpec, outcome: PayloadOutcome) -> Optional[Problem]:
    """Say how a payload failed, with the last words of its error output, or of its output."""
    if outcome.well:
        return None
    words = last_lines(outcome.stderr) or last_lines(outcome.stdout) or "it wrote nothing"
    if outcome.signal is not None:
        name = signal.Signals(outcome.signal).name if outcome.signal in _KNOWN else f"signal {outcome.signal}"
        return Problem(ErrorCode.PAYLOAD_SIGNALLED, f"the payload was ended by {name}; last words: {words}")
    if any(mark in tail(outcome.stderr, 4096) for mark in _NO_MEMORY):
        return Problem(ErrorCode.BAD_ALLOC, f"the payload could not allocate memory; last words: {words}")
    status = _status_words(outcome.status or 0)
    return Problem(ErrorCode.PAYLOAD_FAILED, f"the payload ended with status {status}; last words: {words}")


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
def redundant_files(spec: JobSpec) -> Sequence[str]:
    """Leave memory images and byte code out of the log; the job's inputs and outputs are left out anyway."""
    return ("core", "core.[0-9]*", "__pycache__", "*.pyc")
