"""What the commands that psij asks write, cut into one piece for each job; psij says what the state in a piece means.

Psij reads an answer as a whole, and gives all of it up for one job that it does not understand: one that somebody
killed (LSF), one that ended for a reason that is not in its list (Slurm), one that is held (Cobalt).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

#: The states, by executor, of jobs that wait until somebody lets them go; to psij they are queued, or unknown.
HELD: Mapping[str, frozenset[str]] = {
    "pbs": frozenset(["H"]),
    "pbs_classic": frozenset(["H"]),
    "lsf": frozenset(["PSUSP"]),
    "cobalt": frozenset(["user_hold", "admin_hold", "dep_hold", "dep_fail", "maxrun_hold"]),
    "slurm": frozenset(["RH", "SE", "RD"]),
}
_HOLDING = re.compile(r"JobHeld|job_requeued_in_hel|launch_failed_requeu")
#: States of jobs that psij calls ended while they still end.
ENDING: Mapping[str, frozenset[str]] = {"cobalt": frozenset(["killing"])}
#: Lines of errors that say no more than that a job is not known any longer.
_GONE = re.compile(
    r"Unknown Job Id|Job has finished|Request invalid for state of job"  # PBS
    r"|Job <\S+> is not found|No (matching |unfinished )?job found|has already finished"  # LSF
    r"|Invalid job id|already (complet|finish)",  # Slurm
    re.IGNORECASE,
)
#: What PBS says of every job that it has started.
_SAID_OF_ALL = "Job run at"


@dataclass(frozen=True)
class Piece:
    """One job of an answer: its id, its state in the system's own letters, why, and ``text`` for psij to read.

    ``status`` is the exit status of one that has ended, 128 + n when signal n ended it, where the system tells.
    """

    native: str
    code: str
    words: str
    text: str
    status: int | None = None


def cut(executor: str, text: str) -> list[Piece]:
    """Cut an answer into its jobs.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        return list(_CUTS[executor](text)) if text.strip() else []
    except (KeyError, TypeError, AttributeError) as wrong:
        raise ValueError(f"no such answer is known: {wrong!r}") from wrong


def is_held(executor: str, piece: Piece) -> bool:
    """Say whether a job waits for somebody to let it go."""
    if piece.code in HELD[executor]:
        return True
    return executor == "slurm" and piece.code == "PD" and _HOLDING.match(piece.words) is not None


def only_gone(errors: str) -> bool:
    """Say whether errors tell of nothing but jobs that the system does not know any longer."""
    lines = [line for line in errors.splitlines() if line.strip()]
    return all(_GONE.search(line) for line in lines)


def _cut_pbs(text: str) -> Iterator[Piece]:
    jobs: Mapping[str, Mapping[str, Any]] = json.loads(text).get("Jobs", {})
    for native, said in jobs.items():
        comment, status = str(said.get("comment", "")), said.get("Exit_status")
        words = "" if comment.startswith(_SAID_OF_ALL) else comment
        if status is not None and status < 0:  # it is PBS that could not run it
            words, status = "; ".join(filter(None, [words, f"Exit_status {status}"])), None
        elif status is not None and status > 256:
            status -= 128
        yield Piece(native, said["job_state"], words, json.dumps({"Jobs": {native: said}}), status)


_REASONS = ("EXIT_REASON", "KILL_REASON", "SUSPEND_REASON")


def _cut_lsf(text: str) -> Iterator[Piece]:
    for said in json.loads(text)["RECORDS"]:
        if "ERROR" in said:
            continue
        words = "; ".join(str(said[name]) for name in _REASONS if said.get(name))
        plain = {**said, **dict.fromkeys(_REASONS, "")}
        yield Piece(str(said["JOBID"]), said["STAT"], words, json.dumps({"RECORDS": [plain]}))


def _cut_slurm(text: str) -> Iterator[Piece]:
    head, *lines = text.splitlines()
    for line in lines:
        native, code, *reason = line.split(maxsplit=2)
        words = "".join(reason).strip()
        said = "" if words in ("None", "(null)", "NonZeroExitCode") else words
        yield Piece(native, code, said, f"{head}\n{native} {code} NonZeroExitCode\n")


_JOB = re.compile(r"jobid\s*:\s*(\d{4,})", re.IGNORECASE)
_STATE = re.compile(r"state\s*:\s*(\w+)", re.IGNORECASE)


def _cut_cobalt(text: str) -> Iterator[Piece]:
    lines = text.splitlines()
    for line, following in pairwise(lines):
        job, state = _JOB.search(line), _STATE.search(following)
        if job and state:
            yield Piece(job[1], state[1], "", f"{line}\n{following}\n")


_CUTS = {"pbs": _cut_pbs, "pbs_classic": _cut_pbs, "lsf": _cut_lsf, "slurm": _cut_slurm, "cobalt": _cut_cobalt}
