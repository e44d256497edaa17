"""The audit itself: it has nothing to say of rows that are right, and catches every way in which they may be wrong."""

from __future__ import annotations

import sqlite3

import pytest

from tests.whole.audit import Rows, wrongs

pytestmark = pytest.mark.one_python

TABLES = """
CREATE TABLE taskbuffer_job (id, state, attempt, bucket_id DEFAULT 1);
CREATE TABLE taskbuffer_jobevent (id INTEGER PRIMARY KEY, job_id, attempt, state_before, state_after);
CREATE TABLE taskbuffer_attempt (
    id INTEGER PRIMARY KEY, job_id, number, state, request_id, nth, digest, started_at, ended_at
);
CREATE TABLE taskbuffer_bucket (id, cores);
CREATE TABLE taskbuffer_archivedjob (id);
CREATE TABLE accounting_bookmark (position);
CREATE TABLE accounting_failure (attempts);
CREATE TABLE accounting_usage (
    attempts, attempts_failed, jobs_finished, good_core_seconds, lost_core_seconds
);
CREATE TABLE taskbuffer_jobfile (id INTEGER PRIMARY KEY, job_id, lfn, role, state, may_be_missing, attempt);
CREATE TABLE taskbuffer_ready (job_id);
CREATE TABLE taskbuffer_live (job_id, attempt, state);
CREATE TABLE taskbuffer_waiting (job_id, state);
CREATE TABLE taskbuffer_jobreport (attempt_id);
"""
# 1 was lost, then finished; 2 failed and was tried again in vain; 3 was cancelled in the queue; 4 has a pilot still;
# 5 was reset, put back and reset again, and is queued; 6 was reset and waits.
RIGHT = """
INSERT INTO taskbuffer_job (id, state, attempt) VALUES
    (1, 'finished', 2), (2, 'failed', 2), (3, 'cancelled', 1), (4, 'running', 1),
    (5, 'activated', 2), (6, 'defined', 2);
INSERT INTO taskbuffer_jobevent (job_id, attempt, state_before, state_after) VALUES
    (1, 1, '', 'defined'), (1, 1, 'defined', 'activated'), (1, 1, 'activated', 'sent'), (1, 1, 'sent', 'activated'),
    (1, 2, 'activated', 'sent'), (1, 2, 'sent', 'running'), (1, 2, 'running', 'finished'),
    (2, 1, '', 'activated'), (2, 1, 'activated', 'sent'), (2, 1, 'sent', 'failed'), (2, 1, 'failed', 'activated'),
    (2, 2, 'activated', 'sent'), (2, 2, 'sent', 'failed'),
    (3, 1, '', 'activated'), (3, 1, 'activated', 'cancelled'),
    (4, 1, '', 'activated'), (4, 1, 'activated', 'sent'), (4, 1, 'sent', 'running'),
    (5, 1, '', 'activated'), (5, 1, 'activated', 'sent'), (5, 1, 'sent', 'failed'), (5, 1, 'failed', 'activated'),
    (5, 2, 'activated', 'failed'), (5, 1, 'failed', 'activated'),
    (6, 1, '', 'defined'), (6, 1, 'defined', 'cancelled'), (6, 1, 'cancelled', 'defined');
INSERT INTO taskbuffer_attempt (job_id, number, state, request_id, nth, digest) VALUES
    (1, 1, 'failed', 'a', 0, ''), (1, 2, 'finished', 'b', 0, 'x'), (2, 1, 'failed', 'b', 1, 'x'),
    (2, 2, 'failed', 'c', 0, 'x'), (4, 1, 'running', 'd', 0, ''), (5, 1, 'failed', 'e', 0, 'x');
INSERT INTO taskbuffer_jobreport SELECT id FROM taskbuffer_attempt WHERE digest <> '';
INSERT INTO taskbuffer_jobfile (job_id, lfn, role, state, may_be_missing, attempt) VALUES
    (1, 'out', 'output', 'ready', 0, 2), (1, 'more', 'output', 'nooutput', 1, NULL), (1, 'log.2', 'log', 'ready', 0, 2),
    (2, 'out', 'output', 'failed', 0, NULL), (2, 'log', 'log', 'ready', 0, 1), (2, 'log', 'log', 'failed', 0, NULL);
INSERT INTO taskbuffer_ready VALUES (5);
INSERT INTO taskbuffer_live VALUES (4, 1, 'running');
INSERT INTO taskbuffer_waiting VALUES (6, 'defined');
UPDATE taskbuffer_attempt SET started_at = '2026-11-22 12:00:00', ended_at = '2026-11-22 12:00:10.5' WHERE number = 2;
INSERT INTO taskbuffer_bucket VALUES (1, 2);
-- Counted up to the end of job 2: of its second try, of all of job 1, and of the first of job 2.
INSERT INTO accounting_bookmark VALUES (13);
INSERT INTO accounting_usage VALUES (2, 1, 1, 21, 0), (2, 2, 0, 0, 21);
INSERT INTO accounting_failure VALUES (1), (2);
"""
JOB, MOVE, TRY = "UPDATE taskbuffer_job SET", "UPDATE taskbuffer_jobevent SET", "UPDATE taskbuffer_attempt SET"
ADD = "INSERT INTO taskbuffer_jobevent (job_id, attempt, state_before, state_after) VALUES"
ADD_TRY = "INSERT INTO taskbuffer_attempt (job_id, number, state, request_id, nth, digest) VALUES"
ADD_FILE = "INSERT INTO taskbuffer_jobfile (job_id, lfn, role, state, may_be_missing, attempt) VALUES"
NO_TRY = "job 1: the attempts [1, 2] were given, and there are rows of"

