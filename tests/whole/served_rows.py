"""The rows of a database that is a server, and what has to be true of them when many pilots have had all the jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pilot.contract.states import JobState, may_follow
from server.settings.database import read_address
from tests.whole.audit import FINAL, Rows, wrong_moves


class ServedRows(Rows):
    """The tables at an address; every answer is as of now."""

    def __init__(self, url: str) -> None:
        self.address = read_address(url)

    def read(self, query: str, *values: object) -> list[tuple]:
        connection = self._connected()
        try:
            with connection.cursor() as cursor:
                cursor.execute(query.replace("?", "%s"), values)
                return list(cursor.fetchall())
        finally:
            connection.close()

    def _connected(self):
        at = self.address
        if at.kind == "postgresql":
            import psycopg

            return psycopg.connect(host=at.host, port=at.port, user=at.user, dbname=at.name, autocommit=True)
        import pymysql

        return pymysql.connect(unix_socket=at.host, user=at.user, database=at.name, autocommit=True)


def wrongs(rows: Rows, jobs: int, had: int) -> list[str]:
    """Answer everything that is not as it should be.

    Args:
        rows: The tables.
        jobs: So many were submitted, each with one output.
        had: So many attempts the pilots were given.
    """
    return [*_moves(rows, jobs, had), *_attempts(rows), *_outputs(rows, jobs), *_left(rows)]


def _moves(rows: Rows, jobs: int, had: int) -> Iterator[str]:
    found = {
        job: (attempt, state) for job, attempt, state in rows.read("SELECT id, attempt, state FROM taskbuffer_job")
    }
    moves = rows.moves()
    if len(found) != jobs or moves.keys() != found.keys():
        yield f"{jobs} jobs were submitted; there are {len(found)}, and {len(moves)} with events"
    for job, (attempt, state) in found.items():
        if state != "finished":
            yield f"job {job} is {state}"
        yield from wrong_moves(job, attempt, moves.get(job, []))
        for _, before, after in moves.get(job, []):
            if before and not may_follow(JobState(before), JobState(after)):
                yield f"job {job} moved from {before} to {after}"
    given = sum(after == "sent" for seen in moves.values() for _, _, after in seen)
    if given != had:
        yield f"{given} attempts were given out, and the pilots have had {had}"


def _attempts(rows: Rows) -> Iterator[str]:
    query = "SELECT a.job_id, a.number, a.state, j.attempt, j.state FROM taskbuffer_attempt a"
    for job, number, state, last, end in rows.read(f"{query} JOIN taskbuffer_job j ON j.id = a.job_id"):
        if state not in FINAL or state != (end if number == last else "failed"):
            yield f"attempt {job}.{number} of {last} is {state}; the job is {end}"


def _outputs(rows: Rows, jobs: int) -> Iterator[str]:
    query = (
        "SELECT f.job_id, f.state, f.size, j.attempt FROM taskbuffer_jobfile f JOIN taskbuffer_job j ON j.id = f.job_id"
    )
    seen: Counter[int] = Counter()
    for job, state, size, attempt in rows.read(f"{query} WHERE f.role = 'output'"):
        seen[job] += 1
        if (state, size) != ("ready", 10 + attempt):
            yield f"the output of job {job}, attempt {attempt}, is {state} with {size} bytes"
    if len(seen) != jobs or set(seen.values()) != {1}:
        yield f"{jobs} jobs have {sum(seen.values())} outputs"


def _left(rows: Rows) -> Iterator[str]:
    for table in ("ready", "live"):
        if left := rows.count(f"SELECT COUNT(*) FROM taskbuffer_{table}"):
            yield f"{left} jobs are still in {table}"
