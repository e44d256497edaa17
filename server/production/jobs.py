"""What the production asks of the task buffer: always in bulk, never one job at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pilot.contract.job import JobOrder, Role
from pilot.contract.states import JobState
from server.brokerage import queries as brokerage
from server.production.judging import JobView
from server.production.raw_lists import LARGEST
from server.taskbuffer import logic, queries
from server.taskbuffer.models import JobFile
from server.taskbuffer.states import FileState

#: PanDA's kill code of jobs that their task does not want any more.
CLOSE = 51

#: Ids of one statement.
BATCH = 400


@dataclass(frozen=True)
class Stored:
    """A file that a finished job has stored; ``size`` in bytes."""

    id: int
    job_id: int
    lfn: str
    role: Role
    dataset: str
    endpoint: str
    url: str
    size: int
    checksum: str


def views(numbers: Collection[int]) -> dict[int, JobView]:
    """Answer how jobs stand now, by number; a number that is no job's is left out."""
    found: dict[int, JobView] = {}
    for batch in _batches(numbers):
        for job in queries.known_jobs(batch):
            said = [job.payload_error_words, job.pilot_error_words, job.server_error_words]
            words = next(filter(None, said), "")
            found[job.pk] = JobView(
                job.pk,
                JobState(job.state),
                job.attempt,
                _believed(job.events),
                job.payload_error,
                words,
                job.pilot_error,
                job.queue,
                "\n".join(dict.fromkeys(filter(None, said))),
            )
    return found


def _believed(events: int | None) -> int | None:
    """Take a number of events that no job can have made for unknown: a pilot may report anything."""
    return events if events is not None and 0 <= events <= LARGEST else None


def stored(numbers: Collection[int]) -> dict[int, list[Stored]]:
    """Answer the outputs and logs that jobs have stored, by job."""
    found: dict[int, list[Stored]] = {}
    for batch in _batches(numbers):
        for file in _written(batch):
            found.setdefault(file.job_id, []).append(
                Stored(
                    id=file.pk,
                    job_id=file.job_id,
                    lfn=file.lfn,
                    role=Role(file.role),
                    dataset=file.dataset,
                    endpoint=file.endpoint,
                    url=file.url,
                    size=file.size or 0,
                    checksum=file.checksum or "",
                )
            )
    return found


def _written(numbers: Sequence[int]) -> list[JobFile]:
    files = queries.files_of(numbers)
    return [file for file in files if file.state == FileState.READY.value and file.role != Role.INPUT.value]


def moved_after(position: int, most: int) -> tuple[set[int], int]:
    """Answer the jobs that moved after an event, and the number of the last event looked at."""
    moves = queries.moves_after(position, limit=most)
    return {move.job_id for move in moves}, (moves[-1].pk if moves else position)


def queued() -> Counter[str]:
    """Count the jobs that wait in each queue: once per cycle, since it looks at all that wait."""
    return Counter(queries.ready_by_queue())


def queued_from(priorities: Collection[int]) -> tuple[Counter[str], Mapping[int, Counter[str]]]:
    """Count the jobs that wait in each queue, and those of them that have at least each of these priorities."""
    every, found = queries.ready_from(priorities)
    return Counter(every), {priority: Counter(counts) for priority, counts in found.items()}


def submit(orders: Iterable[JobOrder], *, by: str) -> list[int]:
    """Submit jobs; their numbers come in the same order. Belongs into the transaction that writes the numbers down.

    Raises:
        ContractError: the task buffer cannot take one of them, or its user is banned; none was taken.
    """
    return submit_placed(placed(orders), by=by)


def placed(orders: Iterable[JobOrder]) -> Sequence[JobOrder]:
    """Answer orders as they are to be submitted: those that name no queue are sent to one.

    Raises:
        ContractError: no queue takes one of them, or its user is banned.
    """
    return brokerage.prepare(list(orders))


def submit_placed(orders: Sequence[JobOrder], *, by: str) -> list[int]:
    """Submit jobs that have their queues, as `submit` does."""
    return logic.submit(orders, by=by)


def retry(numbers: Collection[int], *, by: str, elsewhere: Collection[int] = ()) -> dict[int, str]:
    """Order another attempt of failed jobs; answer, for those that cannot have one, why.

    Those of ``elsewhere`` go to another queue, if one takes them where they have not been.
    """
    return logic.retry(numbers, by=by, elsewhere=elsewhere)


def kill(numbers: Collection[int], *, by: str) -> None:
    """End jobs that have not ended: at once, or by their pilot's next report."""
    logic.kill(numbers, by=by)


def of_task(number: int) -> list[int]:
    """Answer the numbers of all jobs that have a task's number."""
    return queries.jobs_of_task(number)


def withdraw(numbers: Collection[int], *, by: str) -> set[int]:
    """Take jobs out of the queue that no pilot has; answer which those were."""
    outcomes = logic.kill(numbers, code=CLOSE, by=by, waits_only=True)
    return {number for number, outcome in outcomes.items() if outcome is logic.KillOutcome.ENDED}


def _batches(numbers: Collection[int]) -> Iterator[Sequence[int]]:
    ordered = sorted(numbers)
    for start in range(0, len(ordered), BATCH):
        yield ordered[start : start + BATCH]
