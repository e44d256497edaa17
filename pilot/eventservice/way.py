"""Runs one job of event ranges: its payload as one program under its keeper, and the exchange of ranges beside it."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Optional, Protocol

from pilot.api import event_client
from pilot.contract.codes import ErrorCode
from pilot.contract.events import CLIENT_FILE, SOCKET_FILE, EventJob
from pilot.copytool.base import Cancel
from pilot.errors import JobFailed
from pilot.eventservice import per_range
from pilot.eventservice.asking import Amounts, Asking
from pilot.eventservice.book import Book
from pilot.eventservice.door import Door
from pilot.eventservice.ending import metrics
from pilot.eventservice.errands import Errands, Server, Store, Storing, Talk
from pilot.eventservice.exchange import AskedToEnd, Ended, Exchange, Look, Place, Rules
from pilot.eventservice.journal import Journal, forget
from pilot.eventservice.outgoing import UNTOLD, Doing, Outgoing, Pace
from pilot.runtime.workdir import clear, write_new

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pilot.contract.job import JobSpec
    from pilot.contract.queue import QueueData, StorageEndpoint
    from pilot.job import PayloadCommand, PayloadOutcome, Problem
    from pilot.settings import Settings
    from pilot.settings.events import Events

log = logging.getLogger(__name__)

#: What runs `per_range` in an interpreter of its own; appended, so that nothing stands before the standard library.
_RUN = (
    "import sys; sys.path += [sys.argv.pop(1), sys.argv.pop(1)]; "
    "import per_range; sys.exit(per_range.main(sys.argv[1:]))"
)

#: Asks a payload that runs to end within so many seconds.
Ask = Callable[[float], None]


class Running(Protocol):
    """A payload that runs."""

    def stop(self, grace: float) -> None:
        """See `pilot.runtime.process`."""


class Around(NamedTuple):
    """What jobs of event ranges are run with. ``left`` answers the seconds until the pilot has to be gone.

    ``storing`` answers, for a queue and its storages, what stores files of a job's directory.
    """

    settings: Settings
    server: Server
    storing: Callable[[QueueData, Mapping[str, StorageEndpoint], Path], Storing]
    left: Callable[[], float]


class Site(Protocol):
    """What the server says of queue and storages."""

    @property
    def queue(self) -> QueueData: ...

    @property
    def storages(self) -> Mapping[str, StorageEndpoint]: ...


class Ordered(NamedTuple):
    """One such job: where it is done, and with which command.

    ``cancelled`` is asked for when the job has to end. ``stops_by`` is told how what is done before the payload runs is
    ended, and asked to end. ``plain`` runs a command as a payload; it gives the running one to a function that answers
    how that is asked to end. ``seen`` is told the figures for the reports while the job runs.
    """

    spec: JobSpec
    site: Site
    folder: Path
    command: PayloadCommand
    cancelled: Cancel
    stops_by: Callable[[Callable[[], None], Ask], None]
    plain: Callable[[PayloadCommand, Callable[[Running], Ask]], PayloadOutcome]
    seen: Callable[[Mapping[str, int]], None] = lambda _: None


class Found(NamedTuple):
    """How a payload ended, the figures for the report, and why the job failed all the same."""

    outcome: PayloadOutcome
    metrics: Mapping[str, int]
    problem: Optional[Problem]


def run(ordered: Ordered, around: Around) -> Found:
    """Run a job's payload to its end, and have all that it has done stored and reported.

    Raises:
        JobFailed: there are no ranges, or payload, socket or journal could not be made.
    """
    inbox: queue.Queue[Any] = queue.Queue()
    with contextlib.ExitStack() as opened:
        journal = Journal(ordered.folder)
        opened.callback(journal.close)
        book, payload = Book(journal.note), _Payload(around.settings.payload.grace)
        exchange = _exchange(ordered, around, book, inbox, payload, opened)
        exchange.begin()
        door = opened.enter_context(Door(ordered.folder, inbox.put))
        opened.enter_context(_client(ordered.folder / CLIENT_FILE))
        ended = opened.enter_context(_beside(ordered, around.settings, door, inbox, payload))
        exchange.run()
        if not book.count(*UNTOLD):
            forget(ordered.folder)
    return Found(ended.result(), metrics(book), exchange.problem)


@contextlib.contextmanager
def _client(path: Path) -> Iterator[None]:
    """Lay the payloads' client beside the payload."""
    with write_new(path) as file:
        file.write(event_client.source())
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            clear(path)


class _Payload:
    """The payload, from when it runs; stopped before that, it is stopped as soon as it does."""

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._running: Optional[Running] = None
        self._stopped = False

    def runs(self, running: Running) -> None:
        self._running = running
        if self._stopped:
            running.stop(self._grace)

    def stop(self) -> None:
        self._stopped = True
        if self._running is not None:
            self._running.stop(self._grace)


