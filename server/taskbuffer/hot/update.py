"""A pilot reports: heartbeats, moves and ends, each in one transaction, each with one defined answer."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from pilot.contract.messages import JobUpdate, StoredFile, UpdateAnswer
from pilot.contract.states import FINAL, JobState
from server.lib.transactions import once_more, repeatable
from server.taskbuffer import verdict as decide
from server.taskbuffer.again import rules_for, try_again
from server.taskbuffer.hot import plain_reports, rows
from server.taskbuffer.hot.rows import cut, stamp
from server.taskbuffer.hot.told import outcome_of, report_of
from server.taskbuffer.values import OtherQueue, Progress, Report, Standing
from server.taskbuffer.verdict import Ordered, Verdict

#: Reports that one transaction takes; those on further jobs are taken by the next one.
MOST = 100


@repeatable
@once_more
def apply_update(
    update: JobUpdate, progress: Progress | None, now: datetime, by: str, queues: Collection[str] = ()
) -> UpdateAnswer:
    """Move a job to what its pilot reports, and answer what the pilot is to do.

    The same final report twice gets the same answer twice. A report on another attempt than the current one, or on a
    job that no pilot has, changes nothing: its pilot is told to stop.

    Raises:
        OtherQueue: the report would change a job of none of these queues, if there are any.
    """
    (answer,) = _take([Report(update, progress)], now, by, queues)
    if isinstance(answer, OtherQueue):
        raise OtherQueue(*answer.args)  # another one: this frame keeps the first
    return answer


def apply_updates(
    updates: Sequence[JobUpdate], now: datetime, by: str, queues: Collection[str] = ()
) -> list[UpdateAnswer | OtherQueue]:
    """Take several reports in their order as `apply_update` does each; what that would raise stands among the answers.

    Many are taken by one transaction: when the server breaks within it, none of these has been taken.
    """
    return [answer for some in _apart(updates) for answer in _take_together(some, now, by, queues)]


def _apart(updates: Sequence[JobUpdate]) -> Iterator[list[Report]]:
    """Part reports so that no two in a part are on the same job."""
    part: dict[int, Report] = {}
    for update in updates:
        if update.job_id in part or len(part) == MOST:
            yield list(part.values())
            part = {}
        part[update.job_id] = Report(update)
    if part:
        yield list(part.values())


@repeatable
@once_more
def _take_together(
    reports: Sequence[Report], now: datetime, by: str, queues: Collection[str]
) -> list[UpdateAnswer | OtherQueue]:
    return _take(reports, now, by, queues)


def _take(
    reports: Sequence[Report], now: datetime, by: str, queues: Collection[str]
) -> list[UpdateAnswer | OtherQueue]:
    """Take reports on different jobs: where the database can, the plain ones by one statement, then all others."""
    plain = plain_reports.take(reports, now, by, queues) if connection.vendor == "postgresql" else {}
    others = [report for report in reports if report.update.job_id not in plain]
    if not others:
        return [plain[report.update.job_id] for report in reports]
    while True:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                taken = {report.update.job_id: _applied(cursor, report, now, by, queues) for report in others}
        except rows.LostRace:
            continue  # read them again: each turn of this loop is somebody else's progress
        return [plain.get(report.update.job_id) or taken[report.update.job_id] for report in reports]


def _applied(
    cursor: CursorWrapper, report: Report, now: datetime, by: str, queues: Collection[str]
) -> UpdateAnswer | OtherQueue:
    try:
        return _apply(cursor, *report, now, by, queues)
    except OtherQueue as refused:
        return refused.with_traceback(None)  # before anything was written; with it, it would keep all reports


def _apply(
    cursor: CursorWrapper,
    update: JobUpdate,
    progress: Progress | None,
    now: datetime,
    by: str,
    queues: Collection[str],
) -> UpdateAnswer:
    job = rows.standing(cursor, update.job_id)
    if job is None:
        return UpdateAnswer(decide.STALE.command)
    ordered = _ordered(cursor, job) if update.state is JobState.FINISHED else []
    missing = decide.missing_outputs(ordered, update.files or ())
    rules = rules_for(cursor, job) if missing or update.state is JobState.FAILED else decide.NO_RULES
    verdict = decide.judge(job, update, missing, rules)
    if verdict.stale:
        return UpdateAnswer(_answer_again(cursor, update) or verdict.command)
    job.refuse_others(queues)
    if verdict.end_of_attempt is None:
        _stay_or_go_on(cursor, job, verdict, update, progress, now, by)
    else:
        _end(cursor, job, verdict, update, ordered, now, by)
    return UpdateAnswer(verdict.command)


def _answer_again(cursor: CursorWrapper, update: JobUpdate) -> str:
    """Answer a repeated final report as it was answered before; nothing for any other report."""
    if update.state not in FINAL:
        return ""
    cursor.execute(
        "SELECT digest, answer FROM taskbuffer_attempt WHERE job_id = %s AND number = %s",
        (update.job_id, decide.attempt_of(update)),
    )
    row = cursor.fetchone()
    return str(row[1]) if row and row[0] == decide.digest_of(update) else ""


def _stay_or_go_on(
    cursor: CursorWrapper,
    job: Standing,
    verdict: Verdict,
    update: JobUpdate,
    progress: Progress | None,
    now: datetime,
    by: str,
) -> None:
    """Take a heartbeat, and the move that comes with it, if one does."""
    state = verdict.moves[0] if verdict.moves else job.state
    if verdict.moves:
        _go_on(cursor, job, state, update, now, by)  # the job first, as who ends it does: none waits for ever
    done, total = (progress.done, progress.total) if progress else (update.events, None)
    cursor.execute(
        "UPDATE taskbuffer_live SET state = %s, heartbeat = %s, events_done = COALESCE(%s, events_done),"
        " events_total = COALESCE(%s, events_total), tail = COALESCE(%s, tail) WHERE job_id = %s AND attempt = %s",
        (state.value, now.timestamp(), done, total, update.stdout and update.stdout[-2048:], job.job_id, job.attempt),
    )


def _go_on(cursor: CursorWrapper, job: Standing, state: JobState, update: JobUpdate, now: datetime, by: str) -> None:
    """Move a job that its pilot keeps."""
    node, pilot_id = cut(update.node, 128), cut(update.pilot_id, 200)
    columns = {"pilot_id": pilot_id, **({"node": node} if node else {})}
    began = {"started_at": stamp(now)} if job.state is JobState.SENT else {}
    rows.move_job(cursor, job, state, {**columns, **began})
    said = {**columns, **began, **({"batch_id": cut(update.batch_id, 80)} if update.batch_id else {})}
    sets = "".join(f", {name} = %s" for name in said)
    cursor.execute(
        f"UPDATE taskbuffer_attempt SET state = %s{sets} WHERE job_id = %s AND number = %s",  # noqa: S608
        (state.value, *said.values(), job.job_id, job.attempt),
    )
    rows.add_event(cursor, job, state, now, by, update.sub_status or "")


def _end(
    cursor: CursorWrapper,
    job: Standing,
    verdict: Verdict,
    update: JobUpdate,
    ordered: Sequence[Ordered],
    now: datetime,
    by: str,
) -> None:
    """Take a final report: the end of the attempt, and of the job unless another attempt follows."""
    end = verdict.moves[0]
    told = outcome_of(update)
    found = {"data_error": int(verdict.errors.data), "server_error_words": cut(verdict.errors.words, 500)}
    kept = {} if end is JobState.CANCELLED else {**found, "taskbuffer_error": 0}
    columns = {
        **told,
        **kept,
        "ended_at": stamp(now),
        "events": update.events,
        "cpu_time": update.cpu_time,
        "max_rss": update.max_rss,
    }
    rows.move_job(cursor, job, end, columns)
    rows.drop_live(cursor, job.job_id)
    rows.end_attempt(
        cursor,
        job,
        end,
        now,
        {**told, **found, "digest": decide.digest_of(update), "answer": verdict.command},
    )
    _keep_report(cursor, job, update)
    unsaid = _register(cursor, job, ordered or _ordered(cursor, job), update.files or (), end)
    ruled = "" if verdict.decision.again else verdict.decision.words
    detail = "; ".join(filter(None, [verdict.errors.words or update.pilot_error_words, unsaid, ruled]))
    rows.add_event(cursor, job, end, now, by, detail)
    if len(verdict.moves) > 1:
        code = update.pilot_error or update.payload_error
        words = f"another attempt after error {code}" if code else "another attempt"
        try_again(cursor, replace(job, state=end), verdict.decision, now, by, words)
    elif end is not JobState.FINISHED:
        rows.fail_files(cursor, job.job_id)


def _keep_report(cursor: CursorWrapper, job: Standing, update: JobUpdate) -> None:
    cursor.execute(
        "INSERT INTO taskbuffer_jobreport (attempt_id, report, metadata)"
        " SELECT id, %s, %s FROM taskbuffer_attempt WHERE job_id = %s AND number = %s",
        (report_of(update), update.metadata or "", job.job_id, job.attempt),
    )


def _ordered(cursor: CursorWrapper, job: Standing) -> list[Ordered]:
    """Read what the job is to write, under the names of this attempt."""
    cursor.execute(
        "SELECT id, lfn, role, may_be_missing FROM taskbuffer_jobfile"
        " WHERE job_id = %s AND role <> 'input' AND (attempt IS NULL OR role = 'output')",
        (job.job_id,),
    )
    found = [Ordered(row[0], row[1], row[2] == "log", bool(row[3])) for row in cursor.fetchall()]
    return [replace(file, lfn=decide.name_of(file, job.attempt)) for file in found]


def _register(
    cursor: CursorWrapper, job: Standing, ordered: Sequence[Ordered], stored: Sequence[StoredFile], end: JobState
) -> str:
    """Write down what was stored: all outputs of a finished job, the log of any. Answer what is worth a remark."""
    by_name = {file.lfn: file for file in stored}
    wanted = [file for file in ordered if file.is_log or end is JobState.FINISHED]
    there = [(by_name[file.lfn], file) for file in wanted if file.lfn in by_name]
    cursor.executemany(
        "UPDATE taskbuffer_jobfile SET state = 'ready', lfn = %s, size = %s, checksum = %s, guid = %s, url = %s,"
        " endpoint = CASE WHEN %s = '' THEN endpoint ELSE %s END, attempt = %s WHERE id = %s",
        [
            (file.lfn, new.size, new.checksum, new.guid, new.url, new.endpoint, new.endpoint, job.attempt, file.file_id)
            for new, file in there
        ],
    )
    absent = [file for file in wanted if file.lfn not in by_name]
    cursor.executemany(
        "UPDATE taskbuffer_jobfile SET state = 'nooutput' WHERE id = %s",
        [(file.file_id,) for file in absent if not file.is_log],
    )
    logs = [file.lfn for file in absent if file.is_log]
    return f"no log: {logs[0]} was not stored" if logs else ""
