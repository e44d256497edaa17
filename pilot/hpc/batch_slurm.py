"""Allocations of Slurm: by ``sbatch``, ``squeue``, ``scancel``, and ``sacct`` for what the controller has forgotten."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Optional

from pilot.hpc.batch import ERRORS, OUTPUT, Ask, Said, check, clock, rejected, unavailable, write_script
from pilot.hpc.values import BatchState, Launch, Status

#: What a site may add: it says what is wanted of nodes, not what runs, where it writes or when it is submitted.
OPTIONS: Mapping[str, bool] = {
    **dict.fromkeys(("--exclusive", "--requeue", "--overcommit", "--contiguous", "--spread-job"), False),
    **dict.fromkeys(("--constraint", "--qos", "--reservation", "--licenses", "--gres", "--gpus", "--mem"), True),
    **dict.fromkeys(("--gpus-per-node", "--gpus-per-task", "--mem-per-cpu", "--tmp", "--exclude", "--nodelist"), True),
    **dict.fromkeys(("--hint", "--switches", "--distribution", "--core-spec", "--threads-per-core"), True),
    **dict.fromkeys(("--signal", "--nice", "--priority", "--time-min", "--comment"), True),
}
#: Words of a refusal that tell of the way to Slurm, not of the allocation: it may have been taken all the same.
_UNSURE = (
    *("timed out", "Unable to contact", "Connection refused", "Communication connection", "Zero Bytes"),
    *("standby mode", "temporarily unable", "Resource temporarily unavailable", "Transport endpoint", "Munge"),
    *("Unexpected message", "failed to fetch config", "Insane message", "Protocol authentication"),
)
_FORGOTTEN = "Invalid job id"
_NO_ACCOUNTING = "accounting storage is disabled"

_STATES: Mapping[str, BatchState] = {
    **dict.fromkeys(("CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "STOPPED"), BatchState.RUNNING),
    **dict.fromkeys(("SIGNALING", "STAGE_OUT", "RESIZING"), BatchState.RUNNING),
    **dict.fromkeys(("REQUEUED", "REQUEUE_FED"), BatchState.RESCHEDULED),
    **dict.fromkeys(("REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"), BatchState.HELD),
    **dict.fromkeys(("COMPLETED", "FAILED"), BatchState.ENDED),
    **dict.fromkeys(("TIMEOUT", "DEADLINE"), BatchState.TIMED_OUT),
    **dict.fromkeys(("NODE_FAIL", "BOOT_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "LAUNCH_FAILED"), BatchState.FAILED),
    **dict.fromkeys(("CANCELLED", "REVOKED"), BatchState.CANCELLED),
}
#: Reasons for which a batch job waits until somebody changes something.
_HOLDING = frozenset(
    [
        *("JobHeldUser", "JobHeldAdmin", "JobHoldMaxRequeue", "BadConstraints", "DependencyNeverSatisfied"),
        *(
            "PartitionConfig",
            "PartitionNodeLimit",
            "PartitionTimeLimit",
            "PartitionInactive",
            "InvalidAccount",
            "InvalidQOS",
        ),
        *("AccountNotAllowed", "QOSNotAllowed", "launch_failed_requeued_held", "launch failed requeued held"),
        *("job_requeued_in_held_state", "job requeued in held state", "ReservationDeleted"),
    ]
)
#: What ``squeue`` is asked for, and how many letters each answer has. The last may hold blanks.
_FIELDS = (("State", 24), ("RestartCnt", 12), ("exit_code", 12), ("NodeList", 4096), ("Reason", 256))


class Slurm:
    """One way to have an allocation. ``environment`` is the batch job's; ``user`` whose batch jobs are looked for."""

    def __init__(self, ask: Ask, environment: Mapping[str, str], user: Optional[int] = None) -> None:
        self._ask, self._environment = ask, environment
        self._user = str(os.geteuid() if user is None else user)

    def submit(self, launch: Launch) -> str:
        """Submit a batch job; answer its number."""
        check(launch, OPTIONS)
        script = write_script(launch, self._environment)
        said = self._ask([*_sbatch(launch), str(script)])
        number = said.output.strip().partition(";")[0]
        if said.status == 0 and number.isdigit():
            return number
        if said.status == 0 or any(words in said.errors for words in _UNSURE):
            raise unavailable(f"sbatch: {said.words}")
        raise rejected(f"sbatch: {said.words}")

    def find(self, name: str) -> Optional[str]:
        """Answer the number of the batch job of that name, also of one that is over; ``None``: there is none."""
        who = f"--user={self._user}"
        said = self._ask(["squeue", "--noheader", "--states=all", who, f"--name={name}", "--format=%A"])
        if said.status:
            raise unavailable(f"squeue: {said.words}")
        numbers = said.output.split()
        if not numbers:
            argv = ["sacct", who, f"--name={name}", "--format=JobIDRaw", "--starttime=now-30days"]
            numbers = self._account([*argv, "--noheader", "--parsable2", "--allocations"]).split()
        return numbers[-1] if numbers else None

    def status(self, number: str) -> Status:
        """Say how a batch job is."""
        fields = ",".join(f"{name}:{width}" for name, width in _FIELDS)
        said = self._ask(["squeue", "--noheader", "--states=all", f"--jobs={number}", f"--Format={fields}"])
        if said.status == 0 and said.output.strip():
            return of_queue(said.output)
        if said.status and _FORGOTTEN not in said.errors:
            raise unavailable(f"squeue: {said.words}")
        argv = ["sacct", f"--jobs={number}", "--format=State,ExitCode,NodeList", "--starttime=now-30days"]
        return of_accounts(self._account([*argv, "--noheader", "--parsable2", "--allocations"]))

    def cancel(self, number: str) -> None:
        """End a batch job: everything in it hears SIGTERM first. One that is over is no failure."""
        said = self._ask(["scancel", number])
        if said.status and _FORGOTTEN not in said.errors and "already complet" not in said.errors:
            raise unavailable(f"scancel: {said.words}")

    def _account(self, argv: list[str]) -> str:
        """Ask the accounts, which a site need not have."""
        said: Said = self._ask(argv)
        if said.status and _NO_ACCOUNTING not in said.errors:
            raise unavailable(f"sacct: {said.words}")
        return "" if said.status else said.output


