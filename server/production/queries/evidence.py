"""Reading what speaks for and against a run: sums of chunks beside those of merges, failures with their codes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Q, Sum

from pilot.contract.codes import ErrorCode
from pilot.contract.payload_codes import MEANINGS, PayloadCode
from server.production.models import Chunk, CrossCheck, MergeGroup, Output, Run, Task
from server.production.programs import programs_of
from server.production.queries.matrix import check_json
from server.production.queries.progress import BAD, CHECKS, LABELS, STAGING, TAPE
from server.production.states import (
    PASSED,
    CheckKind,
    GroupState,
    MergeKind,
    TapeState,
    Verdict,
    values,
)
from server.taskbuffer import queries as taskbuffer

#: Rows of one kind in the evidence of a step.
MOST = 25

#: Groups in one of these have a file.
MADE = values((GroupState.FINISHED, GroupState.MANUAL_CHECK))

_CHECK_OF = {step: CheckKind(kind) for kind, step in CHECKS.items()}
_MERGES = {CheckKind.MDST: MergeKind.MDST, CheckKind.DUMP: MergeKind.DUMP}


@dataclass(frozen=True)
class Trouble:
    """A chunk, a merge or a file that failed or waits for a person; ``advice`` is what its job's code asks for."""

    what: str
    state: str
    shown: str
    words: str
    attempts: int
    job: int | None = None
    code: int = 0
    advice: str = ""
    chunk: int | None = None

    def as_json(self) -> dict[str, Any]:
        names = ("what", "state", "words", "attempts", "job", "code", "advice")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class GroupSum:
    """A merge group beside what went into it: in events, or in bytes without the heads of dumps; None is unknown."""

    group: MergeGroup
    inputs: int
    went_in: int | None
    came_out: int | None
    size_in: int

    @property
    def difference(self) -> int | None:
        if self.went_in is None or self.came_out is None:
            return None
        return self.came_out - self.went_in

    @property
    def differs(self) -> bool:
        """Say whether a file that is there holds something else than went in, or nobody knows what."""
        is_made = self.group.state in MADE and self.group.size is not None
        return is_made and self.group.kind in _MERGES.values() and self.difference != 0

    def as_json(self) -> dict[str, Any]:
        group = self.group
        return {
            **{"kind": group.kind, "merge": group.number, "state": group.state, "job": group.job_id},
            **{"attempts": group.attempts, "inputs": self.inputs, "in": self.went_in, "out": self.came_out},
            **{"size_in": self.size_in, "size": group.size, "words": group.words},
        }


@dataclass(frozen=True)
class Evidence:
    """What is known of one step of a run: what its check found, merge by merge, and what is wrong."""

    run: Run
    step: str
    unit: str = ""
    check: CrossCheck | None = None
    sums: list[GroupSum] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    #: How many there are of which the first are told.
    wrong: int = 0
    #: Chunks whose number of events nobody knows.
    unknown: int = 0

    @property
    def label(self) -> str:
        return LABELS.get(self.step, self.step)

    @property
    def is_open(self) -> bool:
        """Say whether a person may accept the check or have it made again."""
        return self.check is not None and self.check.verdict == Verdict.MANUAL_CHECK

    @property
    def passed(self) -> bool:
        return self.check is not None and self.check.verdict in values(PASSED)

    @property
    def resend(self) -> str:
        """Answer the question for the page that sends again what is wrong here."""
        if self.step in _CHECK_OF or self.step.startswith("merge_"):
            kind = _MERGES[_CHECK_OF[self.step]].value if self.step in _CHECK_OF else self.step.removeprefix("merge_")
            return f"what=merging&kind={kind}&run={self.run.number}"
        if self.step == STAGING:
            return f"what=staging&run={self.run.number}"
        if self.step == TAPE:
            return f"what=archive&run={self.run.number}"
        looks = any(one.state == "manual_check" for one in self.troubles)
        return f"what={'manual_check' if looks else 'failed'}&run={self.run.number}"

    def as_json(self) -> dict[str, Any]:
        return {
            **{"run": self.run.number, "step": self.step, "label": self.label, "unit": self.unit},
            "check": check_json(self.check) if self.check else None,
            "merges": [one.as_json() for one in self.sums],
            "troubles": [one.as_json() for one in self.troubles],
            **{"wrong": self.wrong, "unknown": self.unknown},
        }


