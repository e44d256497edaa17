"""What a system's rows and files say after everything is over: no job lost, none done twice, no event missing."""

from __future__ import annotations

import sqlite3
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlparse

FINAL = ("finished", "failed", "cancelled", "closed")


class Move(NamedTuple):
    """One move of a job."""

    attempt: int
    before: str
    after: str


class Rows:
    """The tables, read only; every answer is as of now."""

    def __init__(self, database: Path) -> None:
        self.database = database

    def read(self, query: str, *values: object) -> list[tuple]:
        connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=30)
        try:
            return connection.execute(query, values).fetchall()
        finally:
            connection.close()

    def count(self, query: str, *values: object) -> int:
        """Answer the one number that a query asks for; 0 while there are no tables."""
        try:
            return int(self.read(query, *values)[0][0] or 0)
        except sqlite3.OperationalError:
            return 0

    def jobs(self, state: str) -> int:
        return self.count("SELECT COUNT(*) FROM taskbuffer_job WHERE state = ?", state)

    def moves(self) -> dict[int, list[Move]]:
        """Answer the moves of each job, in their order."""
        moves: dict[int, list[Move]] = {}
        query = "SELECT job_id, attempt, state_before, state_after FROM taskbuffer_jobevent ORDER BY id"
        for job, *move in self.read(query):
            moves.setdefault(job, []).append(Move(*move))
        return moves


def complaints(rows: Rows) -> list[str]:
    """Answer everything that is not as it should be once all tasks are done."""
    checks = (_jobs, _attempts, _queues, _files, _owners, _pieces, _checks, _sums)
    return [words for check in checks for words in check(rows)]


def _jobs(rows: Rows) -> Iterator[str]:
    moves = rows.moves()
    for job, attempts, state in rows.read("SELECT id, attempt, state FROM taskbuffer_job"):
        if state != "finished":
            yield f"job {job} is {state}"
        yield from wrong_moves(job, attempts, moves.get(job, []))


def wrong_moves(job: int, attempts: int, seen: list[Move]) -> Iterator[str]:
    """Say what is wrong with the way of one job to its good end."""
    afters = [after for _, _, after in seen]
    if afters[-1:] != ["finished"] or afters.count("finished") != 1:
        yield f"job {job} went through {afters}"
    if [before for _, before, _ in seen] != ["", *afters[:-1]]:
        yield f"job {job}: its moves are no chain: {seen}"
    given = Counter(attempt for attempt, _, after in seen if after == "sent")
    if given != Counter(range(1, attempts + 1)):
        yield f"job {job}: its {attempts} attempts were given so often: {dict(given)}"


def _attempts(rows: Rows) -> Iterator[str]:
    for job, number, state in rows.read("SELECT job_id, number, state FROM taskbuffer_attempt"):
        if state not in FINAL:
            yield f"attempt {job}.{number} is still {state}"


def _queues(rows: Rows) -> Iterator[str]:
    for table in ("ready", "live"):
        if left := rows.count(f"SELECT COUNT(*) FROM taskbuffer_{table}"):
            yield f"{left} jobs are still in {table}"


def _files(rows: Rows) -> Iterator[str]:
    query = "SELECT job_id, lfn, role, state, url, size, checksum FROM taskbuffer_jobfile WHERE role <> 'input'"
    seen: Counter[str] = Counter()
    for job, lfn, role, state, url, size, checksum in rows.read(query):
        if state == "ready":
            seen[url] += 1
            yield from _stored(Path(urlparse(url).path), size, checksum)
        elif role == "output":
            yield f"output {lfn} of job {job} is {state}"
    yield from (f"{url} was registered {times} times" for url, times in seen.items() if times > 1)


def _stored(path: Path, size: int, checksum: str) -> Iterator[str]:
    found = path.read_bytes() if path.is_file() else b""
    if len(found) != size or checksum != f"adler32:{zlib.adler32(found):08x}":
        yield f"{path} is not what was registered: {size} bytes, {checksum}"


def _owners(rows: Rows) -> Iterator[str]:
    owned = rows.read("SELECT job_id FROM production_chunk UNION ALL SELECT job_id FROM production_mergegroup")
    jobs = rows.read("SELECT id FROM taskbuffer_job")
    if Counter(owned) != Counter(jobs):
        yield f"there are jobs {jobs}, and pieces with the jobs {owned}"


def _pieces(rows: Rows) -> Iterator[str]:
    for kind in ("chunk", "mergegroup"):
        for piece, state, words in rows.read(f"SELECT id, state, words FROM production_{kind}"):
            if state != "finished":
                yield f"{kind} {piece} is {state}: {words}"


def _checks(rows: Rows) -> Iterator[str]:
    for run, kind, verdict, words in rows.read("SELECT run_id, kind, verdict, words FROM production_crosscheck"):
        if verdict != "yes":
            yield f"cross-check of {kind} in run {run} says {verdict}: {words}"


def _sums(rows: Rows) -> Iterator[str]:
    of_chunks = "SELECT SUM({}) FROM production_chunk WHERE events_ordered IS NOT NULL"
    of_files = "SELECT SUM(events) FROM production_output WHERE kind = '{}'"
    ordered, made = (rows.count(of_chunks.format(column)) for column in ("events_ordered", "events_done"))
    chunks, merged = (rows.count(of_files.format(kind)) for kind in ("mdst", "merged_mdst"))
    if ordered != made:
        yield f"{ordered} events were ordered, {made} were generated"
    if chunks != merged or not merged:
        yield f"{chunks} events were reconstructed, {merged} were merged"
