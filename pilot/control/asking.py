"""When to ask for work, and when to stop asking. Pure: the conductor says what happened and asks what follows."""

from __future__ import annotations

from typing import Any, Optional

from pilot.contract.codes import ErrorCode
from pilot.contract.named import NamedTuple
from pilot.job import Problem

#: What tells of an unwell node: the next job would fail in the same way, and use up its attempts here.
UNWELL = frozenset(
    {
        ErrorCode.NO_LOCAL_SPACE,
        ErrorCode.MKDIR,
        ErrorCode.FILE_HANDLING,
        ErrorCode.RESOURCE_UNAVAILABLE,
        ErrorCode.LOG_CREATION_FAILED,
        ErrorCode.JOURNAL_UNUSABLE,
        ErrorCode.NO_SOFTWARE_DIR,
        ErrorCode.CVMFS_NOT_ALIVE,
        ErrorCode.APPTAINER_NOT_INSTALLED,
        ErrorCode.SIGNATURE_UNVERIFIABLE,
    }
)


class Limits(NamedTuple):
    """``requests`` without a job and ``failures`` in a row end the asking.

    Between the first two lie ``wait`` seconds, then twice as many each time, at most ``most_wait``. No work is asked
    for after ``lifetime`` seconds; ``time_floor``: so long after the start a pilot that has done a job asks for more.
    ``same_task``: after a job, work of its task is asked for first. ``places``: so many jobs run at the same time.
    While messages call, ``called_wait`` lies between requests that nothing has called for, and ``called_requests`` of
    them without a job end the asking.
    """

    requests: int
    failures: int
    wait: float
    lifetime: float
    time_floor: float
    most_wait: float = float("inf")
    same_task: bool = False
    places: int = 1
    called_wait: float = 0.0
    called_requests: int = 0


class Asking(NamedTuple):
    """How asking has gone so far. Times are seconds on the conductor's clock."""

    limits: Limits
    started: float
    fruitless: int = 0
    failures: int = 0
    jobs: int = 0
    filled: bool = False  # there was no room for more, or no work to fill it; later jobs are further ones
    task_id: Optional[int] = None  # the task that the next request is for; the one after it is for any
    over: bool = False
    problem: Optional[Problem] = None
    listens: bool = False  # messages say when there is work

    def _with(self, **changes: Any) -> Asking:
        return self._replace(**changes)

    def got(
        self, jobs: int, time_floor: float, task_id: Optional[int] = None, *, busy: bool = False, called: bool = False
    ) -> Asking:
        """Note an answer of the server with so many jobs, the last one's task, and the queue's time floor.

        What a pilot does not get while it is ``busy`` with other jobs does not end its asking; nor does what it does
        not get when it was ``called``, as many pilots may have been.
        """
        limits = self.limits if self.limits.time_floor >= 0 else self.limits._replace(time_floor=time_floor)
        if jobs:
            task_id = task_id if limits.same_task else None
            return self._with(fruitless=0, failures=0, jobs=self.jobs + jobs, limits=limits, task_id=task_id)
        if self.task_id is not None:  # other tasks may have work, and are asked for at once
            return self._with(failures=0, limits=limits, task_id=None)
        fruitless = max(1, self.fruitless + (not called))
        more = self._with(fruitless=fruitless, failures=0, limits=limits, filled=True)
        problem = Problem(ErrorCode.NO_JOBS, f"the server had no job in {more.fruitless} requests")
        return more if busy or called else more._settled(problem)

    def failed(self, problem: Problem, fatal: bool, *, busy: bool = False) -> Asking:
        """Note that asking failed; a pilot that is ``busy`` goes on unless it is of no use."""
        more = self._with(failures=self.failures + 1, over=self.over or fatal)
        return more if busy and not fatal else more._settled(problem)

    def listening(self, listens: bool) -> Asking:
        """Note that messages call from now on, or do so no more: the waits and limits of that count from now."""
        return self._with(listens=listens, fruitless=min(self.fruitless, 1))

    def freed(self) -> Asking:
        """Note that a job has ended: there is room for other work than before, and the limits count from now."""
        return self._with(fruitless=0, failures=0)

    def ended_with(self, problem: Problem) -> Asking:
        """Note what a job failed of; no more work is asked for on an unwell node."""
        return self.stopped() if problem.code in UNWELL else self

    def full(self) -> Asking:
        """Note that there is no room for more now."""
        return self if self.filled else self._with(filled=True)

    def stopped(self) -> Asking:
        """Ask no more."""
        return self._with(over=True)

    def _settled(self, problem: Problem) -> Asking:
        """End the asking when a limit is reached. A pilot that has done jobs may leave without a word of complaint."""
        requests = self.limits.called_requests if self.listens else self.limits.requests
        over = self.over or self.fruitless >= requests or self.failures >= self.limits.failures
        quiet = problem.code is ErrorCode.NO_JOBS and self.jobs > 0
        return self._with(over=over, problem=self.problem if quiet or not over else problem)

    def next(self, now: float, luck: float) -> Optional[float]:
        """Answer when to ask next: now, later, or not again (``None``).

        Args:
            now: The time.
            luck: A random number from 0 to 1. Pilots that started together do not ask together.
        """
        spent = now - self.started
        if self.over or spent >= self.limits.lifetime:
            return None
        filling = self.jobs < self.limits.places and not self.filled
        if self.jobs and not filling and spent >= self.limits.time_floor:
            return None
        tries = self.fruitless + self.failures
        return now if not tries else now + self._wait(tries) * (0.5 + luck)

    def _wait(self, tries: int) -> float:
        if self.listens and not self.failures:
            return self.limits.called_wait
        return float(min(self.limits.wait * 2.0 ** min(tries - 1, 40), self.limits.most_wait))
