"""The same durable writes as the server's, by a program that does nothing else: prepared statements on its tables."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable

from benchmarks.bare_databases import BareDatabase

FILES = {name: {"fsize": 10, "adler32": "0000000a", "guid": "0-1"} for name in ("out.root", "job.log.tgz")}

_EVENT = (
    "INSERT INTO taskbuffer_jobevent (job_id, attempt, state_before, state_after, moved_at, moved_by, detail)"
    " VALUES (?, 1, ?, ?, ?, 'bare', '')"
)
_JOB = (
    "INSERT INTO taskbuffer_job (attempt, max_attempts, state, bucket_id, queue, label, priority, name, user_name,"
    " transformation, command, node, pilot_id, created_at, pilot_error, pilot_error_words, payload_error,"
    " payload_error_words, dispatcher_error, taskbuffer_error, data_error, supervisor_error, server_error_words)"
    " VALUES (1, 3, 'activated', ?, 'LOCAL', 'managed', 0, 'j', '', 'true', '', '', '', ?,"
    " 0, '', 0, '', 0, 0, 0, 0, '')"
)
_FILE = (
    "INSERT INTO taskbuffer_jobfile (job_id, lfn, role, state, scope, dataset, endpoint, guid, url, may_be_missing)"
    " VALUES (?, ?, ?, 'unknown', '', '', '', '', '', FALSE)"
)
_ATTEMPT = (
    "INSERT INTO taskbuffer_attempt (job_id, number, state, request_id, nth, queue, node, pilot_id, batch_id, sent_at,"
    " pilot_error, pilot_error_words, payload_error, payload_error_words, dispatcher_error, data_error,"
    " server_error_words, digest, answer)"
    " VALUES (?, 1, 'sent', ?, 0, 'LOCAL', '', '', '', ?, 0, '', 0, '', 0, 0, '', '', '')"
)
_LIVE = (
    "INSERT INTO taskbuffer_live (job_id, attempt, queue, state, heartbeat, tail, shown)"
    " VALUES (?, 1, 'LOCAL', 'sent', ?, '', '')"
)
_REPORT = "INSERT INTO taskbuffer_jobreport SELECT id, ?, '' FROM taskbuffer_attempt WHERE job_id = ? AND number = 1"
_STORED = (
    "UPDATE taskbuffer_jobfile SET state = 'ready', size = 10, checksum = 'adler32:0000000a', attempt = 1"
    " WHERE job_id = ? AND lfn = ?"
)


class Bare:
    """One client that writes the rows itself, one transaction per call that it stands for."""

    def __init__(self, database: BareDatabase) -> None:
        self.database = database
        self.bucket = (database.do("SELECT min(id) FROM taskbuffer_bucket") or [0])[0]
        # What the server hands to pilots: it may be given the jobs that are made here.
        self.panda = (database.do("SELECT panda FROM taskbuffer_jobparameters ORDER BY job_id LIMIT 1") or [""])[0]

    def live(self) -> None:
        """Take a job through its whole life."""
        self._do(self._submit)
        self.live_on()

    def live_on(self) -> None:
        """Take the first job that waits through the rest of its life."""
        for step in (self._acquire, self._run, self._finish):
            self._do(step)

    def _do(self, step: Callable[[str], None]) -> None:
        self.database.do(self.database.begin)
        step("2026-01-01 00:00:00")
        self.database.do("COMMIT")

    def _submit(self, at: str) -> None:
        do = self.database.do
        self.job = self.database.insert(_JOB, (self.bucket, at))
        do("INSERT INTO taskbuffer_jobparameters VALUES (?, ?)", (self.job, self.panda))
        do(_FILE, (self.job, "out.root", "output"))
        do(_FILE, (self.job, "job.log.tgz", "log"))
        ready = (self.job, self.bucket, self.job)
        do("INSERT INTO taskbuffer_ready (job_id, bucket_id, place) VALUES (?, ?, ?)", ready)
        do(_EVENT, (self.job, "", "activated", at))

    def _acquire(self, at: str) -> None:
        do = self.database.do
        first = "SELECT job_id FROM taskbuffer_ready WHERE bucket_id = ? ORDER BY place LIMIT 1"
        self.job = (do(first + self.database.for_me, (self.bucket,)) or [0])[0]
        do("SELECT panda FROM taskbuffer_jobparameters WHERE job_id = ?", (self.job,))
        do("DELETE FROM taskbuffer_ready WHERE job_id = ?", (self.job,))
        do("UPDATE taskbuffer_job SET state = 'sent' WHERE id = ? AND state = 'activated'", (self.job,))
        do(_ATTEMPT, (self.job, uuid.uuid4().hex, at))
        do(_LIVE, (self.job, time.time()))
        do(_EVENT, (self.job, "activated", "sent", at))

    def _run(self, at: str) -> None:
        do = self.database.do
        do("UPDATE taskbuffer_live SET state = 'running', heartbeat = ? WHERE job_id = ?", (time.time(), self.job))
        moved = "UPDATE taskbuffer_job SET state = 'running', started_at = ? WHERE id = ? AND state = 'sent'"
        do(moved, (at, self.job))
        do("UPDATE taskbuffer_attempt SET state = 'running', started_at = ? WHERE job_id = ?", (at, self.job))
        do(_EVENT, (self.job, "sent", "running", at))

    def _finish(self, at: str) -> None:
        do = self.database.do
        moved = "UPDATE taskbuffer_job SET state = 'finished', ended_at = ? WHERE id = ? AND state = 'running'"
        do(moved, (at, self.job))
        do("DELETE FROM taskbuffer_live WHERE job_id = ?", (self.job,))
        ended = "UPDATE taskbuffer_attempt SET state = 'finished', ended_at = ?, digest = ? WHERE job_id = ?"
        do(ended, (at, "0" * 64, self.job))
        do(_REPORT, (json.dumps(FILES), self.job))
        for name in FILES:
            do(_STORED, (self.job, name))
        do(_EVENT, (self.job, "running", "finished", at))