DAMAGED = {
    "a job is gone": ("DELETE FROM taskbuffer_job WHERE id = 3", "job 3 has moves, and no row"),
    "a job has no moves": ("DELETE FROM taskbuffer_jobevent WHERE job_id = 3", "job 3 did not begin with any of"),
    "a move is missing": (
        "DELETE FROM taskbuffer_jobevent WHERE job_id = 1 AND attempt = 2 AND state_after = 'running'",
        "job 1: its moves are no chain",
    ),
    "the last move is not where the job is": (f"{JOB} state = 'closed' WHERE id = 3", "job 3 is closed, and its moves"),
    "a job begins in the middle": (
        f"{MOVE} state_after = 'sent' WHERE job_id = 3 AND state_before = ''",
        "job 3 did not begin with any of",
    ),
    "a job ends twice": (f"{ADD} (1, 2, 'finished', 'finished')", "job 1 moved from finished to finished"),
    "a job ends otherwise after its end": (
        f"{ADD} (3, 1, 'cancelled', 'failed'); {JOB} state = 'failed' WHERE id = 3",
        "job 3 moved from cancelled to failed, which is not in the table",
    ),
    "a finished job goes on": (
        (
            f"{ADD} (1, 2, 'finished', 'activated'); {JOB} state = 'activated', attempt = 3"
            " WHERE id = 1; INSERT INTO taskbuffer_ready VALUES (1)"
        ),
        "job 1 moved from finished to activated, which is not in the table",
    ),
    "a state is none of the table's": (
        (
            f"{JOB} state = 'lost' WHERE id = 4; {MOVE} state_after = 'lost'"
            " WHERE job_id = 4 AND state_after = 'running'"
        ),
        "job 4 moved from sent to lost",
    ),
    "an attempt is passed over": (
        f"{MOVE} attempt = 3 WHERE job_id = 2 AND attempt = 2",
        "is of attempt 3, and not of",
    ),
    "a job counts another attempt than its moves": (
        f"{JOB} attempt = 3 WHERE id = 2",
        "is of attempt 3, and not of [2]",
    ),
    "an attempt is given twice": (f"{MOVE} attempt = 1 WHERE job_id = 1", "attempt 1.1 was given 2 times"),
    "an attempt has no row": ("DELETE FROM taskbuffer_attempt WHERE job_id = 1 AND number = 1", f"{NO_TRY} [2]"),
    "an attempt has two rows": (f"{ADD_TRY} (1, 1, 'failed', 'f', 0, '')", f"{NO_TRY} [1, 1, 2]"),
    "an attempt of no job": (f"{ADD_TRY} (9, 1, 'failed', 'f', 0, '')", "job 9: the attempts [] were given"),
    "an attempt was never ended": (
        f"{TRY} state = 'running' WHERE job_id = 1 AND number = 1",
        "attempt 1.1 is running; its ends are ['failed']",
    ),
    "an attempt ended otherwise than its move": (
        f"{TRY} state = 'cancelled' WHERE job_id = 2 AND number = 2",
        "attempt 2.2 is cancelled; its ends are ['failed']",
    ),
    "an attempt ended twice": (
        f"{ADD} (2, 2, 'sent', 'failed')",
        "attempt 2.2 is failed; its ends are ['failed', 'failed']",
    ),
    "an attempt is elsewhere than its job": (
        f"{TRY} state = 'starting' WHERE job_id = 4",
        "attempt 4.1 is starting; its ends are ['running']",
    ),
    "a request was answered twice": (
        f"{TRY} request_id = 'b', nth = 1 WHERE job_id = 5",
        "request b was given 2 jobs as its number 1",
    ),
    "an output was not registered": (
        "UPDATE taskbuffer_jobfile SET state = 'unknown' WHERE job_id = 1",
        "output out of job 1 is unknown",
    ),
    "an output must not be missing": (
        "UPDATE taskbuffer_jobfile SET may_be_missing = 0",
        "output more of job 1 is nooutput",
    ),
    "an output is an old attempt's": (
        "UPDATE taskbuffer_jobfile SET attempt = 1 WHERE job_id = 1 AND lfn = 'out'",
        "output out of job 1 is ready, by attempt 1 of 2",
    ),
    "an output of a failed job": (
        "UPDATE taskbuffer_jobfile SET state = 'ready' WHERE job_id = 2 AND lfn = 'out'",
        "output out was registered, and job 2 is failed",
    ),
    "a file was registered twice": (
        f"{ADD_FILE} (1, 'out', 'output', 'ready', 0, 2)",
        "out of job 1 was registered 2 times",
    ),
    "an attempt has two logs": (f"{ADD_FILE} (1, 'log.3', 'log', 'ready', 0, 2)", "attempt 1.2 has 2 logs"),
    "a queued job is in no queue": ("DELETE FROM taskbuffer_ready", "5 is not in ready"),
    "a job is queued twice": ("INSERT INTO taskbuffer_ready VALUES (5)", "5 is in ready, and must not be"),
    "a job that has ended is queued": ("INSERT INTO taskbuffer_ready VALUES (3)", "3 is in ready, and must not be"),
    "nobody watches a pilot": ("DELETE FROM taskbuffer_live", "(4, 1, 'running') is not in live"),
    "the lease is an old attempt's": (
        "UPDATE taskbuffer_live SET attempt = 0",
        "(4, 0, 'running') is in live, and must",
    ),
    "the lease of an attempt is left": (
        "INSERT INTO taskbuffer_live VALUES (1, 2, 'running')",
        "(1, 2, 'running') is in live",
    ),
    "a job that waits is forgotten": ("DELETE FROM taskbuffer_waiting", "(6, 'defined') is not in waiting"),
    "a queued job waits": ("INSERT INTO taskbuffer_waiting VALUES (5, 'defined')", "(5, 'defined') is in waiting, and"),
    "a final report is gone": (
        "DELETE FROM taskbuffer_jobreport WHERE attempt_id = 2",
        "attempt 1.2 has 0 final reports, and ended by 1",
    ),
    "a try was counted twice": (
        "UPDATE accounting_usage SET attempts = attempts + 1",
        "usage says 6 tries, and there were 4",
    ),
    "a counted try is not in any sum": (
        "DELETE FROM accounting_usage WHERE attempts_failed = 2",
        "says 2 tries, and there",
    ),
    "a try is passed over": (
        "UPDATE accounting_bookmark SET position = 25",
        "usage says 4 tries, and there were 5 up to",
    ),
    "a job is counted twice": (
        "UPDATE accounting_usage SET jobs_finished = 1",
        "usage says 2 finished jobs, and there were 1",
    ),
    "a failure has no cause": (
        "DELETE FROM accounting_failure",
        "usage says None causes of failures, and there were 3",
    ),
    "a failure is counted as a success": (
        "UPDATE accounting_usage SET attempts_failed = 1",
        "usage says 2 failed tries, and there were 3",
    ),
    "core-seconds were lost on the way": (
        "UPDATE accounting_usage SET good_core_seconds = 0",
        "usage says 0 good core-seconds, and there were 21 up to event 13",
    ),
    "a final report was kept twice": (
        "INSERT INTO taskbuffer_jobreport VALUES (2)",
        "attempt 1.2 has 2 final reports, and ended by 1",
    ),
}


