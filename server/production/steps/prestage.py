"""Step: raw files that lie on tape are asked for, whole runs in their order, as many as there is room for.

No storage is asked here: the data service does what its requests say (`server.dataservice.steps`).
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import groupby

from django.utils import timezone

from server.dataservice.logic import DatasetRefused, RequestRefused
from server.dataservice.lookups import Holding, holdings
from server.dataservice.states import ReplicaState
from server.lib.parts import do_in_parts
from server.production.files import SCOPE
from server.production.limits import Limits, limits
from server.production.models import Chunk, Task
from server.production.reference.known import Known, read_known
from server.production.staging.asking import ask, go_on, hold, join, register, set_staged
from server.production.staging.models import StagedFile
from server.production.staging.rules import (
    Choice,
    Room,
    Then,
    Tries,
    Verdict,
    Waiting,
    choose,
    in_vain,
    place,
    slip_of_file,
)
from server.production.staging.sources import (
    brought_by,
    from_tape,
    going_on,
    reasons,
    room_now,
    waiting_chunks,
    waiting_runs,
    with_waiting,
)
from server.production.staging.states import StagedState
from server.production.states import ChunkState
from server.production.steps.apart import by_itself, sound
from server.production.submission.gather import active_tasks

SERVICE = "production.prestage"
log = logging.getLogger(__name__)
UNKNOWN = Holding(0)
#: Chunks of a task that go on after a pause, at most so many in a cycle.
GOING_ON = 800
#: Said of a task with which this step has failed.
LEFT_OUT = "nothing of it can be asked for on tape: its history says why"
REFUSED = (DatasetRefused, RequestRefused)


@dataclass(frozen=True)
class Cycle:
    """What holds for all tasks of a run of the service."""

    now: datetime
    known: Known

    def bounds(self, task: Task) -> Limits:
        return self.known.limits_for(task)


def prestage(now: datetime | None = None) -> int:
    """Bring the inputs of active tasks to disk, the highest priority first; answer for how many chunks that was begun.

    A task whose files cannot be asked for holds up no other; why not stands beside it.
    """
    cycle, bounds, tasks = Cycle(now or timezone.now(), read_known()), limits(), sound(active_tasks(), SERVICE)
    tapes = from_tape(tasks, cycle.known)
    waiting = with_waiting(tapes.keys()) if tapes else set()
    room = room_now(bounds.staged_cap, bounds.staged_per_storage) if waiting else Room(0, 0)
    done, words = 0, dict.fromkeys(tapes, "")
    for task in (one for one in tasks if one.pk in waiting):
        part = partial(_prestage, task, tapes[task.pk], room, cycle)
        count, choice = by_itself(task, SERVICE, part, (0, Choice((), room, LEFT_OUT)))
        done, room, words[task.pk] = done + count, choice.room, choice.words
    reasons(words)
    return done


def _prestage(task: Task, tapes: frozenset[str], room: Room, cycle: Cycle) -> tuple[int, Choice]:
    """Do what can be done now for the first runs of a task that wait."""
    bounds = cycle.bounds(task)
    done, refused = _bring(task, list(going_on(task, GOING_ON)), bounds, cycle)
    # Where there is no room, it is enough to know which run waits.
    runs = waiting_runs(task, 1 if room.is_full else bounds.prestage_runs, cycle.now)
    chunks = list(waiting_chunks(task, runs, cycle.now))
    on_tape = [chunk for chunk in chunks if chunk.raw.endpoint in tapes]
    elsewhere = [chunk.pk for chunk in chunks if chunk.raw.endpoint not in tapes]
    done += set_staged(elsewhere, {}, by=SERVICE, now=cycle.now)
    choice = choose([Waiting(run, [one.raw.endpoint for one in some]) for run, some in _by_run(on_tape)], room)
    chosen = [one for (_, some), taken in zip(_by_run(on_tape), choice.taken, strict=False) for one in some[:taken]]
    brought, more = _bring(task, chosen, bounds, cycle)
    return done + brought, replace(choice, words="; ".join(filter(None, (choice.words, refused, more))))


def _by_run(chunks: Sequence[Chunk]) -> list[tuple[int, list[Chunk]]]:
    return [(run, list(some)) for run, some in groupby(chunks, key=lambda chunk: chunk.run.number)]


def _bring(task: Task, chunks: Sequence[Chunk], bounds: Limits, cycle: Cycle) -> tuple[int, str]:
    """Stage the chunks whose files are on disk, and ask for those of the others, one request for each storage.

    Answer how many chunks moved, and what is refused: that waits, as what was asked for in vain does.
    """
    known = holdings(SCOPE, [_name(chunk) for chunk in chunks])
    then: dict[Then, list[Chunk]] = defaultdict(list)
    held: dict[int, Verdict] = {}
    for chunk in chunks:
        verdict = _refuse(chunk, known.get(_name(chunk), UNKNOWN), bounds, cycle.now)
        if verdict is not None:
            held[chunk.pk] = verdict
        else:
            then[_then(chunk, known.get(_name(chunk), UNKNOWN))].append(chunk)
    files = {chunk.pk: (chunk.raw.endpoint, known[_name(chunk)].number) for chunk in then[Then.STAGE]}
    done = set_staged(list(files), files, by=SERVICE, now=cycle.now)
    done += go_on([chunk.pk for chunk in then[Then.GO_ON]], by=SERVICE)
    said = list[str]()

    def refuse(chunk: Chunk, why: Exception) -> None:
        words = f"its file cannot be asked for: {why}"
        log.warning("%s: %s", chunk, words)
        held[chunk.pk] = in_vain(_tries(chunk, bounds), words, cycle.now)
        said.append(words)

    for endpoint in sorted({chunk.raw.endpoint for chunk in then[Then.ASK]}):
        asked = [chunk for chunk in then[Then.ASK] if chunk.raw.endpoint == endpoint]
        numbers: dict[int, int] = {}

        def write(some: Sequence[Chunk], at: str = endpoint, to: dict[int, int] = numbers) -> int:
            to.update(register(some, known, at, by=SERVICE, now=cycle.now))
            return len(some)

        def request(some: Sequence[Chunk], at: str = endpoint, of: dict[int, int] = numbers) -> int:
            return ask(task, some, of, at, lifetime=bounds.prestage_lifetime, by=SERVICE, now=cycle.now)

        # A dataset by itself: what refuses one says nothing of the others.
        for dataset in sorted({chunk.raw.dataset for chunk in asked}):
            do_in_parts([chunk for chunk in asked if chunk.raw.dataset == dataset], write, refuse, expected=REFUSED)
        coming = brought_by(list(numbers.values()), endpoint)
        joining = [one for one in asked if numbers.get(one.pk) in coming and not _sent_since(one)]
        done += join(task, joining, numbers, coming, by=SERVICE, now=cycle.now) if joining else 0
        others = {chunk.pk for chunk in joining}
        rest = [chunk for chunk in asked if chunk.pk in numbers and chunk.pk not in others]
        done += do_in_parts(rest, request, refuse, expected=REFUSED)
    hold(chunks, held, by=SERVICE, now=cycle.now)
    return done, f"of {len(said)} chunks {said[0]}" if said else ""


def _name(chunk: Chunk) -> tuple[str, str]:
    return chunk.raw.dataset, chunk.raw.lfn


def _then(chunk: Chunk, holding: Holding) -> Then:
    row = getattr(chunk, "staged", None)
    on_disk = holding.replicas.get(chunk.raw.endpoint) is ReplicaState.AVAILABLE
    return place(StagedState(row.state) if row else None, on_disk=on_disk, sent_since=_sent_since(chunk))


def _sent_since(chunk: Chunk) -> bool:
    return bool(getattr(chunk, "sent_since", False))


def _refuse(chunk: Chunk, holding: Holding, bounds: Limits, now: datetime) -> Verdict | None:
    """Say what becomes of a chunk whose file is not to be asked for now; nothing when it is, or need not be."""
    if _then(chunk, holding) is not Then.ASK:
        return None
    file, tries, begun = chunk.raw, _tries(chunk, bounds), _begun(chunk)
    slip = slip_of_file(
        holding.replicas.get(file.endpoint),
        endpoint=file.endpoint,
        known=(holding.size, holding.checksum),
        said=(file.size, file.checksum),
    )
    if slip:
        return in_vain(tries, slip, now)
    if begun and _sent_since(chunk):
        words = f"a job could not read it, though it is on the disk of {file.endpoint}"
        verdict = in_vain(tries, words, now)
        return verdict if verdict.chunk is ChunkState.MANUAL_CHECK else None
    return None


def _begun(chunk: Chunk) -> StagedFile | None:
    """Answer how far a chunk's file is, unless it is to be brought as if for the first time."""
    row: StagedFile | None = getattr(chunk, "staged", None)
    return row if row is not None and row.state not in (StagedState.FAILED, StagedState.LET_GO) else None


def _tries(chunk: Chunk, bounds: Limits) -> Tries:
    begun = _begun(chunk)
    return Tries(begun.attempts if begun else 0, bounds.prestage_attempts, bounds.prestage_delay)
