"""Allocations of the PBS family: OpenPBS and PBS Pro, whose ``qstat`` writes JSON, and Torque, whose writes text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Optional

from pilot.hpc.batch import ERRORS, OUTPUT, Ask, Said, check, clock, rejected, unavailable, write_script
from pilot.hpc.values import BatchState, Launch, Status

#: What a site may add: further resources (``-lplace=excl``) and a priority; nothing that runs or writes anything.
OPTIONS: Mapping[str, bool] = {
    **dict.fromkeys(("-lplace", "-lmem", "-lpmem", "-lvmem", "-lpvmem", "-lfilesystems", "-lsoftware", "-lqos"), True),
    **dict.fromkeys(("-lnaccesspolicy", "-lfeature", "-lsite", "-leagle", "-lgres", "-Wgroup_list", "-Wumask"), True),
}
#: The variable that holds a batch job's whole name: Torque shortens names to so many letters.
NAMED_BY, SHORT = "COMPASS_ALLOCATION", 15
#: Words of a refusal that tell of the way to the server, not of the allocation: it may have been taken all the same.
_UNSURE = (
    *("cannot connect", "Cannot connect", "Communication failure", "timed out", "Connection refused", "End of File"),
    *("Premature end of message", "Connection reset", "Expired credential"),
)
_FORGOTTEN = ("Unknown Job", "has finished", "invalid for state")

_STATES: Mapping[str, BatchState] = {
    **dict.fromkeys("QWT", BatchState.QUEUED),
    **dict.fromkeys("RESUB", BatchState.RUNNING),
    "H": BatchState.HELD,
}
#: Exit statuses by which OpenPBS says that it has ended a batch job itself, or could not begin it.
_WALL_TIME_OVER, _SIGNALLED = -29, 256
#: Its words for how a batch job ended, in ``substate``.
_TERMINATED, _FAILED = 91, 93


class Pbs:
    """One way to have an allocation. ``environment`` is the batch job's own, which its script sets."""

    def __init__(self, ask: Ask, environment: Mapping[str, str], *, torque: bool = False) -> None:
        self._ask, self._environment, self._torque = ask, environment, torque

    def submit(self, launch: Launch) -> str:
        """Submit a batch job; answer its number, such as ``12.server``."""
        check(launch, OPTIONS)
        for option in launch.options:
            if re.search(",[^,]*=", option.partition("=")[2]):  # such as -lmem=1gb,walltime=99:00:00
                raise rejected(f"option {option!r} of the allocation says several things; one each is expected")
        script = write_script(launch, self._environment)
        said = self._ask([*_qsub(launch, torque=self._torque), str(script)])
        number = (said.output.split() or [""])[-1]
        if said.status == 0 and re.fullmatch(r"\d+(\.[\w.-]+)?", number):
            return number
        if said.status == 0 or any(words in said.errors for words in _UNSURE):
            raise unavailable(f"qsub: {said.words}")
        raise rejected(f"qsub: {said.words}")

    def find(self, name: str) -> Optional[str]:
        """Answer the number of the batch job of that name, also of one that is over; ``None``: there is none."""
        if self._torque:
            # It shortens names, and forgets soon what is over: all there is can be looked at.
            said = self._checked("qstat", self._look())
            found = [number for number, job in of_text(said.output).items() if _is_named(job, name)]
        else:
            found = self._checked("qselect", self._ask(["qselect", "-x", "-N", name])).output.split()
        return found[-1] if found else None

    def status(self, number: str) -> Status:
        """Say how a batch job is."""
        said = self._look(number)
        if said.status and not any(words in said.errors for words in _FORGOTTEN):
            raise unavailable(f"qstat: {said.words}")
        jobs = list(self._jobs(said).values())
        return status_of(jobs[0]) if jobs else Status(BatchState.UNKNOWN, said.words if said.status else "")

    def cancel(self, number: str) -> None:
        """End a batch job: everything in it hears SIGTERM first. One that is over is no failure."""
        said = self._ask(["qdel", number])
        if said.status and not any(words in said.errors for words in _FORGOTTEN):
            raise unavailable(f"qdel: {said.words}")

    def _checked(self, command: str, said: Said) -> Said:
        if said.status:
            raise unavailable(f"{command}: {said.words}")
        return said

    def _look(self, *numbers: str) -> Said:
        # With -x Torque would write XML; what has ended it shows for as long as its server keeps it.
        return self._ask(["qstat", "-f", *numbers] if self._torque else ["qstat", "-x", "-f", "-F", "json", *numbers])

    def _jobs(self, said: Said) -> Mapping[str, Mapping[str, Any]]:
        if self._torque:
            return of_text(said.output)
        try:
            return of_json(said.output)
        except ValueError as wrong:
            raise unavailable(f"qstat: {wrong}") from wrong