class RowsInMemory(Rows):
    """Tables that are right, and what was then done to them."""

    def __init__(self, damage: str = "") -> None:
        self.connection = sqlite3.connect(":memory:")
        self.connection.executescript(f"{TABLES}{RIGHT}{damage}")

    def read(self, query: str, *values: object) -> list[tuple]:
        return self.connection.execute(query, values).fetchall()


def test_nothing_is_said_of_rows_that_are_right():
    assert wrongs(RowsInMemory(), over=False) == []


@pytest.mark.parametrize("damage", DAMAGED)
def test_rows_that_are_wrong_are_caught(damage):
    done, words = DAMAGED[damage]
    assert any(words in said for said in wrongs(RowsInMemory(done), over=False)), wrongs(RowsInMemory(done), over=False)


def test_before_anything_is_counted_nothing_may_stand_in_the_sums():
    empty = "DELETE FROM accounting_bookmark; DELETE FROM accounting_failure;"
    assert wrongs(RowsInMemory(f"{empty} DELETE FROM accounting_usage"), over=False) == []
    assert any("usage says 4 tries, and there were 0" in said for said in wrongs(RowsInMemory(empty), over=False))


def test_of_sums_of_jobs_that_are_archived_nothing_is_said():
    assert (
        wrongs(RowsInMemory("DELETE FROM accounting_usage; INSERT INTO taskbuffer_archivedjob VALUES (7)"), over=False)
        == []
    )


def test_jobs_that_have_not_ended_are_named_when_all_is_over():
    said = wrongs(RowsInMemory())
    assert said == [
        f"job {job} has not ended, it is {state}" for job, state in ((4, "running"), (5, "activated"), (6, "defined"))
    ]
