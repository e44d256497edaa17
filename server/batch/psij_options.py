"""What an admin says of a system that psij speaks with, what a queue asks of it, and how psij is told: all pure."""

from __future__ import annotations

import math
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pilot.contract.codec import ContractError
from server.batch.base import BatchMisconfigured, Needs
from server.batch.place import Place

#: Letters of names and values. None of them ends a line or a word that is quoted.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@:-]*", re.ASCII)
_VALUE = re.compile(r"[A-Za-z0-9_.@+:/,=*&|()\[\]%#!<>~ -]+", re.ASCII)
#: Those of a value that stands without quotes.
_WORD = re.compile(r"[A-Za-z0-9_.@+:/,=%-]+", re.ASCII)
#: Letters of a folder: psij writes it into scripts where a blank or a quote would end it.
_FOLDER = re.compile(r"/[A-Za-z0-9_./+@-]*", re.ASCII)
_LONGEST_TIMEOUT = 3600.0


@dataclass(frozen=True)
class Executor:
    """What psij does not say of one of its executors.

    ``directive`` is how one is written; psij itself would put a value with brackets into two kinds of quotes, of which
    the system takes one for the value's. ``variable`` is in which a job finds its own id; ``title`` the directive that
    gives a job its name, of so many letters. Where ``by_processes``, the cores of a node are asked for as that many
    processes, as psij's directives for cores leave them out. ``always`` are directives of every job; ``allowed`` those
    that a queue may add.
    """

    directive: str
    variable: str
    title: str
    letters: int
    by_processes: bool
    allowed: tuple[str, ...]
    always: Mapping[str, str] = field(default_factory=dict)


_PBS = Executor("#PBS -{} {}", "PBS_JOBID", "N", 15, True, ("l", "p", "P"), {"r": "n"})
_LSF = ("R", "app", "sla", "m", "gpu", "sp", "g", "Lp", "alloc_flags", "core_isolation")
_COBALT = ("attrs", "mode", "geometry", "kernel")
_SLURM = ("qos", "constraint", "gres", "nice", "licenses", "exclude", "nodelist", "gpus-per-node", "mem-per-cpu")
#: By the names that psij gives them.
EXECUTORS: Mapping[str, Executor] = {
    "pbs": _PBS,
    "pbs_classic": _PBS,
    "lsf": Executor('#BSUB -{} "{}"', "LSB_JOBID", "J", 60, True, _LSF),
    "cobalt": Executor("#COBALT --{}={}", "COBALT_JOBID", "jobname", 60, True, _COBALT),
    "slurm": Executor('#SBATCH --{}="{}"', "SLURM_JOB_ID", "job-name", 60, False, _SLURM),
}


@dataclass(frozen=True)
class PsijOptions:
    """Which system it is, where, and how it is asked.

    ``executor``: psij's name of it, see `EXECUTORS`.
    ``folder``: a folder that this machine and all nodes have under the same name; empty is the server's own.
    ``programs``: the folder of the system's commands; empty is the PATH.
    ``environment``: variables that these commands need.
    ``python``: a Python of the nodes, 3.9 or newer.
    ``psij_python``: a Python of this machine, 3.11 or newer, that has psij; empty is the server's own.
    ``timeout``: the longest that one command may take, in seconds.
    ``csm``: whether it is an LSF with IBM's Cluster Systems Manager, which is asked for whole nodes by their number.
    """

    executor: str = ""
    folder: str = ""
    programs: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    python: str = "python3"
    psij_python: str = ""
    timeout: float = 60.0
    csm: bool = False


@dataclass(frozen=True)
class PsijJobOptions:
    """What a queue asks; ``attributes`` are further directives of the system, see `Executor.allowed`.

    Raises:
        ContractError: one has a value that cannot be one.
    """

    queue: str = ""
    account: str = ""
    reservation: str = ""
    attributes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("queue", "account", "reservation"):
            value = getattr(self, name)
            if value and not _NAME.fullmatch(value):
                raise ContractError(f"job options.{name}: {value!r} has letters that no such name has")
        said: Mapping[str, object] = self.attributes  # as JSON has it
        for name, value in said.items():
            if not isinstance(value, str) or not _VALUE.fullmatch(value):
                raise ContractError(f"job options.attributes.{name}: {value!r} is no text, or has letters of no value")


