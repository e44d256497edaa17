"""What runs before, beside and after a payload: each through a keeper of its own, with output files of its own."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Callable, NamedTuple, Optional

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.job import PayloadCommand, PayloadOutcome, Problem, Utility, When

if TYPE_CHECKING:
    from pilot.runtime.limits import Limits
    from pilot.runtime.process import Payload
    from pilot.runtime.workdir import Workdir

log = logging.getLogger(__name__)

#: What runs beside a payload and ends is started again so often.
RESTARTS = 5

_CODES = {When.BEFORE: ErrorCode.PREPROCESS_FAILED, When.AFTER: ErrorCode.POSTPROCESS_FAILED}


class Means(NamedTuple):
    """What utilities of one payload are run with. ``seconds`` is the longest time of one that is waited for."""

    place: Workdir
    limits: Limits
    seconds: float
    grace: float
    command_of: Callable[[Utility], PayloadCommand]
    judge: Callable[[PayloadOutcome], Optional[Problem]]
    started: Callable[[Payload], None]
    restart_wait: float = 0.5  # seconds before what runs beside is started again; twice as many each time


def with_prmon(utilities: Sequence[Utility], program: str) -> Sequence[Utility]:
    """Add the HEP Software Foundation's process monitor, when the settings name it."""
    if not program:
        return utilities
    files = ("--filename", "memory_monitor_output.txt", "--json-summary", "memory_monitor_summary.json")
    argv = (program, "--pid", "{pid}", *files, "--interval", "60")
    return (*utilities, Utility("prmon", argv, When.BESIDE))


class Utilities:
    """The utilities of one payload."""

    def __init__(self, all_of_them: Sequence[Utility], means: Means) -> None:
        self._all, self._means = all_of_them, means

    def before(self) -> bool:
        """Run what comes before the payload. False when one of them says that there is nothing to do.

        Raises:
            JobFailed: one that is needed failed (PREPROCESS_FAILED).
        """
        for utility in self._of(When.BEFORE):
            if self._run(utility).status in utility.nothing_to_do:
                log.info("%s: there is nothing to do", utility.name)
                return False
        return True

    def after(self, well: bool) -> Optional[Problem]:
        """Run what comes after the payload; of what is needed, only after one that ended well. Answer what failed."""
        for utility in self._of(When.AFTER):
            if well or not utility.needed:
                try:
                    self._run(utility)
                except JobFailed as failed:
                    return Problem(failed.code, failed.detail)
        return None

    @contextlib.contextmanager
    def beside(self, pid: int) -> Iterator[None]:
        """Keep what runs beside the payload running, until the payload has ended."""
        companions = [Companion(utility, pid, self._means) for utility in self._of(When.BESIDE)]
        for companion in companions:
            companion.start()
        try:
            yield
        finally:
            for companion in companions:
                companion.end()
            for companion in companions:
                companion.join()

    def _of(self, when: When) -> list[Utility]:
        return [utility for utility in self._all if utility.when is when]

    def _run(self, utility: Utility) -> PayloadOutcome:
        """Run one to its end. What fails and is not needed is written to the log."""
        payload = _start(utility, utility.argv, self._means)
        self._means.started(payload)
        seconds = utility.seconds or self._means.seconds
        outcome = payload.wait(seconds, self._means.grace)
        if outcome.well or outcome.status in utility.nothing_to_do:
            return outcome
        words = f"{utility.name}: " + (
            f"it ran longer than the {seconds:g} s it may" if outcome.late else self._why(outcome)
        )
        if utility.needed:
            raise JobFailed(_CODES[utility.when], words)
        log.warning("%s", words)
        return outcome

    def _why(self, outcome: PayloadOutcome) -> str:
        """Answer what a payload with this end would be told to have died of."""
        problem = self._means.judge(outcome)
        words = problem.detail if problem else ""
        return words.replace("the payload", "it", 1)


class Companion(threading.Thread):
    """Keeps one program running beside a payload."""

    def __init__(self, utility: Utility, pid: int, means: Means) -> None:
        super().__init__(name=f"beside-{utility.name}", daemon=True)
        self._utility, self._means = utility, means
        self._argv = tuple(word.replace("{pid}", str(pid)) for word in utility.argv)
        self._changing = threading.Lock()
        self._over = threading.Event()
        self._running: Optional[Payload] = None

    def run(self) -> None:
        for again in range(RESTARTS + 1):
            try:
                if self._once():
                    return
            except JobFailed as failed:
                log.warning("%s: %s", self._utility.name, failed.detail)
            if again == RESTARTS:
                log.warning("%s ended %d times, and is not started again", self._utility.name, RESTARTS + 1)
            elif self._over.wait(self._means.restart_wait * 2**again):
                return

    def _once(self) -> bool:
        """Run it to its end; True when the payload has ended too."""
        with self._changing:
            if self._over.is_set():
                return True
            self._running = _start(self._utility, self._argv, self._means)
        outcome = self._running.wait()
        if not self._over.is_set():
            log.warning("%s ended beside its payload: %s", self._utility.name, outcome.status or outcome.signal)
        return self._over.is_set()

    def end(self) -> None:
        """Ask it to end: SIGTERM, grace, SIGKILL."""
        with self._changing:
            self._over.set()
            running = self._running
        if running is not None:
            running.stop(self._means.grace)


def _start(utility: Utility, argv: Sequence[str], means: Means) -> Payload:
    from pilot.runtime import process

    folder = means.place.root
    files = {"stdout": folder / f"{utility.name}.stdout", "stderr": folder / f"{utility.name}.stderr"}
    command = means.command_of(utility._replace(argv=tuple(argv)))
    return process.start(command, **files, limits=means.limits)
