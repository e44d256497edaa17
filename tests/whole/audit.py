"""What a system's rows and files say after everything is over: no job lost, none done twice, no event missing."""

from __future__ import annotations

import sqlite3
import zlib
from collections import Counter
from pathlib import Path
from urllib.parse import urlparse

FINAL = ("finished", "failed", "cancelled", "closed")


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

    def moves(self) -> dict[int, list[tuple[int, str, str]]]:
        """Answer the moves of each job: attempt, before, after."""
        moves: dict[int, list[tuple[int, str, str]]] = {}
        query = "SELECT job_id, attempt, state_before, state_after FROM taskbuffer_jobevent ORDER BY id"
        for job, *move in self.read(query):
            moves.setdefault(job, []).append(tuple(move))
        return moves


def complaints(rows: Rows) -> list[str]:
    """Answer everything that is not as it should be once all tasks are done."""
    return [*_of_jobs(rows), *_of_files(rows), *_of_production(rows)]


def _of_jobs(rows: Rows) -> list[str]:
    wrong = []
    moves = rows.moves()
    for job, attempts, state in rows.read("SELECT id, attempt, state FROM taskbuffer_job"):
        seen = moves.get(job, [])
        afters = [after for _, _, after in seen]
        if state != "finished" or afters[-1:] != ["finished"] or afters.count("finished") != 1:
            wrong.append(f"job {job} is {state}; it went through {afters}")
        if [before for _, before, _ in seen] != ["", *afters[:-1]]:
            wrong.append(f"job {job}: its moves are no chain: {seen}")
        given = Counter(attempt for attempt, _, after in seen if after == "sent")
        if given != Counter(range(1, attempts + 1)):
            wrong.append(f"job {job}: its {attempts} attempts were given so often: {dict(given)}")
    for job, number, state in rows.read("SELECT job_id, number, state FROM taskbuffer_attempt"):
        if state not in FINAL:
            wrong.append(f"attempt {job}.{number} is still {state}")
    for table in ("ready", "live"):
        if left := rows.count(f"SELECT COUNT(*) FROM taskbuffer_{table}"):
            wrong.append(f"{left} jobs are still in {table}")
    return wrong


def _of_files(rows: Rows) -> list[str]:
    wrong = []
    query = "SELECT job_id, lfn, role, state, url, size, checksum FROM taskbuffer_jobfile WHERE role <> 'input'"
    seen: Counter[str] = Counter()
    for job, lfn, role, state, url, size, checksum in rows.read(query):
        if role == "output" and state != "ready":
            wrong.append(f"output {lfn} of job {job} is {state}")
        if state != "ready":
            continue
        seen[url] += 1
        path = Path(urlparse(url).path)
        if not path.is_file():
            wrong.append(f"{lfn} of job {job} is not at {path}")
        elif path.stat().st_size != size or f"{zlib.adler32(path.read_bytes()):08x}" not in checksum:
            wrong.append(f"{path} is not what was registered: {size} bytes, {checksum}")
    return wrong + [f"{url} was registered {times} times" for url, times in seen.items() if times > 1]


def _of_production(rows: Rows) -> list[str]:
    wrong = []
    owned = [job for kind in ("chunk", "mergegroup") for (job,) in rows.read(f"SELECT job_id FROM production_{kind}")]
    jobs = [job for (job,) in rows.read("SELECT id FROM taskbuffer_job")]
    if sorted(owned) != sorted(jobs):
        wrong.append(f"jobs {jobs} belong to the pieces of {owned}")
    for kind in ("chunk", "mergegroup"):
        for piece, state, words in rows.read(f"SELECT id, state, words FROM production_{kind}"):
            if state != "finished":
                wrong.append(f"{kind} {piece} is {state}: {words}")
    for run, kind, verdict, words in rows.read("SELECT run_id, kind, verdict, words FROM production_crosscheck"):
        if verdict != "yes":
            wrong.append(f"cross-check of {kind} in run {run} says {verdict}: {words}")
    ordered = "SELECT SUM(events_ordered) FROM production_chunk"
    made = "SELECT SUM(events_done) FROM production_chunk WHERE events_ordered IS NOT NULL"
    mdst, merged = (f"SELECT SUM(events) FROM production_output WHERE kind = '{kind}'" for kind in ("mdst", "merged_mdst"))
    for one, other, what in ((ordered, made, "generated"), (mdst, merged, "merged")):
        if rows.count(one) != rows.count(other):
            wrong.append(f"{rows.count(one)} events were to be {what}, {rows.count(other)} were")
    return wrong
