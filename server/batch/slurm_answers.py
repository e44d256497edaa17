"""What Slurm's commands write, read into values, and what each of its states and reasons means."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from server.batch.base import BatchJob, BatchState, Window

_ID = re.compile(r"(\d{1,10})_(\d{1,7})(?:@([A-Za-z0-9][\w.-]{0,62}))?", re.ASCII)

#: Every state that Slurm may tell: what it is here, and in words where the state itself does not say enough.
STATES: Mapping[str, tuple[BatchState, str]] = {
    "PENDING": (BatchState.QUEUED, ""),
    "REQUEUED": (BatchState.QUEUED, "requeued"),
    "REQUEUE_FED": (BatchState.QUEUED, "requeued by its federation"),
    "EXPEDITING": (BatchState.QUEUED, "requeued before others"),
    "REQUEUE_HOLD": (BatchState.HELD, "requeued and held"),
    "SPECIAL_EXIT": (BatchState.HELD, "requeued and held for its exit status"),
    "RESV_DEL_HOLD": (BatchState.HELD, "held: its reservation was deleted"),
    "CONFIGURING": (BatchState.RUNNING, "its nodes are made ready"),
    "POWER_UP_NODE": (BatchState.RUNNING, "its nodes are switched on"),
    "RUNNING": (BatchState.RUNNING, ""),
    "RESIZING": (BatchState.RUNNING, "its nodes change"),
    "SIGNALING": (BatchState.RUNNING, "it is told to end"),
    "SUSPENDED": (BatchState.RUNNING, "suspended"),
    "STOPPED": (BatchState.RUNNING, "stopped"),
    "STAGE_OUT": (BatchState.RUNNING, "its burst buffer is written out"),
    "COMPLETING": (BatchState.RUNNING, "its nodes are cleaned"),
    "UPDATE_DB": (BatchState.RUNNING, "its end is written down"),
    "COMPLETED": (BatchState.DONE, ""),
    "FAILED": (BatchState.DONE, ""),
    "CANCELLED": (BatchState.DONE, "cancelled"),
    "TIMEOUT": (BatchState.DONE, "its time limit was over"),
    "DEADLINE": (BatchState.DONE, "its deadline was over"),
    "OUT_OF_MEMORY": (BatchState.DONE, "it used more memory than it had asked for"),
    "PREEMPTED": (BatchState.DONE, "another job took its nodes"),
    "NODE_FAIL": (BatchState.DONE, "its node failed"),
    "BOOT_FAIL": (BatchState.DONE, "its node did not start"),
    "RECONFIG_FAIL": (BatchState.DONE, "its node could not be made ready"),
    "LAUNCH_FAILED": (BatchState.DONE, "its node could not launch it"),
    "REVOKED": (BatchState.DONE, "another cluster of the federation started it"),
}
#: Reasons for which a job waits until somebody changes something.
HOLDING = frozenset(
    [
        *("JobHeldUser", "JobHeldAdmin", "JobHoldMaxRequeue", "BadConstraints", "DependencyNeverSatisfied"),
        *("PartitionConfig", "PartitionNodeLimit", "PartitionTimeLimit", "PartitionInactive", "PartitionDown"),
        *("InvalidAccount", "InvalidQOS", "AccountNotAllowed", "QOSNotAllowed", "ReservationDeleted"),
        *("launch_failed_requeued_held", "job_requeued_in_held_state"),
    ]
)
#: A signal that no process gets: the node could not set the job up.
_NO_SETUP = 53
#: What ends in ``OUT_OF_MEMORY`` was killed by the kernel.
_KILLED = 137

#: What squeue is asked for, and how many letters each answer has. The last may hold blanks.
FIELDS = (
    *(("ArrayJobID", 12), ("ArrayTaskID", 12), ("State", 16), ("RestartCnt", 8), ("exit_code", 12)),
    *(("StartTime", 24), ("EndTime", 24), ("BatchHost", 80), ("Reason", 160)),
)
#: What sacct is asked for.
COLUMNS = ("JobID", "State", "ExitCode", "Start", "End", "NodeList")
#: What squeue is asked of those who wait for a partition.
WAITING = (("State", 16), ("StartTime", 24), ("Reason", 160))


@dataclass(frozen=True)
class JobId:
    """One job of an array; ``cluster`` is named where a system has several."""

    array: int
    index: int
    cluster: str = ""

    def __str__(self) -> str:
        return f"{self.array}_{self.index}{'@' if self.cluster else ''}{self.cluster}"

    @property
    def whole(self) -> str:
        """The name of its array."""
        return f"{self.array}{'@' if self.cluster else ''}{self.cluster}"


def read_id(text: str) -> JobId | None:
    """Read what ``str()`` wrote; nothing for other text."""
    found = _ID.fullmatch(text)
    return None if found is None else JobId(int(found[1]), int(found[2]), found[3] or "")


@dataclass(frozen=True)
class Row:
    """One job as Slurm shows it. Times are seconds since 1970; ``code`` and ``signal`` are how it ended."""

    state: str
    reason: str = ""
    restarts: int = 0
    code: int = 0
    signal: int = 0
    started: float | None = None
    ended: float | None = None
    node: str = ""

    @property
    def over(self) -> bool:
        return STATES.get(self.state, (BatchState.RUNNING, ""))[0] is BatchState.DONE

    @property
    def exit_status(self) -> int | None:
        """Answer its exit status; none where Slurm does not tell, as of what never started."""
        if self.state == "OUT_OF_MEMORY":
            return _KILLED
        if self.signal:
            return 128 + self.signal
        return self.code if self.code or self.state == "COMPLETED" else None

    @property
    def words(self) -> str:
        """Say why it is as it is; nothing where that goes without saying."""
        text = STATES.get(self.state, (None, "Slurm says"))[1]
        if self.signal == _NO_SETUP:
            text = "its node could not set it up: is the shared folder there?"
        reason = "" if self.reason in ("NonZeroExitCode",) else self.reason
        if self.state == "PENDING":
            return ", ".join(filter(None, (reason, "requeued" if self.restarts else "")))
        if not text:
            return reason if self.over else ""
        return f"{text} ({', '.join(filter(None, (self.state, reason)))})"

    def as_job(self) -> BatchJob:
        """Answer what it is to us. A state that a later Slurm may have is no end: nothing is concluded from it."""
        state = STATES.get(self.state, (BatchState.RUNNING, ""))[0]
        if state is BatchState.QUEUED and self.reason in HOLDING:
            state = BatchState.HELD
        waits = state in (BatchState.QUEUED, BatchState.HELD)
        return BatchJob(
            state,
            self.exit_status if state is BatchState.DONE else None,
            None if waits else moment(self.started),
            moment(self.ended) if state is BatchState.DONE else None,
            self.words,
            "" if waits else self.node,
        )


def ended_as(row: Row | None, claim: Mapping[str, Any], end: Mapping[str, Any], said: str = "") -> BatchJob:
    """Say how a job has ended: first by its own program's words, then by Slurm's.

    Args:
        row: What Slurm says; none if it does not know the job any longer.
        claim: What the program on its node wrote when it began, and
        end: when it ended; empty if it did not.
        said: What was written for a job that never began.
    """
    row = row or Row("COMPLETED")
    status = end["status"] if end else row.exit_status
    never = row.state == "CANCELLED" and not claim
    words = [end.get("words", ""), "cancelled before it started" if never else row.words, "" if never else said]
    return BatchJob(
        BatchState.DONE,
        status,
        moment(claim.get("at", row.started if row.node else None)),
        moment(end.get("at", row.ended)),
        "; ".join(filter(None, words)),
        claim.get("node") or row.node,
    )


def moment(seconds: float | None) -> datetime | None:
    """Answer the aware time of seconds since 1970."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def read_queue(text: str) -> dict[tuple[int, int], Row]:
    """Read what squeue wrote of `FIELDS`, by array and index; what is no job of an array is passed over."""
    found = {}
    for said in _cut(text, FIELDS):
        if said["ArrayJobID"].isdigit() and said["ArrayTaskID"].isdigit():
            raw = int(said["exit_code"]) if said["exit_code"].isdigit() else 0
            found[int(said["ArrayJobID"]), int(said["ArrayTaskID"])] = Row(
                state=said["State"],
                reason=_reason(said["Reason"]),
                restarts=int(said["RestartCnt"]) if said["RestartCnt"].isdigit() else 0,
                code=raw >> 8 & 0xFF,
                signal=raw & 0x7F,
                started=_seconds(said["StartTime"]),
                ended=_seconds(said["EndTime"]),
                node="" if said["BatchHost"] in ("n/a", "N/A", "(null)") else said["BatchHost"],
            )
    return found


