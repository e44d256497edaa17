"""What all batch systems have in common for an allocation: what may be said to them, the script, commands that end.

Nothing from outside becomes shell text: names are checked letter by letter, options come from a list of those that only
say what is wanted of nodes, and the words of the command are quoted.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Callable, NamedTuple

from pilot.contract.codes import ErrorCode
from pilot.errors import ConfigError, JobFailed
from pilot.hpc.values import Launch, Submission
from pilot.runtime.environment import ALLOWED, ALLOWED_BEGINNINGS, DEFAULT_PATH

#: Longest time that a command of a batch system may take, in seconds.
PATIENCE = 60.0
SCRIPT, OUTPUT, ERRORS = "batch.sh", "batch.out", "batch.err"
#: What a batch job, and the commands that make it, get of the pilot's environment beside what payloads may: where the
#: batch system is, and where the pilot's own modules are. No token, no proxy: it is stored by the batch system.
_ALSO = ("SLURM_CONF", "PBS_CONF_FILE", "PBS_EXEC", "PBS_HOME", "PBS_SERVER", "PBS_DEFAULT", "PYTHONPATH")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,59}")
_WORD = re.compile(r"[A-Za-z0-9_.@+:/,][A-Za-z0-9_.@+:/,-]*|")
_VALUE = re.compile(r"[A-Za-z0-9_.@+:/,=*&|()\[\]{}%#!<>~-]*")
_LAST_WORDS = 500


class Said(NamedTuple):
    """How a command ended, and what it wrote."""

    status: int
    output: str
    errors: str

    @property
    def words(self) -> str:
        """What it has to say about a failure: the errors, on one line, without the programs' own prefixes."""
        lines = (self.errors.strip() or self.output.strip() or f"status {self.status}").splitlines()
        return "; ".join(line.strip() for line in lines if line.strip())[-_LAST_WORDS:]


#: Runs a command; an argument wherever one is needed, so that recorded answers can be given.
Ask = Callable[[Sequence[str]], Said]


def asking(environment: Mapping[str, str], seconds: float = PATIENCE) -> Ask:
    """Answer what runs commands in such an environment, each with all that it has started for so many seconds at most.

    What it answers raises `JobFailed` (SERVICE_NOT_AVAILABLE) when there is no such command, or when it hangs.
    """

    def ask(argv: Sequence[str]) -> Said:
        try:
            asked = subprocess.Popen(
                argv,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
                cwd="/",
            )
        except OSError as wrong:
            raise unavailable(f"{argv[0]} cannot be started: {wrong.strerror}") from wrong
        try:
            output, errors = asked.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(asked.pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                asked.communicate(timeout=1)
            raise unavailable(f"{argv[0]} did not answer within {seconds:g} s") from None
        return Said(asked.returncode, output, errors)

    return ask


def unavailable(words: str) -> JobFailed:
    """Answer what is raised when nobody knows what the batch system has done."""
    return JobFailed(ErrorCode.SERVICE_NOT_AVAILABLE, f"batch system: {words}")


def rejected(words: str) -> JobFailed:
    """Answer what is raised when an allocation is refused, by the batch system or by us."""
    return JobFailed(ErrorCode.ALLOCATION_REJECTED, words)


def job_environment(pilot: Mapping[str, str], names: Sequence[str] = ()) -> dict[str, str]:
    """Answer the environment of a batch job, and of the commands about it, from the pilot's; ``names`` go along too."""
    wanted = {*ALLOWED, *_ALSO, *names}
    kept = {name: value for name, value in pilot.items() if name in wanted or name.startswith(ALLOWED_BEGINNINGS)}
    return {"PATH": DEFAULT_PATH, **kept}


def check(launch: Launch, allowed: Mapping[str, bool]) -> None:
    """Refuse what cannot be said to a batch system safely.

    Args:
        launch: What is to be submitted.
        allowed: The options that a site may add, and whether they take a value.

    Raises:
        JobFailed: ALLOCATION_REJECTED, naming the field and the value.
    """
    shape = launch.shape
    if not _NAME.fullmatch(launch.name):
        raise rejected(f"name of the allocation: {launch.name!r} is not of at most 60 letters, digits and dashes")
    for field, word in (("project", shape.project), ("queue", shape.queue)):
        if not _WORD.fullmatch(word):
            raise rejected(f"{field} of the allocation: {word!r} is no name of a batch system's; see hpc.{field}")
    if min(shape.nodes, shape.ranks, shape.ranks_per_node, shape.cores_per_rank) < 1 or shape.wall_time <= 0:
        raise rejected(f"an allocation needs nodes, ranks, cores and time: {shape}")
    if any("\0" in word for word in launch.argv) or not launch.argv:
        raise rejected("an allocation needs a command, of words that a program can be given")
    for option in launch.options:
        _check_option(option, allowed)


def _check_option(option: str, allowed: Mapping[str, bool]) -> None:
    name, equals, value = option.partition("=")
    if name not in allowed or bool(equals) is not allowed[name] or not _VALUE.fullmatch(value):
        known = ", ".join(f"{name}=..." if valued else name for name, valued in sorted(allowed.items()))
        raise rejected(f"option {option!r} of the allocation is none of those that a site may add: {known}")


def write_script(launch: Launch, environment: Mapping[str, str]) -> Path:
    """Write what a batch job runs into its folder: its environment, and the command in the place of the shell."""
    lines = ["#!/bin/sh", f"# Allocation {launch.name} of a COMPASS Pilot."]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in sorted(environment.items()) if _plain(name)]
    lines += [f"cd {shlex.quote(str(launch.folder))} || exit 1", f"exec {shlex.join(launch.argv)}"]
    path = launch.folder / SCRIPT
    try:
        path.write_text("\n".join([*lines, ""]), encoding="utf-8", errors="surrogateescape")
        path.chmod(0o700)
    except OSError as wrong:
        raise JobFailed(ErrorCode.FILE_HANDLING, f"{path}: {wrong.strerror}") from wrong
    return path


def _plain(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) is not None


def clock(seconds: float) -> str:
    """Write a duration as batch systems take it, ``hh:mm:ss``, in whole minutes and at least one."""
    minutes = max(1, int(seconds // 60))
    return f"{minutes // 60:02d}:{minutes % 60:02d}:00"


def submission_by(system: str, pilot: Mapping[str, str], *, seconds: float = PATIENCE) -> Submission:
    """Answer how allocations are had from a batch system: ``slurm``, ``pbs`` (OpenPBS, PBS Pro) or ``torque``.

    Args:
        system: The name. Others are offered by plugins; see the hook ``hpc_resource``.
        pilot: The pilot's own environment.
        seconds: The longest that one command may take.

    Raises:
        ConfigError: there is no batch system of that name.
    """
    from pilot.hpc.batch_pbs import Pbs
    from pilot.hpc.batch_slurm import Slurm

    environment = job_environment(pilot)
    ask = asking(environment, seconds)
    if system == "slurm":
        return Slurm(ask, environment)
    if system in ("pbs", "torque"):
        return Pbs(ask, environment, torque=system == "torque")
    raise ConfigError(f"{system!r} is no batch system that allocations are had from; there are slurm, pbs, torque")
