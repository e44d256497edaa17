"""One file by whatever way gets it there: ways in their order, again after a while, each try in its own time."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Sequence
from typing import Callable, Optional

from pilot.contract.addresses import shown
from pilot.contract.job import FileSpec, JobSpec
from pilot.contract.messages import StoredFile
from pilot.contract.named import NamedTuple
from pilot.copytool.base import Cancel, CopyCancelled, CopyFailed, Deadline, FailureKind
from pilot.copytool.failures import Direction, passes
from pilot.copytool.routes import Route
from pilot.copytool.together import Turns
from pilot.copytool.trace import WORDS, Trace

log = logging.getLogger(__name__)

OnTrace = Callable[[Trace], object]
_OF_THE_ADDRESS = (FailureKind.NO_SUCH_FILE, FailureKind.EXISTS)


class Policy(NamedTuple):
    """How long, and how often, a copy is tried.

    ``backoff`` is the seconds before the second try, doubled for each further one; ``base_time`` what any try may
    take, ``rate`` the slowest copy that is waited for beyond that, in bytes per second; ``open_time`` what may pass
    until an input that is not copied is seen to be there.
    """

    attempts: int = 3
    backoff: float = 1.0
    base_time: float = 400.0
    rate: float = 1e6
    open_time: float = 180.0

    def seconds_for(self, size: Optional[int]) -> float:
        """Answer how long one try may take; for a file of unknown size, as long as there is."""
        return float("inf") if size is None else self.base_time + size / self.rate

    def wait_after(self, tries: int, luck: float) -> float:
        """Answer the wait after so many tries; ``luck``, from 0 to 1, keeps many jobs from coming at once."""
        return float(self.backoff * 2 ** (tries - 1) * (0.5 + luck / 2))


class Watch:
    """Tells one try's time of copying from that of verifying, and how much came."""

    def __init__(self) -> None:
        self.size = 0
        self._began, self._copied = time.monotonic(), 0.0

    def copied(self, size: int) -> None:
        """Note that the bytes are there; what comes now is verifying."""
        self.size, self._copied = size, time.monotonic()

    def seconds(self) -> tuple[float, float]:
        """Answer the seconds of copying and of verifying."""
        now = time.monotonic()
        copied = self._copied or now
        return copied - self._began, now - copied


class Try(NamedTuple):
    """One try, by one way and in its own time."""

    route: Route
    deadline: Deadline
    cancel: Cancel
    watch: Watch


class Wish(NamedTuple):
    """A file that is to come or to go, and the seconds that one try may take; ``direct``: it is only looked at."""

    spec: JobSpec
    file: FileSpec
    direction: Direction
    seconds: float
    direct: bool = False


class Standing:
    """Which storages did not answer lately: of two ways, the one whose storage does is taken first."""

    def __init__(self) -> None:
        self._silent: dict[tuple[str, str], int] = {}

    def note(self, route: Route, failure: Optional[CopyFailed]) -> None:
        """Learn how a try went."""
        place = (route.tool.name, route.endpoint)
        if failure is None:
            self._silent.pop(place, None)
        elif failure.kind in (FailureKind.TIMEOUT, FailureKind.UNREACHABLE):
            self._silent[place] = self._silent.get(place, 0) + 1

    def sorted(self, routes: Sequence[Route]) -> list[Route]:
        """Answer ways in the order in which to take them."""
        return sorted(routes, key=lambda route: self._silent.get((route.tool.name, route.endpoint), 0))


def still_open(routes: Sequence[Route], failures: Sequence[tuple[Route, CopyFailed]]) -> list[Route]:
    """Answer the ways that are worth a try after these failures.

    A way whose failure lasts is not taken again; an address where nothing lies, or somebody else's file, by no other
    tool either.
    """
    done = {(route.tool.name, route.url) for route, failure in failures if not passes(failure)}
    gone = {route.url for route, failure in failures if failure.kind in _OF_THE_ADDRESS}
    return [route for route in routes if route.url not in gone and (route.tool.name, route.url) not in done]


def summary(routes: Sequence[Route], failures: Sequence[tuple[Route, CopyFailed]]) -> CopyFailed:
    """Answer the failure of a file for which no way is left: the last one of its best way; of others, their number."""
    best = next(route for route in routes if any(route == tried for tried, _ in failures))
    failure = [failure for route, failure in failures if route == best][-1]
    others = len({(route.tool.name, route.url) for route, _ in failures}) - 1
    if not others:
        return failure
    ways = "another way" if others == 1 else f"{others} other ways"
    return CopyFailed(failure.kind, f"{failure.words}; and by {ways}: {failures[-1][1].words}")


