"""What an admin says of a Slurm, what a queue asks of it, and the words in which sbatch is told: all pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pilot.contract.codec import ContractError
from server.batch.base import Needs
from server.batch.place import Place

_MIB = 2**20
#: Letters of names and of values. None of them ends a line, and what begins with a dash is no option there.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+:,-]*", re.ASCII)
_CLUSTER = re.compile(r"[A-Za-z0-9][\w.-]{0,62}", re.ASCII)
_VALUE = re.compile(r"[A-Za-z0-9_.@+:/,=*&|()\[\]{}%#!<>~-]+", re.ASCII)
#: Where these stand for a file, Slurm reads it.
_NODES = re.compile(r"[A-Za-z0-9_.,\[\]-]+", re.ASCII)
#: Letters that Slurm gives a meaning of its own in the names of files.
_FOLDER = re.compile(r"/[^%\\\n\0]*")

#: Options of sbatch that a queue may add: each says what is wanted of nodes, none what runs, where it writes, its name
#: or when it is submitted. True: it has a value.
EXTRA: Mapping[str, bool] = {
    **dict.fromkeys(("contiguous", "overcommit", "oversubscribe", "spread-job", "use-min-nodes"), False),
    **dict.fromkeys(("gpus", "gpus-per-node", "gpus-per-task", "gpus-per-socket", "cpus-per-gpu", "mem-per-gpu"), True),
    **dict.fromkeys(("mem-per-cpu", "tres-per-task", "tres-per-node", "gres-flags", "licenses", "prefer"), True),
    **dict.fromkeys(("exclude", "nodelist", "switches", "distribution", "hint", "core-spec", "thread-spec"), True),
    **dict.fromkeys(("threads-per-core", "cores-per-socket", "sockets-per-node", "cpu-freq", "network"), True),
    **dict.fromkeys(("nice", "priority", "time-min", "wckey", "mcs-label", "acctg-freq", "power"), True),
}
#: Seconds by which the signal that tells of the time limit comes before what it takes to end in order.
_MARGIN = 15.0
_LONGEST_LEAD = 65535


@dataclass(frozen=True)
class SlurmOptions:
    """Where a Slurm is, and how it is asked.

    ``folder``: a folder that this machine and all nodes have under the same name; empty is the server's own.
    ``conf``: the slurm.conf of that Slurm; empty is the one of this machine.
    ``clusters``: names for ``--clusters``, parted by commas; empty is the one that ``conf`` is of.
    ``programs``: the folder of sbatch and the others; empty is the PATH.
    ``python``: a Python of the nodes, 3.9 or newer.
    ``timeout``: the longest that one command may take, in seconds.
    ``accounting``: whether sacct is asked for what the controller has forgotten.
    """

    folder: str = ""
    conf: str = ""
    clusters: str = ""
    programs: str = ""
    python: str = "python3"
    timeout: float = 60.0
    accounting: bool = True


@dataclass(frozen=True)
class SlurmJobOptions:
    """What a queue asks of Slurm, as sbatch has it; ``extra`` holds further options of sbatch, see `EXTRA`.

    Raises:
        ContractError: an option is not allowed, or has a value that cannot be one.
    """

    partition: str = ""
    account: str = ""
    qos: str = ""
    reservation: str = ""
    constraint: str = ""
    gres: str = ""
    extra: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        job_arguments(self)


def read_system(place: Place) -> SlurmOptions:
    """Read the options of a system.

    Raises:
        BatchMisconfigured: one of them cannot be so.
    """
    options = place.read_options(SlurmOptions)
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]{0,60}", place.name, re.ASCII):
        raise place.wrong("name", f"{place.name!r}: give letters, digits, . _ and - only")
    for name, value in (("folder", options.folder or str(place.folder.absolute())), ("conf", options.conf or "/")):
        if not _FOLDER.fullmatch(value):
            raise place.wrong(f"options.{name}", f"{value!r}: give an absolute path without % and backslash")
    if options.programs and not Path(options.programs).is_absolute():
        raise place.wrong("options.programs", f"{options.programs!r}: give an absolute path")
    if options.clusters and not all(map(_CLUSTER.fullmatch, options.clusters.split(","))):
        raise place.wrong("options.clusters", f"{options.clusters!r}: give names parted by commas, such as alpha,beta")
    if not options.python or "\0" in options.python:
        raise place.wrong("options.python", f"{options.python!r}: give the name or the path of a Python of the nodes")
    if not 0 < options.timeout <= 3600:
        raise place.wrong("options.timeout", f"{options.timeout}: give seconds, up to 3600")
    return options


def job_arguments(said: SlurmJobOptions) -> list[str]:
    """Write what a queue asks as words for sbatch; raises for what cannot be said."""
    words = []
    for name in ("partition", "account", "qos", "reservation"):
        words += _option(name, getattr(said, name), _NAME)
    for name in ("constraint", "gres"):
        words += _option(name, getattr(said, name), _VALUE)
    extra: Mapping[str, object] = said.extra  # as JSON has it
    for name, value in extra.items():
        if name not in EXTRA:
            known = ", ".join(sorted(EXTRA))
            raise _refused(f"extra.{name}", f"no option of sbatch that a queue may add; there are {known}")
        if not EXTRA[name] and value == "":
            words.append(f"--{name}")
        elif not EXTRA[name] or not isinstance(value, str) or not value:
            remedy = "a value is expected, as text" if EXTRA[name] else 'it has no value: write ""'
            raise _refused(f"extra.{name}", f"{value!r}: {remedy}")
        else:
            words += _option(f"extra.{name}", value, _NODES if name in ("exclude", "nodelist") else _VALUE)
    return words


def _option(name: str, value: str, shape: re.Pattern[str]) -> list[str]:
    if not value:
        return []
    if not shape.fullmatch(value):
        raise _refused(name, f"{value!r} has letters that no such value has")
    return [f"--{name.removeprefix('extra.')}={value}"]


def need_arguments(needs: Needs, grace: float) -> list[str]:
    """Write what each job wants of its nodes as words for sbatch; the signal comes in time for an end in order."""
    words = [f"--nodes={needs.nodes}", f"--ntasks={needs.nodes}", f"--cpus-per-task={needs.cores}"]
    if needs.whole_nodes:
        words.append("--exclusive")
    if needs.memory is not None:
        words.append(f"--mem={math.ceil(needs.memory / _MIB)}M")
    elif needs.whole_nodes:
        words.append("--mem=0")  # all that the node has
    words += [] if needs.disk is None else [f"--tmp={math.ceil(needs.disk / _MIB)}M"]
    words += [] if needs.wall_time is None else [f"--time={math.ceil(needs.wall_time / 60)}"]
    return [*words, f"--signal=B:USR1@{_lead(needs.wall_time, grace)}"]


def _lead(wall_time: float | None, grace: float) -> int:
    """Answer how many seconds before its time limit a job is told; a short one works half of its time at least."""
    wanted = grace + _MARGIN
    return int(min(wanted if wall_time is None else min(wanted, wall_time / 2), _LONGEST_LEAD))


def _refused(what: str, words: str) -> ContractError:
    return ContractError(f"job options.{what}: {words}")
