"""Plain reports on PostgreSQL, each by one statement, which is a transaction of its own.

A report is plain when it is on the attempt that stands, and a heartbeat, a move of a job that its pilot keeps, or the
end of a first attempt that stored all that was ordered. The statement tests that itself and does nothing of any other
report: that one is taken by the statements of every database. Each locks the job before its small row.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from django.db import connection

from pilot.contract.messages import Command, JobUpdate, StoredFile, UpdateAnswer
from pilot.contract.naming import log_of_attempt
from pilot.contract.states import FINAL, WITH_PILOT, JobState, may_follow
from server.taskbuffer import verdict as decide
from server.taskbuffer.hot.rows import cut, stamp
from server.taskbuffer.hot.told import outcome_of, report_of
from server.taskbuffer.values import Progress

_SEEN = """
    SELECT id, attempt, state, command FROM taskbuffer_job WHERE id = %(job)s AND attempt = %(attempt)s
    AND state = ANY(%(states)s) AND (%(queues)s::text[] IS NULL OR queue = ANY(%(queues)s))
"""
_EVENT = """
    INSERT INTO taskbuffer_jobevent (job_id, attempt, state_before, state_after, moved_at, moved_by, detail)
    SELECT id, attempt, before, %(after)s, %(at)s, %(by)s, %(detail)s FROM moved
"""

_KEEP = f"""
WITH seen AS ({_SEEN}), moved AS (
    UPDATE taskbuffer_job j SET state = %(after)s, pilot_id = %(pilot_id)s,
        node = CASE WHEN %(node)s = '' THEN j.node ELSE %(node)s END,
        started_at = CASE WHEN seen.state = 'sent' THEN %(at)s ELSE j.started_at END
    FROM seen WHERE j.id = %(job)s AND j.attempt = seen.attempt AND j.state = seen.state AND j.command = seen.command
        AND j.state = ANY(%(befores)s)
    RETURNING j.id, j.attempt, seen.state AS before
), tried AS (
    UPDATE taskbuffer_attempt a SET state = %(after)s, pilot_id = %(pilot_id)s,
        node = CASE WHEN %(node)s = '' THEN a.node ELSE %(node)s END,
        batch_id = CASE WHEN %(batch_id)s = '' THEN a.batch_id ELSE %(batch_id)s END,
        started_at = CASE WHEN moved.before = 'sent' THEN %(at)s ELSE a.started_at END
    FROM moved WHERE a.job_id = %(job)s AND a.number = moved.attempt
), told AS ({_EVENT}), heard AS (
    SELECT seen.id, seen.attempt, seen.command, moved.id IS NOT NULL AS moves FROM seen LEFT JOIN moved ON TRUE
    WHERE moved.id IS NOT NULL OR seen.state <> ALL(%(befores)s)
), lives AS (
    UPDATE taskbuffer_live l SET state = CASE WHEN heard.moves THEN %(after)s ELSE l.state END,
        heartbeat = %(heartbeat)s, events_done = COALESCE(%(done)s, events_done),
        events_total = COALESCE(%(total)s, events_total), tail = COALESCE(%(tail)s, tail)
    FROM heard WHERE l.job_id = %(job)s AND l.attempt = heard.attempt
)
SELECT command FROM heard
"""  # noqa: S608 (our own text)

_FINISH = f"""
WITH seen AS ({_SEEN}), stored AS (
    SELECT * FROM unnest(%(lfns)s::text[], %(sizes)s::bigint[], %(sums)s::text[], %(guids)s::text[], %(urls)s::text[],
        %(endpoints)s::text[]) AS s(lfn, size, checksum, guid, url, endpoint)
), ordered AS (
    SELECT f.id AS file_id, s.* FROM seen JOIN taskbuffer_jobfile f ON f.job_id = %(job)s AND f.role <> 'input'
    AND (f.attempt IS NULL OR f.role = 'output') LEFT JOIN stored s ON s.lfn = f.lfn
), moved AS (
    UPDATE taskbuffer_job j SET state = %(after)s, pilot_error = %(pilot_error)s,
        pilot_error_words = %(pilot_error_words)s, payload_error = %(payload_error)s,
        payload_error_words = %(payload_error_words)s, exit_status = %(exit_status)s, data_error = 0,
        server_error_words = '', taskbuffer_error = 0, ended_at = %(at)s, events = %(events)s, cpu_time = %(cpu_time)s,
        max_rss = %(max_rss)s
    FROM seen WHERE j.id = %(job)s AND j.attempt = seen.attempt AND j.state = seen.state AND j.command = seen.command
        AND NOT EXISTS (SELECT 1 FROM ordered WHERE lfn IS NULL)
    RETURNING j.id, j.attempt, seen.state AS before
), lives AS (
    DELETE FROM taskbuffer_live l USING moved WHERE l.job_id = %(job)s
), tried AS (
    UPDATE taskbuffer_attempt a SET state = %(after)s, ended_at = %(at)s, pilot_error = %(pilot_error)s,
        pilot_error_words = %(pilot_error_words)s, payload_error = %(payload_error)s,
        payload_error_words = %(payload_error_words)s, exit_status = %(exit_status)s, data_error = 0,
        server_error_words = '', digest = %(digest)s, answer = %(answer)s
    FROM moved WHERE a.job_id = %(job)s AND a.number = moved.attempt RETURNING a.id
), kept AS (
    INSERT INTO taskbuffer_jobreport (attempt_id, report, metadata) SELECT id, %(report)s, %(metadata)s FROM tried
), registered AS (
    UPDATE taskbuffer_jobfile f SET state = 'ready', size = o.size, checksum = o.checksum, guid = o.guid, url = o.url,
        endpoint = CASE WHEN o.endpoint = '' THEN f.endpoint ELSE o.endpoint END, attempt = moved.attempt
    FROM ordered o, moved WHERE f.job_id = %(job)s AND f.id = o.file_id
), told AS ({_EVENT})
SELECT %(answer)s FROM moved
"""  # noqa: S608 (our own text)


def take(
    update: JobUpdate, progress: Progress | None, now: datetime, by: str, queues: Collection[str]
) -> UpdateAnswer | None:
    """Take a report if it is plain, and answer it; ``None`` when nothing was done."""
    common: dict[str, Any] = {
        "job": update.job_id,
        "attempt": decide.attempt_of(update),
        "after": update.state.value,
        "at": stamp(now),
        "by": by,
        "queues": sorted(queues) or None,
    }
    if update.state not in FINAL:
        return _done(_KEEP, {**common, **_kept(update, progress, now)})
    files = {file.lfn: file for file in update.files or ()}
    first = common["attempt"] == 1 and all(log_of_attempt(name, 1) == name for name in files)
    if update.state is not JobState.FINISHED or not first:
        return None
    return _done(_FINISH, {**common, **_finished(update), **_columns(list(files.values()))})


def _done(text: str, values: dict[str, Any]) -> UpdateAnswer | None:
    with connection.cursor() as cursor:
        cursor.execute(text, values)
        row = cursor.fetchone()
    return None if row is None else UpdateAnswer(row[0] or Command.NONE.value)


@cache
def befores(after: JobState) -> tuple[str, ...]:
    """Answer the states that a pilot's job leaves for this one."""
    return tuple(sorted(state.value for state in WITH_PILOT if state is not after and may_follow(state, after)))