def _sbatch(launch: Launch) -> list[str]:
    shape = launch.shape
    argv = [
        *("sbatch", "--parsable", f"--job-name={launch.name}"),
        *(f"--chdir={launch.folder}", f"--output={OUTPUT}", f"--error={ERRORS}", "--open-mode=append"),
        *(f"--nodes={shape.nodes}", f"--ntasks={shape.ranks}", f"--ntasks-per-node={shape.ranks_per_node}"),
        *(f"--cpus-per-task={shape.cores_per_rank}", f"--time={clock(shape.wall_time)}"),
        # Started anew, it would run payloads again that the server may have given to others meanwhile.
        "--no-requeue",
    ]
    argv += [f"--partition={shape.queue}"] if shape.queue else []
    argv += [f"--account={shape.project}"] if shape.project else []
    return [*argv, *launch.options]


def of_queue(text: str) -> Status:
    """Read the last line that ``squeue`` wrote."""
    line = [line for line in text.splitlines() if line.strip()][-1]
    found = {}
    for name, width in _FIELDS:
        found[name], line = line[:width].strip(), line[width:]
    reason = "" if found["Reason"] in ("None", "") else found["Reason"].strip("()")
    restarts = int(found["RestartCnt"]) if found["RestartCnt"].isdigit() else 0
    state = state_of(found["State"], reason, restarts)
    status = _exit_words(found["exit_code"]) if state is BatchState.ENDED else ""
    return Status(state, ", ".join(filter(None, (found["State"], reason, status))), nodes_of(found["NodeList"]))


def of_accounts(text: str) -> Status:
    """Read the last line that ``sacct`` wrote; nothing: nobody knows of it any more."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return Status(BatchState.UNKNOWN, "neither squeue nor sacct knows of it")
    state, code, nodes = [*lines[-1].split("|"), "", ""][:3]
    found = state_of(state.split()[0])
    status = f"exit status {code.partition(':')[0]}" if found is BatchState.ENDED and code else ""
    return Status(found, ", ".join(filter(None, (state, status))), nodes_of(nodes))


def state_of(state: str, reason: str = "", restarts: int = 0) -> BatchState:
    """Say what a state means, together with the reason for which a batch job waits, and how often it was begun anew."""
    if state == "PENDING":
        if reason in _HOLDING:
            return BatchState.HELD
        return BatchState.RESCHEDULED if restarts else BatchState.QUEUED
    return _STATES.get(state, BatchState.UNKNOWN)


def _exit_words(raw: str) -> str:
    if not raw.isdigit():
        return ""
    status, number = int(raw) >> 8, int(raw) & 0x7F
    return f"ended by signal {number}" if number else f"exit status {status}"


def nodes_of(text: str) -> tuple[str, ...]:
    """Write out a list of nodes: ``n[1-2,07]`` is n1, n2, n07."""
    if text in ("", "None assigned", "(null)"):
        return ()
    names: list[str] = []
    for part in re.findall(r"(?:[^,\[]|\[[^\]]*\])+", text):
        names.extend(_written_out(part))
    return tuple(names)


def _written_out(part: str) -> list[str]:
    head, bracket, rest = part.partition("[")
    if not bracket:
        return [head]
    inside, _, tail = rest.partition("]")
    names = []
    for each in inside.split(","):
        first, _, last = each.partition("-")
        numbers = range(int(first), int(last or first) + 1) if first.isdigit() else ()
        names += [f"{head}{number:0{len(first)}d}{end}" for number in numbers for end in _written_out(tail)]
    return names