class Attempts:
    """Tries files; may be used by several threads."""

    def __init__(
        self,
        policy: Policy,
        turns: Turns,
        on_trace: OnTrace,
        luck: Callable[[], float] = random.random,
    ) -> None:
        """Say how.

        Args:
            policy: How long and how often.
            turns: Each try takes one; none is held while a file waits for its next try.
            on_trace: Called after each try, in the thread that has tried.
            luck: Answers numbers from 0 to 1.
        """
        self.policy, self.standing = policy, Standing()
        self._turns, self._on_trace, self._luck = turns, on_trace, luck

    def take(
        self,
        wish: Wish,
        routes: Sequence[Route],
        once: Callable[[Try], StoredFile],
        deadline: Deadline,
        cancel: Cancel,
    ) -> StoredFile:
        """Take the ways in their order, and again after a while those whose failure may pass.

        Raises:
            CopyFailed: no way led there.
            CopyCancelled: it was given up.
        """
        failures: list[tuple[Route, CopyFailed]] = []
        for number in range(1, self.policy.attempts + 1):
            for route in self.standing.sorted(still_open(routes, failures)):
                if route not in still_open(routes, failures):
                    continue
                try:
                    return self._try(wish, route, number, once, deadline, cancel)
                except CopyFailed as failed:
                    failures.append((route, failed))
            wait = self.policy.wait_after(number, self._luck())
            if not still_open(routes, failures) or number == self.policy.attempts or deadline.left() <= wait:
                raise summary(routes, failures)
            if cancel.wait(wait):
                break
        raise CopyCancelled

    def _try(
        self,
        wish: Wish,
        route: Route,
        number: int,
        once: Callable[[Try], StoredFile],
        deadline: Deadline,
        cancel: Cancel,
    ) -> StoredFile:
        """Try once, and tell how that went in the log and by a trace."""
        way = "from" if wish.direction is Direction.IN else "to"
        where = f"{way} {shown(route.url)} by {route.tool.name}"
        with self._turns.one(deadline, cancel):
            began, watch = time.time(), Watch()
            mine = Deadline(min(deadline.left(), wish.seconds), cancel)
            try:
                file = once(Try(route, mine, cancel, watch))
            except (CopyFailed, CopyCancelled) as raised:
                failed = raised if isinstance(raised, CopyFailed) else CopyFailed(None, "given up")
                self._on_trace(_trace(wish, route, number, began, watch, None, failed))
                if raised is not failed:
                    raise
                self.standing.note(route, failed)
                log.warning("job %d.%d: try %d %s: %s", *wish.spec.key, number, where, failed)
                raise
        self.standing.note(route, None)
        log.info("job %d.%d: %d bytes %s in %.2f s", *wish.spec.key, file.size, where, sum(watch.seconds()))
        self._on_trace(_trace(wish, route, number, began, watch, file, None))
        return file


def _trace(
    wish: Wish,
    route: Route,
    number: int,
    began: float,
    watch: Watch,
    stored: Optional[StoredFile],
    failure: Optional[CopyFailed],
) -> Trace:
    copying, verifying = watch.seconds()
    file, there = wish.file, shown((stored and stored.url) or route.url)
    incoming = wish.direction is Direction.IN
    return Trace(
        lfn=file.lfn,
        direction=wish.direction.value,
        scope=file.scope,
        dataset=file.dataset,
        guid=(stored and stored.guid) or file.guid,
        tool=route.tool.name,
        protocol=there.partition(":")[0],
        source=there if incoming else file.lfn,
        target=file.lfn if incoming else there,
        endpoint=(stored and stored.endpoint) or route.endpoint,
        activity=route.activity,
        began=began,
        copying=copying,
        verifying=verifying,
        size=watch.size,
        attempt=number,
        kind=_kind(failure),
        error=failure.words[:WORDS] if failure else "",
        direct=wish.direct,
    )


def _kind(failure: Optional[CopyFailed]) -> str:
    if failure is None:
        return ""
    return failure.kind.value if failure.kind else "unknown"
