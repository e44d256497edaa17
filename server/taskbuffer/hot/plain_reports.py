"""Plain reports on PostgreSQL: one, or many on different jobs, by one statement, which is a transaction of its own.

A report is plain when it is on the attempt that stands, and a heartbeat, a move of a job that its pilot keeps, or the
end of a first attempt that stored all that was ordered. The statement tests that itself and does nothing of any other
report: that one is taken by the statements of every database. Each locks the job before its small row.

What is said comes as one text in JSON, which the database reads faster than the driver writes thirty values. Every
table is looked into by the jobs' numbers: a plan is made once, perhaps when the tables are short.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import orjson
from django.db import connection

from pilot.contract.messages import Command, JobUpdate, StoredFile, UpdateAnswer
from pilot.contract.naming import log_of_attempt
from pilot.contract.states import FINAL, WITH_PILOT, JobState, may_follow
from server.taskbuffer import verdict as decide
from server.taskbuffer.hot.rows import cut, stamp
from server.taskbuffer.hot.told import outcome_of, report_of
from server.taskbuffer.values import Report

_SEEN = """
    SELECT s.*, j.state AS before, j.command FROM taskbuffer_job j JOIN said s ON s.job = j.id AND s.attempt = j.attempt
    WHERE j.id {these} AND j.state = ANY({states}::text[])
        AND (%(queues)s::text[] IS NULL OR j.queue = ANY(%(queues)s))
"""
_SAME = """
    j.id {these} AND j.id = s.job AND j.attempt = s.attempt AND j.state = s.before
    AND j.command = s.command
"""
_EVENT = """
    INSERT INTO taskbuffer_jobevent (job_id, attempt, state_before, state_after, moved_at, moved_by, detail)
    SELECT job, attempt, before, {after}, %(at)s, %(by)s, detail FROM
"""

_KEEP = f"""
WITH said AS (
    SELECT * FROM json_to_recordset(%(said)s::json) AS s(job bigint, attempt bigint, pilot_id text, node text,
        batch_id text, detail text, done bigint, total bigint, tail text)
), seen AS ({_SEEN}), moved AS (
    UPDATE taskbuffer_job j SET state = {{after}}, pilot_id = s.pilot_id,
        node = CASE WHEN s.node = '' THEN j.node ELSE s.node END,
        started_at = CASE WHEN s.before = 'sent' THEN %(at)s ELSE j.started_at END
    FROM seen s WHERE {_SAME} AND j.state = ANY({{befores}}::text[]) RETURNING j.id
), heard AS (
    SELECT s.*, m.id IS NOT NULL AS moves FROM seen s LEFT JOIN moved m ON m.id = s.job
    WHERE m.id IS NOT NULL OR s.before <> ALL({{befores}}::text[])
), tried AS (
    UPDATE taskbuffer_attempt a SET state = {{after}}, pilot_id = h.pilot_id,
        node = CASE WHEN h.node = '' THEN a.node ELSE h.node END,
        batch_id = CASE WHEN h.batch_id = '' THEN a.batch_id ELSE h.batch_id END,
        started_at = CASE WHEN h.before = 'sent' THEN %(at)s ELSE a.started_at END
    FROM heard h WHERE a.job_id {{these}} AND a.job_id = h.job AND a.number = h.attempt AND h.moves
), told AS ({_EVENT} heard WHERE moves), lives AS (
    UPDATE taskbuffer_live l SET state = CASE WHEN h.moves THEN {{after}} ELSE l.state END,
        heartbeat = %(heartbeat)s, events_done = COALESCE(h.done, l.events_done),
        events_total = COALESCE(h.total, l.events_total), tail = COALESCE(h.tail, l.tail)
    FROM heard h WHERE l.job_id {{these}} AND l.job_id = h.job AND l.attempt = h.attempt
)
SELECT job, command FROM heard
"""  # noqa: S608 (our own text)

_FINISH = f"""
WITH said AS (
    SELECT * FROM json_to_recordset(%(said)s::json) AS s(job bigint, attempt bigint, pilot_error bigint,
        pilot_error_words text, payload_error bigint, payload_error_words text, exit_status bigint, events bigint,
        cpu_time bigint, max_rss bigint, digest text, report text, metadata text, detail text, files json)
), seen AS ({_SEEN}), stored AS (
    SELECT s.job, f.* FROM said s CROSS JOIN LATERAL json_to_recordset(s.files)
        AS f(lfn text, size bigint, checksum text, guid text, url text, endpoint text)
), ordered AS (
    SELECT f.id AS file_id, s.attempt, f.job_id, t.* FROM seen s JOIN taskbuffer_jobfile f
        ON f.job_id {{these}} AND f.job_id = s.job AND f.role <> 'input'
            AND (f.attempt IS NULL OR f.role = 'output')
        LEFT JOIN stored t ON t.job = f.job_id AND t.lfn = f.lfn
), moved AS (
    UPDATE taskbuffer_job j SET state = {{after}}, pilot_error = s.pilot_error,
        pilot_error_words = s.pilot_error_words, payload_error = s.payload_error,
        payload_error_words = s.payload_error_words, exit_status = s.exit_status, data_error = 0,
        server_error_words = '', taskbuffer_error = 0, ended_at = %(at)s, events = s.events, cpu_time = s.cpu_time,
        max_rss = s.max_rss
    FROM seen s WHERE {_SAME} AND NOT EXISTS (SELECT 1 FROM ordered o WHERE o.job_id = s.job AND o.lfn IS NULL)
    RETURNING s.*
), lives AS (
    DELETE FROM taskbuffer_live l USING moved m WHERE l.job_id {{these}} AND l.job_id = m.job
), tried AS (
    UPDATE taskbuffer_attempt a SET state = {{after}}, ended_at = %(at)s, pilot_error = m.pilot_error,
        pilot_error_words = m.pilot_error_words, payload_error = m.payload_error,
        payload_error_words = m.payload_error_words, exit_status = m.exit_status, data_error = 0,
        server_error_words = '', digest = m.digest, answer = %(answer)s
    FROM moved m WHERE a.job_id {{these}} AND a.job_id = m.job AND a.number = m.attempt
    RETURNING a.id, m.report, m.metadata
), kept AS (
    INSERT INTO taskbuffer_jobreport (attempt_id, report, metadata) SELECT id, report, metadata FROM tried
), registered AS (
    UPDATE taskbuffer_jobfile f SET state = 'ready', size = o.size, checksum = o.checksum, guid = o.guid, url = o.url,
        endpoint = CASE WHEN o.endpoint = '' THEN f.endpoint ELSE o.endpoint END, attempt = m.attempt
    FROM ordered o JOIN moved m ON m.job = o.job_id WHERE f.job_id {{these}} AND f.id = o.file_id
), told AS ({_EVENT} moved)
SELECT job, %(answer)s FROM moved
"""  # noqa: S608 (our own text)


def take(reports: Iterable[Report], now: datetime, by: str, queues: Collection[str]) -> dict[int, UpdateAnswer]:
    """Take those of these reports, on different jobs, that are plain; answer them by the jobs' numbers."""
    found: dict[int, UpdateAnswer] = {}
    for state, said in _by_state(reports).items():
        jobs = sorted(said)
        values = {
            "jobs": jobs[0] if len(jobs) == 1 else f"{{{','.join(map(str, jobs))}}}",
            "said": orjson.dumps([said[job] for job in jobs]).decode(),
            "at": stamp(now),
            "by": by,
            "queues": sorted(queues) or None,
        }
        values |= {"answer": Command.NONE.value} if state is JobState.FINISHED else {"heartbeat": now.timestamp()}
        with connection.cursor() as cursor:
            cursor.execute(_text(state, len(jobs) == 1), values)
            found.update((job, UpdateAnswer(command or Command.NONE.value)) for job, command in cursor.fetchall())
    return found


