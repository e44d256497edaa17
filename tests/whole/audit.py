"""What a system's rows and files say after everything is over: no job lost, none done twice, no event missing.

`wrongs` reads what the task buffer has written and needs to know nothing else; `complaints` adds what a whole task is.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlparse

from pilot.contract.states import FINAL, RETRIES, WITH_PILOT, JobState, may_follow

STATES = frozenset(state.value for state in JobState)
ENDS = frozenset(state.value for state in FINAL)
LIVES = frozenset(state.value for state in WITH_PILOT)
#: Where a job begins.
BEGINS = frozenset({"pending", "defined", "waiting", "assigned", "activated"})
#: Before the queue, and behind the pilot.
WAITS = STATES - ENDS - LIVES - {"activated"}


class Move(NamedTuple):
    """One move of a job."""

    attempt: int
    before: str
    after: str


class Try(NamedTuple):
    """One attempt; ``reported`` says that a final report of its pilot ended it."""

    job: int
    number: int
    state: str
    request: str
    nth: int
    reported: bool


class File(NamedTuple):
    """An output or log as it was ordered, and what was registered of it by which attempt."""

    job: int
    lfn: str
    role: str
    state: str
    may_be_missing: bool
    attempt: int | None


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


@dataclass(frozen=True)
class Ledger:
    """All that the task buffer has written, by job."""

    jobs: dict[int, tuple[str, int]]  # state and attempt
    moves: dict[int, list[Move]]
    tries: dict[int, list[Try]]
    files: dict[int, list[File]]
    ready: list[int]
    live: list[tuple[int, int, str]]  # job, attempt, state
    waiting: list[tuple[int, str]]
    reports: list[tuple[int, int]]  # job, attempt


def read_ledger(rows: Rows) -> Ledger:
    """Read everything once."""
    tries = rows.read("SELECT job_id, number, state, request_id, nth, digest <> '' FROM taskbuffer_attempt")
    files = rows.read(
        "SELECT job_id, lfn, role, state, may_be_missing, attempt FROM taskbuffer_jobfile WHERE role <> 'input'"
    )
    reports = "SELECT a.job_id, a.number FROM taskbuffer_jobreport r JOIN taskbuffer_attempt a ON a.id = r.attempt_id"
    return Ledger(
        jobs={
            job: (state, attempt) for job, state, attempt in rows.read("SELECT id, state, attempt FROM taskbuffer_job")
        },
        moves=rows.moves(),
        tries=_by_job(Try(*row) for row in tries),
        files=_by_job(File(*row) for row in files),
        ready=[job for (job,) in rows.read("SELECT job_id FROM taskbuffer_ready")],
        live=[(row[0], row[1], row[2]) for row in rows.read("SELECT job_id, attempt, state FROM taskbuffer_live")],
        waiting=[(row[0], row[1]) for row in rows.read("SELECT job_id, state FROM taskbuffer_waiting")],
        reports=[(row[0], row[1]) for row in rows.read(reports)],
    )


def _by_job(rows: Iterable[Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.job].append(row)
    return found


def wrongs(rows: Rows, *, over: bool = True) -> list[str]:
    """Answer everything that the task buffer's rows must not say; what they say is in the words.

    Args:
        rows: The tables.
        over: All jobs have ended; otherwise they may be on their way.
    """
    ledger = read_ledger(rows)
    rules = (_ways, _numbers, _given, _ended_tries, _requests, _outputs, _registered, _standing, _reported)
    found = [*(words for rule in rules for words in rule(ledger)), *_accounted(rows)]
    return [*found, *(_unended(ledger) if over else ())]


def _unended(ledger: Ledger) -> Iterator[str]:
    for job, (state, _) in ledger.jobs.items():
        if state not in ENDS:
            yield f"job {job} has not ended, it is {state}"


def _ways(ledger: Ledger) -> Iterator[str]:
    """Every job came to where it is by moves of the table, without a gap: what has finished stays so for ever."""
    for job in ledger.moves.keys() - ledger.jobs.keys():
        yield f"job {job} has moves, and no row"
    for job, (state, _) in ledger.jobs.items():
        seen = ledger.moves.get(job, [])
        befores, afters = [move.before for move in seen], [move.after for move in seen]
        if befores != ["", *afters[:-1]]:
            yield f"job {job}: its moves are no chain: {seen}"
        if afters[:1] == [] or afters[0] not in BEGINS:
            yield f"job {job} did not begin with any of {sorted(BEGINS)}: {afters[:1]}"
        if afters[-1:] != [state]:
            yield f"job {job} is {state}, and its moves are {afters}"
        for _, before, after in seen[1:]:
            if not {before, after} <= STATES or not may_follow(JobState(before), JobState(after)):
                yield f"job {job} moved from {before} to {after}, which is not in the table"


def _numbers(ledger: Ledger) -> Iterator[str]:
    """A job is at one attempt more after each return; at one less only where a reset was undone.

    It begins with its first, or in the place of another job with its second.
    """
    for job, (_, attempt) in ledger.jobs.items():
        may_be = {1, 2}
        for move in [*ledger.moves.get(job, []), Move(attempt, "", "")]:
            if move.attempt not in may_be:
                yield f"job {job}: {move} is of attempt {move.attempt}, and not of {sorted(may_be)}"
                break
            may_be = {move.attempt}
            if move.before in ENDS or (move.before in LIVES and move.after == "activated"):
                may_be = {move.attempt + 1}
            elif move.before not in LIVES and move.after in ENDS:
                may_be = {move.attempt, move.attempt - 1}


def _given(ledger: Ledger) -> Iterator[str]:
    """Each attempt was given to a pilot once: one move to ``sent``, and one row."""
    for job in ledger.moves.keys() | ledger.tries.keys():
        sent = Counter(move.attempt for move in ledger.moves.get(job, []) if move.after == "sent")
        rows = Counter(one.number for one in ledger.tries.get(job, []))
        for number, times in sent.items():
            if times > 1:
                yield f"attempt {job}.{number} was given {times} times"
        if sent.keys() != rows.keys() or max(rows.values(), default=1) > 1:
            yield f"job {job}: the attempts {sorted(sent)} were given, and there are rows of {sorted(rows.elements())}"


def _ended_tries(ledger: Ledger) -> Iterator[str]:
    """Each attempt ended once, as its move says; the one that a pilot has is where its job is."""
    for job, tries in ledger.tries.items():
        moves, (state, attempt) = ledger.moves.get(job, []), ledger.jobs.get(job, ("", 0))
        for one in tries:
            ends = [move for move in moves if move.attempt == one.number and _ends_try(move)]
            wanted = [_end_of(move) for move in ends] or ([state] if attempt == one.number else [])
            if wanted != [one.state]:
                yield f"attempt {job}.{one.number} is {one.state}; its ends are {wanted}"


def _ends_try(move: Move) -> bool:
    return move.before in LIVES | {"merging"} and (move.after in ENDS or move.after == "activated")


def _end_of(move: Move) -> str:
    """A pilot that was lost has failed, whatever becomes of the job."""
    retry = move.after == "activated" and (JobState(move.before), JobState.ACTIVATED) in RETRIES
    return "failed" if retry else move.after


def _requests(ledger: Ledger) -> Iterator[str]:
    """The same request for work was answered once."""
    asked = Counter((one.request, one.nth) for tries in ledger.tries.values() for one in tries)
    for (request, nth), times in asked.items():
        if times > 1:
            yield f"request {request} was given {times} jobs as its number {nth}"


def _outputs(ledger: Ledger) -> Iterator[str]:
    """What a finished job had to write was registered by its last attempt; outputs of other jobs were not."""
    for file in (file for files in ledger.files.values() for file in files if file.role == "output"):
        state, attempt = ledger.jobs.get(file.job, ("", 0))
        missing = file.state == "nooutput" and file.may_be_missing
        stored = file.state == "ready" and file.attempt == attempt
        if state == "finished" and not (stored or missing):
            yield f"output {file.lfn} of job {file.job} is {file.state}, by attempt {file.attempt} of {attempt}"
        if state != "finished" and file.state == "ready":
            yield f"output {file.lfn} was registered, and job {file.job} is {state}"


def _registered(ledger: Ledger) -> Iterator[str]:
    """Each file was registered once, and each attempt has one log at most."""
    for job, files in ledger.files.items():
        stored = [file for file in files if file.state == "ready"]
        for lfn, times in Counter(file.lfn for file in stored).items():
            if times > 1:
                yield f"{lfn} of job {job} was registered {times} times"
        for number, times in Counter(file.attempt for file in stored if file.role == "log").items():
            if times > 1:
                yield f"attempt {job}.{number} has {times} logs"


def _standing(ledger: Ledger) -> Iterator[str]:
    """A job is queued, with a pilot, waiting, or over: it has the one small row of that, and no other.

    The row of a job that a pilot has is the lease of its attempt: who gives the attempt up takes it away.
    """
    wanted = [
        ("ready", Counter(ledger.ready), [job for job, (state, _) in ledger.jobs.items() if state == "activated"]),
        ("live", Counter(ledger.live), [(job, n, state) for job, (state, n) in ledger.jobs.items() if state in LIVES]),
        ("waiting", Counter(ledger.waiting), [(job, s) for job, (s, _) in ledger.jobs.items() if s in WAITS]),
    ]
    for table, there, should in wanted:
        for row in (there - Counter(should)).elements():
            yield f"{row} is in {table}, and must not be"
        for row in (Counter(should) - there).elements():
            yield f"{row} is not in {table}"


def _reported(ledger: Ledger) -> Iterator[str]:
    """The final report of each attempt is kept, once."""
    kept = Counter(ledger.reports)
    should = Counter((one.job, one.number) for tries in ledger.tries.values() for one in tries if one.reported)
    for job, number in (kept - should) + (should - kept):
        yield f"attempt {job}.{number} has {kept[job, number]} final reports, and ended by {should[job, number]}"


#: What accounting has added up, and how far, as of one moment.
_ADDED_UP = """SELECT (SELECT MAX(m.position) FROM accounting_bookmark m),
    SUM(u.attempts), SUM(u.attempts_failed), SUM(u.jobs_finished), SUM(u.good_core_seconds), SUM(u.lost_core_seconds),
    (SELECT SUM(f.attempts) FROM accounting_failure f) FROM accounting_usage u"""
#: The ends of tries up to an event, which are as they are for ever.
_ENDED = """SELECT e.state_before, e.state_after, a.state, a.started_at, a.ended_at, b.cores FROM taskbuffer_jobevent e
    JOIN taskbuffer_attempt a ON a.job_id = e.job_id AND a.number = e.attempt
    JOIN taskbuffer_job j ON j.id = e.job_id JOIN taskbuffer_bucket b ON b.id = j.bucket_id WHERE e.id <= ?"""
_SUMS = ("tries", "failed tries", "finished jobs", "good core-seconds", "lost core-seconds", "causes of failures")


def _accounted(rows: Rows) -> Iterator[str]:
    """Usage is what the tries and jobs add up to that ended by the events that are counted; nothing stands in it twice.

    Nothing is said where jobs have gone to the archive with their events.
    """
    if rows.count("SELECT COUNT(*) FROM taskbuffer_archivedjob"):
        return
    ((position, *sums),) = rows.read(_ADDED_UP)
    ended: Counter[str] = Counter()
    for before, after, state, began, over, cores in rows.read(_ENDED, position or 0):
        ended["finished jobs"] += after == "finished"
        if before in LIVES and after not in LIVES:
            kind = "good core-seconds" if state == "finished" else "lost core-seconds"
            ended[kind] += round(_seconds(began, over) * max(1, cores))
            ended.update({"tries": 1, "failed tries": state == "failed", "causes of failures": state == "failed"})
    for name, said in zip(_SUMS, sums, strict=True):
        if int(said or 0) != ended[name]:
            yield f"usage says {said} {name}, and there were {ended[name]} up to event {position}"


def _seconds(began: datetime | str | None, over: datetime | str | None) -> float:
    """Answer how long a try ran; SQLite tells times as texts."""
    times = [datetime.fromisoformat(time) if isinstance(time, str) else time for time in (began, over) if time]
    return max(0.0, (times[1] - times[0]).total_seconds()) if len(times) == 2 else 0.0


def complaints(rows: Rows, *, besides: Collection[int] = ()) -> list[str]:
    """Answer everything that is not as it should be once all tasks are done, and jobs ``besides`` these."""
    checks = (_finished, _stored_files, _pieces, _checks, _sums)
    return [*wrongs(rows), *_owners(rows, besides), *(words for check in checks for words in check(rows))]


def _finished(rows: Rows) -> Iterator[str]:
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


def _stored_files(rows: Rows) -> Iterator[str]:
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


def _owners(rows: Rows, besides: Collection[int]) -> Iterator[str]:
    owned = rows.read("SELECT job_id FROM production_chunk UNION ALL SELECT job_id FROM production_mergegroup")
    jobs = rows.read("SELECT id FROM taskbuffer_job")
    if Counter(owned) + Counter((job,) for job in besides) != Counter(jobs):
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