def _kept(update: JobUpdate, progress: Progress | None, now: datetime) -> dict[str, Any]:
    done, total = (progress.done, progress.total) if progress else (update.events, None)
    return {
        "states": sorted(state.value for state in WITH_PILOT),
        "befores": list(befores(update.state)),
        "pilot_id": cut(update.pilot_id, 200),
        "node": cut(update.node, 128),
        "batch_id": cut(update.batch_id, 80),
        "detail": cut(update.sub_status or "", 500),
        "heartbeat": now.timestamp(),
        "done": done,
        "total": total,
        "tail": update.stdout and update.stdout[-2048:],
    }


def _finished(update: JobUpdate) -> dict[str, Any]:
    answer = Command.NONE.value
    return {
        **outcome_of(update),
        "states": list(befores(JobState.FINISHED)),
        "events": update.events,
        "cpu_time": update.cpu_time,
        "max_rss": update.max_rss,
        "digest": decide.digest_of(update),
        "answer": answer,
        "report": report_of(update),
        "metadata": update.metadata or "",
        "detail": cut(update.pilot_error_words, 500),
    }


def _columns(files: Sequence[StoredFile]) -> dict[str, Any]:
    return {
        "lfns": [file.lfn for file in files],
        "sizes": [file.size for file in files],
        "sums": [file.checksum for file in files],
        "guids": [file.guid for file in files],
        "urls": [file.url for file in files],
        "endpoints": [file.endpoint for file in files],
    }
