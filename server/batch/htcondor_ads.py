"""What HTCondor's ClassAds of jobs mean, and the constraints by which they are asked for. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from server.batch.base import BatchJob, BatchState

KEY = re.compile(r"[A-Za-z0-9][\w.-]{0,60}", re.ASCII)
_ID = re.compile(rf"({KEY.pattern})/(\d{{1,12}})\.(\d{{1,9}})", re.ASCII)
#: What an answer has of each job.
PROJECTION = (
    "ClusterId",
    "ProcId",
    "CompassKey",
    "CompassCount",
    "JobStatus",
    "EnteredCurrentStatus",
    "HoldReason",
    "HoldReasonCode",
    "RemoveReason",
    "ExitBySignal",
    "ExitCode",
    "ExitSignal",
    "JobStartDate",
    "JobCurrentStartDate",
    "CompletionDate",
    "RemoteHost",
    "LastRemoteHost",
    "JobMaxVacateTime",
    "StageOutFinish",
)
#: JobStatus, by number.
IDLE, RUNNING, REMOVED, COMPLETED, HELD, TRANSFERRING, SUSPENDED = range(1, 8)
#: HoldReasonCode of a job whose files are on their way to the schedd.
SPOOLING = 16
_CANCELLED = "it was removed before it ended by itself"


@dataclass(frozen=True, order=True)
class JobId:
    """One job: the key of its submission, its cluster, and its number there."""

    key: str
    cluster: int
    number: int

    def __str__(self) -> str:
        return f"{self.key}/{self.cluster}.{self.number}"

    @property
    def at_schedd(self) -> str:
        """How the schedd calls it."""
        return f"{self.cluster}.{self.number}"


def read_id(job: str) -> JobId | None:
    """Read an id of ours; none if it is not one."""
    found = _ID.fullmatch(job)
    return JobId(found[1], int(found[2]), int(found[3])) if found else None


def id_of(ad: Mapping[str, Any]) -> JobId:
    return JobId(str(ad.get("CompassKey", "")), ad["ClusterId"], ad["ProcId"])


def living(system: str, ids: Collection[JobId]) -> str:
    """Write the constraint of one question for the jobs in the queue; it may find more of ours."""
    clusters = sorted({job.cluster for job in ids})
    if len(clusters) == 1:
        return f"ClusterId == {clusters[0]}"
    return f'CompassSystem == "{system}" && ClusterId >= {clusters[0]} && ClusterId <= {clusters[-1]}'


def ended(system: str, ids: Iterable[JobId]) -> str:
    """Write the constraint of exactly these jobs, for the records of what has left the queue.

    Their keys are in it: a schedd whose spool was wiped counts anew, and has records of several jobs of one number.
    """
    numbers: dict[tuple[str, int], list[int]] = {}
    for job in sorted(ids):
        numbers.setdefault((job.key, job.cluster), []).append(job.number)
    clusters = " || ".join(
        f'(ClusterId == {cluster} && member(ProcId, {{{", ".join(map(str, found))}}}) && CompassKey == "{key}")'
        for (key, cluster), found in numbers.items()
    )
    return f'CompassSystem == "{system}" && ({clusters})'


def of_key(system: str, key: str) -> str:
    """Write the constraint of one submission."""
    return f'CompassSystem == "{system}" && CompassKey == "{key}"'


def whole_cluster(ad: Mapping[str, Any]) -> Iterator[JobId]:
    """Yield all jobs of a submission, of which one was found: they became jobs together, in one transaction."""
    one = id_of(ad)
    for number in range(ad["CompassCount"]):
        yield JobId(one.key, one.cluster, number)


def read_job(ad: Mapping[str, Any], *, in_queue: bool, now: float, patience: float) -> BatchJob:
    """Say how a job is.

    Args:
        ad: Its attributes, those of `PROJECTION` that it has.
        in_queue: Whether it is in the schedd's queue still, or in its records.
        now: Seconds since 1970.
        patience: Seconds within which its files must have come to the schedd.
    """
    status, began = ad.get("JobStatus", IDLE), ad.get("JobCurrentStartDate", ad.get("JobStartDate"))
    node = str(ad.get("RemoteHost", ad.get("LastRemoteHost", ""))).rpartition("@")[2]
    since = ad.get("EnteredCurrentStatus", 0)
    if status == COMPLETED or not in_queue:
        return _ended(ad, began, node)
    if status == HELD and ad.get("HoldReasonCode") == SPOOLING:
        if now - since <= patience:
            return BatchJob(BatchState.QUEUED, words="its files are being sent to the schedd")
        return BatchJob(BatchState.HELD, words="its files never came to the schedd: whoever submitted it was ended")
    if status == HELD:
        return BatchJob(BatchState.HELD, started=_moment(began), words=str(ad.get("HoldReason", "")), node=node)
    if status in (RUNNING, TRANSFERRING, SUSPENDED) or (status == REMOVED and began):
        words = {SUSPENDED: "suspended", REMOVED: "being removed"}.get(status, "")
        return BatchJob(BatchState.RUNNING, started=_moment(began), words=words, node=node)
    return BatchJob(BatchState.QUEUED, words="being removed" if status == REMOVED else "")


def _ended(ad: Mapping[str, Any], began: float | None, node: str) -> BatchJob:
    ended = ad.get("CompletionDate") or ad.get("EnteredCurrentStatus")
    words = ""
    if ad.get("JobStatus") != COMPLETED:
        held = f"; it was held before: {ad['HoldReason']}" if ad.get("HoldReason") else ""
        words = f"{ad.get('RemoveReason') or _CANCELLED}{held}"
    return BatchJob(BatchState.DONE, exit_status(ad), _moment(began), _moment(ended), words, node)


def waits_to_be_fetched(ad: Mapping[str, Any]) -> bool:
    """Say whether a job has ended and nobody has its files yet."""
    return ad.get("JobStatus") == COMPLETED and not ad.get("StageOutFinish")


def exit_status(ad: Mapping[str, Any]) -> int | None:
    """Read how a job's program ended: its status, or 128 + n if signal n ended it; none if nobody knows."""
    if ad.get("ExitBySignal"):
        return 128 + ad["ExitSignal"] if "ExitSignal" in ad else None
    found: int | None = ad.get("ExitCode")
    return found


def _moment(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None