def _qsub(launch: Launch, *, torque: bool) -> list[str]:
    shape = launch.shape
    cores = shape.ranks_per_node * shape.cores_per_rank
    if torque:
        nodes = f"nodes={shape.nodes}:ppn={cores}"
    else:
        nodes = f"select={shape.nodes}:ncpus={cores}:mpiprocs={shape.ranks_per_node}"
    argv = [
        *("qsub", "-N", launch.name[:SHORT] if torque else launch.name, "-v", f"{NAMED_BY}={launch.name}"),
        *("-l", nodes, "-l", f"walltime={clock(shape.wall_time)}"),
        *("-o", str(launch.folder / OUTPUT), "-e", str(launch.folder / ERRORS)),
        # Started anew, it would run payloads again that the server may have given to others meanwhile.
        *("-r", "n", "-S", "/bin/sh"),
    ]
    argv += ["-q", shape.queue] if shape.queue else []
    argv += ["-A", shape.project] if shape.project else []
    return [*argv, *launch.options]


def of_json(text: str) -> Mapping[str, Mapping[str, Any]]:
    """Read what ``qstat -F json`` wrote: batch jobs by number, in the order in which they were submitted.

    Raises:
        ValueError: it is not that.
    """
    if not text.strip():
        return {}
    # Some versions write control characters as they are, as parts of variables' values.
    found = json.loads(text, strict=False)
    jobs = found.get("Jobs", {}) if isinstance(found, dict) else None
    if not isinstance(jobs, dict) or not all(isinstance(job, dict) for job in jobs.values()):
        raise ValueError(f"no batch jobs in {text[:200]!r}")
    return jobs


def of_text(text: str) -> Mapping[str, Mapping[str, Any]]:
    """Read what ``qstat -f`` wrote: batch jobs by number; a line that begins with a tab goes on with the one before."""
    jobs: dict[str, dict[str, Any]] = {}
    now: dict[str, Any] = {}
    for line in text.replace("\n\t", "").splitlines():
        if line.startswith("Job Id:"):
            now = jobs.setdefault(line.partition(":")[2].strip(), {})
        elif " = " in line:
            name, _, value = line.partition(" = ")
            now[name.strip()] = value.strip()
    return jobs


def _is_named(job: Mapping[str, Any], name: str) -> bool:
    return f"{NAMED_BY}={name}" in str(job.get("Variable_List", "")).split(",")


def status_of(job: Mapping[str, Any]) -> Status:
    """Say how a batch job is, from its attributes."""
    letter = str(job.get("job_state", ""))
    ended = letter in ("F", "C", "X")
    state = _ended(job) if ended else _STATES.get(letter, BatchState.UNKNOWN)
    begun = _whole(job.get("run_count")) or _whole(job.get("start_count")) or 0  # OpenPBS's word, and Torque's
    if state is BatchState.QUEUED and begun:
        state = BatchState.RESCHEDULED
    words = [letter, str(job.get("comment", ""))]
    if ended and "Exit_status" in job:
        words.append(f"exit status {job['Exit_status']}")
    return Status(state, ", ".join(filter(None, words)), _hosts(str(job.get("exec_host", ""))))


def _ended(job: Mapping[str, Any]) -> BatchState:
    status, substate, comment = _whole(job.get("Exit_status")), _whole(job.get("substate")), str(job.get("comment", ""))
    if status == _WALL_TIME_OVER or ("walltime" in comment and "exceeded" in comment):
        return BatchState.TIMED_OUT
    if status is not None and status < 0:
        return BatchState.FAILED
    if substate == _TERMINATED or status is None:
        return BatchState.CANCELLED
    if substate == _FAILED and status == 0:
        return BatchState.FAILED
    if status > _SIGNALLED:  # the shell, and so everything, was ended by a signal
        return BatchState.TIMED_OUT if _used_up(job) else BatchState.CANCELLED
    return BatchState.ENDED


def _used_up(job: Mapping[str, Any]) -> bool:
    """Say whether a batch job has had all of its wall time; old versions say so only by this."""
    used, given = (_seconds(_of(job, name, "walltime")) for name in ("resources_used", "Resource_List"))
    return used is not None and given is not None and used >= given


def _of(job: Mapping[str, Any], name: str, part: str) -> str:
    inside = job.get(name)
    return str(inside.get(part, "") if isinstance(inside, dict) else job.get(f"{name}.{part}", ""))


def _seconds(text: str) -> Optional[int]:
    parts = text.split(":")
    if len(parts) != 3 or not all(part.isdigit() for part in parts):
        return None
    hours, minutes, seconds = map(int, parts)
    return (hours * 60 + minutes) * 60 + seconds


def _hosts(text: str) -> tuple[str, ...]:
    """Write out ``n1/0*4+n2/1*4``: n1, n2."""
    return tuple(dict.fromkeys(part.partition("/")[0] for part in text.split("+") if part))


def _whole(value: object) -> Optional[int]:
    try:
        return int(str(value))
    except ValueError:
        return None