def read_accounts(text: str) -> dict[tuple[int, int], Row]:
    """Read what sacct wrote of `COLUMNS`, by array and index."""
    found = {}
    for line in text.splitlines():
        said = dict(zip(COLUMNS, line.split("|"), strict=False))
        job = read_id(said.get("JobID", ""))
        if job is None or len(said) < len(COLUMNS):
            continue
        state, _, more = said["State"].partition(" ")  # CANCELLED by 1000
        code, _, signal = said["ExitCode"].partition(":")
        found[job.array, job.index] = Row(
            state=state,
            reason=more,
            code=int(code) if code.isdigit() else 0,
            signal=int(signal) if signal.isdigit() else 0,
            started=_seconds(said["Start"]),
            ended=_seconds(said["End"]),
            node="" if said["NodeList"] == "None assigned" else said["NodeList"],
        )
    return found


def read_window(nodes: str, waiting: str, now: float) -> Window | None:
    """Answer what could start at once: idle nodes, until the first of those who wait is expected to start.

    Args:
        nodes: A line ``state|number`` for each group of nodes.
        waiting: What squeue wrote of `WAITING`.
        now: Seconds since 1970.

    Returns:
        None when somebody waits, and Slurm has not reckoned yet when that one can start.
    """
    idle = 0
    for line in nodes.splitlines():
        state, _, number = line.strip().partition("|")
        # Nodes that are planned for somebody else are free until then; those that do not answer have a mark.
        idle += int(number) if state in ("idle", "planned") and number.isdigit() else 0
    compete = [said for said in _cut(waiting, WAITING) if _reason(said["Reason"]) not in HOLDING]
    starts = [start for said in compete if (start := _seconds(said["StartTime"])) is not None]
    if compete and not starts:
        return None
    return Window(idle, max(0.0, min(starts) - now) if starts else None)


def read_settings(text: str) -> dict[str, str]:
    """Read what ``scontrol show config`` wrote."""
    pairs = (line.partition("=") for line in text.splitlines())
    return {name.strip(): value.strip() for name, equals, value in pairs if equals}


def largest_array(settings: Mapping[str, str]) -> int:
    """Answer how many jobs one array may have."""
    limit = settings.get("MaxArraySize", "")
    tasks = re.search(r"\bmax_array_tasks=(\d+)", settings.get("SchedulerParameters", ""))
    sizes = [int(limit) if limit.isdigit() and int(limit) else 1001, *([int(tasks[1])] if tasks else [])]
    return max(1, min(sizes))


def _cut(text: str, fields: tuple[tuple[str, int], ...]) -> Iterator[dict[str, str]]:
    for line in text.splitlines():
        said, place = {}, 0
        for name, width in fields:
            said[name] = line[place : place + width].strip()
            place += width
        if said["State"] and not line.startswith("CLUSTER: "):
            yield said


def _reason(text: str) -> str:
    found = text.strip().strip("()")
    return "" if found in ("None", "null") else found.replace(" ", "_")


def _seconds(text: str) -> float | None:
    return float(text) if text.isdigit() and int(text) else None