@contextlib.contextmanager
def _beside(
    ordered: Ordered, settings: Settings, door: Door, inbox: queue.Queue[Any], payload: _Payload
) -> Iterator[Future[PayloadOutcome]]:
    """Run the payload in a thread of its own; in the end it is gone, whatever has happened."""

    def hold(running: Running) -> Ask:
        payload.runs(running)
        return lambda seconds: inbox.put(AskedToEnd(seconds))

    def has_ended(how: Future[PayloadOutcome]) -> None:
        # From here on it is the storing that may have to end: an archive may wait for a storage that is away.
        ordered.stops_by(lambda: inbox.put(Look()), lambda seconds: None)
        door.after(Ended(how))  # what it said last, without waiting for an answer, counts

    with ThreadPoolExecutor(1, "events-payload") as pool:
        ended = pool.submit(ordered.plain, _command(ordered, settings), hold)
        ended.add_done_callback(has_ended)
        try:
            yield ended
        finally:
            if not ended.done():
                payload.stop()


def _exchange(
    ordered: Ordered,
    around: Around,
    book: Book,
    inbox: queue.Queue[Any],
    payload: _Payload,
    opened: contextlib.ExitStack,
) -> Exchange:
    spec, settings, closed = ordered.spec, around.settings, Cancel()
    events = settings.events
    ordered.stops_by(closed.ask, lambda seconds: inbox.put(AskedToEnd(seconds)))
    if ordered.cancelled:
        raise JobFailed(ErrorCode.ORDERED_STOP, "the job was stopped before its first event range came")
    lanes = {name: Errands(name, inbox.put) for name in ("ask", "tell", "store")}
    for lane in lanes.values():
        opened.callback(lane.close)
    opened.callback(closed.ask)
    opened.push(_giving_up(ordered.cancelled))
    job = EventJob(spec.id, spec.jobset_id or 0, spec.task_id)
    talk = Talk(
        around.server,
        job,
        ordered.cancelled,
        closed,
        patience=events.ask_for,
        wait=events.ask_wait,
        waits=(settings.server.report_wait, settings.server.report_wait_most),
    )
    store = store_of(spec, ordered.site, ordered.folder, ordered.cancelled, around)
    asking = Asking(
        book,
        Amounts(events.at_once or max(1, spec.cores), events.ahead, events.reserve),
        lambda count, request_id: lanes["ask"].send(lambda: talk.ask(count, request_id)),
        lambda: os.urandom(16).hex(),
        closed,
        _limit(ordered, around),
    )
    outgoing = Outgoing(
        spec.id,
        book,
        ordered.folder,
        _pace(events, ordered.site.queue),
        Doing(
            lambda given: lanes["store"].send(lambda: store.pack(given)),
            lambda archive: lanes["store"].send(lambda: store.store(archive)),
            lambda report: lanes["tell"].send(lambda: talk.tell(report)),
        ),
        asking.close,
    )
    return Exchange(
        book,
        Place(ordered.folder, (settings.container.also_at,) if settings.container.also_at else ()),
        asking,
        outgoing,
        Rules(events.failures, events.soft_grace),
        inbox,
        stop=payload.stop,
        cancelled=ordered.cancelled,
        seen=ordered.seen,
    )


def _giving_up(cancelled: Cancel) -> Callable[..., None]:
    """Answer what has everything given up that is still being tried, when the exchange itself has failed."""

    def leave(kind: Optional[type[BaseException]], *_: object) -> None:
        if kind is not None:
            cancelled.ask()

    return leave


def _pace(events: Events, queue: QueueData) -> Pace:
    gap = events.gap or float(queue.event_gap)
    return Pace(gap, events.per_archive, events.store_failures, events.store_wait)


def store_of(spec: JobSpec, site: Site, folder: Path, cancelled: Cancel, around: Around) -> Store:
    """Answer what packs and stores the outputs of one job's ranges."""
    storages = site.storages

    def number_of(endpoint: str) -> int:
        return storages[endpoint].id if endpoint in storages else 0

    storing = around.storing(site.queue, storages, folder)
    return Store(spec, folder, storing, cancelled, around.settings.copy.most_time, number_of)


def _limit(ordered: Ordered, around: Around) -> Callable[[], float]:
    """Answer what tells the seconds that are left: for the pilot, and for the job."""
    import time

    longest = float(ordered.spec.max_walltime or ordered.site.queue.max_time or "inf")
    end = time.monotonic() + longest
    return lambda: min(around.left(), end - time.monotonic())


def _command(ordered: Ordered, settings: Settings) -> PayloadCommand:
    """Answer what the keeper runs: the payload, or what starts it for each range."""
    command, events = ordered.command, settings.events
    each = events.executor == "each" or (events.executor == "generic" and per_range.asks_for_ranges(command.argv))
    if not each:
        return command
    workers = events.workers or max(1, ordered.spec.cores)
    told = (str(ordered.folder / SOCKET_FILE), str(ordered.folder), str(workers), str(events.per_start))
    return replace(command, argv=(*_interpreter(), *told, *command.argv))


def _interpreter() -> Sequence[str]:
    folders = (str(Path(per_range.__file__).parent), str(Path(event_client.__file__).parent))
    return (sys.executable, "-I", "-S", "-c", _RUN, *folders)