def _by_state(reports: Iterable[Report]) -> dict[JobState, dict[int, dict[str, Any]]]:
    """Write what is said in the reports that may be plain: by the state that they tell of, and by job."""
    found: dict[JobState, dict[int, dict[str, Any]]] = {}
    for report in reports:
        update = report.update
        if update.state not in FINAL:
            said = _kept(report)
        elif update.state is JobState.FINISHED and _is_first(update):
            said = _finished(update)
        else:
            continue
        names = {"job": update.job_id, "attempt": decide.attempt_of(update)}
        found.setdefault(update.state, {})[update.job_id] = {**names, **said}
    return found


def _is_first(update: JobUpdate) -> bool:
    files = update.files or ()
    return decide.attempt_of(update) == 1 and all(log_of_attempt(file.lfn, 1) == file.lfn for file in files)


@cache
def _text(after: JobState, is_one: bool) -> str:
    """Write the statement; for one job it is planned for one, and for no more than once."""
    leave, these = befores(after), "= %(jobs)s" if is_one else "= ANY(%(jobs)s::bigint[])"
    text, states = (_FINISH, leave) if after is JobState.FINISHED else (_KEEP, [state.value for state in WITH_PILOT])
    return text.format(these=these, after=f"'{after.value}'", befores=_array(leave), states=_array(states))


def _array(words: Collection[str]) -> str:
    return f"'{{{','.join(sorted(words))}}}'"


@cache
def befores(after: JobState) -> tuple[str, ...]:
    """Answer the states that a pilot's job leaves for this one."""
    return tuple(sorted(state.value for state in WITH_PILOT if state is not after and may_follow(state, after)))


def _kept(report: Report) -> dict[str, Any]:
    update, progress = report
    done, total = (progress.done, progress.total) if progress else (update.events, None)
    return {
        "pilot_id": cut(update.pilot_id, 200),
        "node": cut(update.node, 128),
        "batch_id": cut(update.batch_id, 80),
        "detail": cut(update.sub_status or "", 500),
        "done": done,
        "total": total,
        "tail": update.stdout and update.stdout[-2048:],
    }


def _finished(update: JobUpdate) -> dict[str, Any]:
    return {
        **outcome_of(update),
        "events": update.events,
        "cpu_time": update.cpu_time,
        "max_rss": update.max_rss,
        "digest": decide.digest_of(update),
        "report": report_of(update),
        "metadata": update.metadata or "",
        "detail": cut(update.pilot_error_words, 500),
        "files": _files(update.files or ()),
    }


def _files(stored: Sequence[StoredFile]) -> list[dict[str, Any]]:
    names = ("lfn", "size", "checksum", "guid", "url", "endpoint")
    last = {file.lfn: file for file in stored}
    return [{name: getattr(file, name) for name in names} for file in last.values()]