def evidence_of(task: Task, run: Run, step: str) -> Evidence:
    """Answer the evidence of one step of a run; at most `MOST` of its troubles. A bounded number of queries."""
    if check := _CHECK_OF.get(step):
        kind = _MERGES[check]
        found = CrossCheck.objects.filter(run=run, kind=check.value).select_related("run").first()
        sums = sums_of(task, run, [kind.value])
        unknown = run.chunks.filter(events_done=None).count() if check is CheckKind.MDST else 0
        unit = "events" if check is CheckKind.MDST else "bytes"
        return Evidence(run, step, unit, found, sums, wrong=sum(one.differs for one in sums), unknown=unknown)
    if step == TAPE:
        rows = Output.objects.filter(run=run, tape=TapeState.FAILED).order_by("lfn")
        troubles = [Trouble(one.lfn, one.tape, "not on tape", one.tape_words, one.tape_attempts) for one in rows[:MOST]]
        return Evidence(run, step, troubles=troubles, wrong=rows.count())
    if step.startswith("merge_"):
        groups = MergeGroup.objects.filter(run=run, kind=step.removeprefix("merge_"))
        wrong = groups.filter(state__in=BAD).order_by("number")
        return Evidence(run, step, troubles=_told(wrong[:MOST]), wrong=wrong.count())
    chunks = Chunk.objects.filter(run=run, state__in=BAD).order_by("number")
    if step == STAGING:
        chunks = chunks.filter(job_id=None)
    return Evidence(run, step, troubles=_told(chunks[:MOST]), wrong=chunks.count())


def sums_of(task: Task, run: Run, kinds: Collection[str], *, most: int = 200) -> list[GroupSum]:
    """Answer the merges of a run, each beside the sums of its inputs: events, or bytes without heads for dumps."""
    head = programs_of(task.program).dump_head
    groups = MergeGroup.objects.filter(run=run, kind__in=kinds).order_by("kind", "number").select_related("run")
    counted = groups.annotate(
        files=Count("inputs"),
        events_in=Sum("inputs__output__events"),
        bytes_in=Sum("inputs__output__size"),
        unknown=Count("inputs", filter=Q(inputs__output__events=None)),
    )
    return [_sum(group, head) for group in counted[:most]]


def _sum(group: Any, head: int) -> GroupSum:
    size_in = group.bytes_in or 0
    if group.kind == MergeKind.DUMP:
        out = None if group.size is None else group.size - head
        return GroupSum(group, group.files, size_in - head * group.files, out, size_in)
    if group.kind == MergeKind.MDST:
        return GroupSum(group, group.files, None if group.unknown else group.events_in, group.events_found, size_in)
    # Nothing is counted in files of other kinds.
    return GroupSum(group, group.files, None, None, size_in)


def _told(rows: Any) -> list[Trouble]:
    """Tell what is wrong with chunks or groups, with what their jobs' codes advise."""
    found = list(rows)
    jobs = {job.pk: job for job in taskbuffer.jobs(row.job_id for row in found if row.job_id is not None)}
    return [_trouble(row, jobs) for row in found]


def _trouble(row: Any, jobs: Mapping[int, Any]) -> Trouble:
    is_chunk = isinstance(row, Chunk)
    what = f"chunk {row.number}" if is_chunk else f"{row.get_kind_display()} merge {row.number}"
    code, advice = advice_of(jobs.get(row.job_id))
    told = (row.state, row.get_state_display(), row.words, row.attempts)
    return Trouble(what, *told, row.job_id, code, advice, row.number if is_chunk else None)


def advice_of(job: Any) -> tuple[int, str]:
    """Answer the code that a job ended with, and what it asks for; the experiment's own goes first. 0: it has none."""
    if job is None:
        return 0, ""
    if job.payload_error:
        try:
            return job.payload_error, MEANINGS[PayloadCode(job.payload_error)].advice
        except ValueError:
            return job.payload_error, ""
    try:
        return job.pilot_error, ErrorCode(job.pilot_error).advice
    except ValueError:
        return job.pilot_error, ""


def find_run(task: Task, number: int) -> Run | None:
    """Answer a run of a task by its number."""
    return Run.objects.filter(task=task, number=number).first() if number < 2**31 else None