def read_system(place: Place) -> PsijOptions:
    """Read the options of a system.

    Raises:
        BatchMisconfigured: one of them cannot be so.
    """
    options = place.read_options(PsijOptions)
    if options.executor not in EXECUTORS:
        raise place.wrong("options.executor", f"{options.executor!r}: give one of {', '.join(sorted(EXECUTORS))}")
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]{0,60}", place.name, re.ASCII):
        raise place.wrong("name", f"{place.name!r}: give letters, digits, . _ and - only")
    folder = options.folder or str(place.folder.absolute())
    if not _FOLDER.fullmatch(folder):
        raise place.wrong("options.folder", f"{folder!r}: give an absolute path of letters, digits and . _ + @ - only")
    if options.programs and not Path(options.programs).is_absolute():
        raise place.wrong("options.programs", f"{options.programs!r}: give an absolute path")
    _check_environment(place, options.environment)
    if not options.python or not options.python.isprintable():
        raise place.wrong("options.python", f"{options.python!r}: give the name or the path of a Python of the nodes")
    if place.here and options.psij_python and shutil.which(options.psij_python) is None:
        raise place.wrong("options.psij_python", f"{options.psij_python!r} is no program of this machine")
    if not 0 < options.timeout <= _LONGEST_TIMEOUT:
        raise place.wrong("options.timeout", f"{options.timeout}: give seconds, up to {_LONGEST_TIMEOUT:.0f}")
    return options


def _check_environment(place: Place, said: Mapping[str, object]) -> None:
    for name, value in said.items():
        if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) or not isinstance(value, str) or "\0" in value:
            raise place.wrong(
                "options.environment", f"{name!r}: give variables and their texts"
            )  # its text may be secret


def interpreter(options: PsijOptions) -> str:
    """Answer the Python that runs psij."""
    return options.psij_python or sys.executable


def describe(system: str, of: PsijOptions, needs: Needs, options: PsijJobOptions, key: str) -> dict[str, Any]:
    """Write what psij is told of each job of a submission, as values of JSON.

    Raises:
        BatchMisconfigured: psij cannot ask this system for it.
    """
    executor, known = of.executor, EXECUTORS[of.executor]
    duration = None if needs.wall_time is None else math.ceil(needs.wall_time / 60) * 60
    # Names begin with a letter, and the end of a key says more than its beginning.
    attributes = {known.title: f"c{key[1 - known.letters :]}", **known.always}
    for name, value in options.attributes.items():
        if name not in known.allowed:
            remedy = f"a queue may add {', '.join(known.allowed)}"
            raise _wrong(system, f"job options.attributes.{name}: not with the executor {executor}: {remedy}")
        if '"' not in known.directive and not _WORD.fullmatch(value):
            raise _wrong(
                system, f"job options.attributes.{name}: {value!r} has letters that {executor} reads otherwise"
            )
        attributes[name] = value
    drop, add = [], []
    if executor == "lsf" and duration is None:
        raise _wrong(system, "needs.wall_time: psij's executor lsf cannot leave it out; give the queue a wall time")
    if executor == "lsf" and not of.csm:
        # Psij asks for nodes as only an LSF with CSM can be asked, and never for whole ones.
        drop = ["#BSUB -nnodes "]
        attributes["R"] = f"{attributes.get('R', '')} span[ptile={needs.cores}]".strip()
        add = ["#BSUB -x"] if needs.whole_nodes else []
    if executor == "cobalt" and duration is not None:
        # Its template writes the time without a value.
        attributes["time"], duration = str(duration // 60), None
    return {
        "nodes": needs.nodes,
        "processes": needs.cores if known.by_processes else 1,
        "cores": 1 if known.by_processes else needs.cores,
        "memory": needs.memory,
        "exclusive": needs.whole_nodes,
        "duration": duration,
        "queue": options.queue or None,
        "account": options.account or None,
        "reservation": options.reservation or None,
        "drop": drop,
        "add": [*add, *(known.directive.format(name, value) for name, value in attributes.items())],
    }


def _wrong(system: str, words: str) -> BatchMisconfigured:
    return BatchMisconfigured(f"batch system {system}: {words}")
