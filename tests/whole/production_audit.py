"""What a production's rows, disk and tapes say when all is over: nothing lost, nothing left, every state explained.

Rules, all pure: each answers in words what is not as it must be. Files are held against what was ordered and against
the bytes on tape, not against what the server says of itself.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pilot.contract import naming
from pilot.contract.naming import EMPTY_DUMP_SIZE
from server.dataservice.states import TRANSFER_MOVES, TransferKind, TransferState
from server.production.files import Names
from server.production.states import (
    CHUNK_MOVES,
    GROUP_MOVES,
    PASSED,
    TAPE_MOVES,
    TASK_MOVES,
    CheckKind,
    ChunkState,
    MergeKind,
    OutputKind,
    TapeState,
    TaskType,
    Verdict,
)
from tests.whole.production_rows import Chunk, Event, Group, Move, Output, Production
from tests.whole.production_site import Stored

#: What the moves of files on their way to tape begin with, in histories.
TAPE_WORD = "tape "
#: What the names of generated events end in.
GENERATED = ".tgeant"


def unfinished(made: Production, ends: Mapping[str, str]) -> Iterator[str]:
    """Every task is where it must end, with all its chunks and groups."""
    for task in made.tasks:
        if task.state != ends.get(task.name):
            yield f"task {task.name} is {task.state}, and not {ends.get(task.name)}"
    for name in ends.keys() - {task.name for task in made.tasks}:
        yield f"there is no task {name}"
    for piece in (*made.chunks, *made.groups):
        if piece.state != "finished":
            yield f"{_named(made, piece)} is {piece.state}"


def unchecked(made: Production) -> Iterator[str]:
    """What was merged was checked, and every check has passed."""
    checked = {(check.task, check.run) for check in made.checks if check.kind == CheckKind.MDST}
    for group in made.groups:
        if group.kind == MergeKind.MDST and (group.task, group.run) not in checked:
            yield f"run {group.run} of {made.name(group.task)} has no check of its mDSTs"
    for check in made.checks:
        if check.verdict not in PASSED:
            yield f"the check of {check.kind} in run {check.run} of {made.name(check.task)} says {check.verdict}"


def gaps(made: Production) -> Iterator[str]:
    """Each row came from its first state to the one it is in by moves of its table, without a gap."""
    of_tasks, of_chunks, of_groups = _by_owner(event for event in made.events if not event.before.startswith(TAPE_WORD))
    for task in made.tasks:
        yield from _way(f"task {task.name}", of_tasks[task.id], "draft", task.state, TASK_MOVES)
    generations = {task.id for task in made.tasks if task.type == TaskType.MC_GENERATION}
    for chunk in made.chunks:
        # Nothing has to be there before events are generated.
        first = ChunkState.STAGED if chunk.task in generations else ChunkState.DEFINED
        yield from _way(_named(made, chunk), of_chunks[chunk.id], first.value, chunk.state, CHUNK_MOVES)
    for group in made.groups:
        yield from _way(_named(made, group), of_groups[group.id], "ready", group.state, GROUP_MOVES)


def tape_gaps(made: Production, archived: Iterable[str]) -> Iterator[str]:
    """The same of each file on its way to tape; its moves stand with the chunk or the merge that has made it."""
    _, of_chunks, of_groups = _by_owner(event for event in made.events if event.before.startswith(TAPE_WORD))
    table = [(_on_tape(before), _on_tape(after)) for before, after in TAPE_MOVES]
    wanted = set(archived)
    for file in made.outputs:
        events = of_groups[file.group] if file.group is not None else of_chunks[file.chunk or 0]
        if f"{file.dataset}/{file.lfn}" in wanted:
            yield from _way(f"{file.lfn} on its way to tape", events, _on_tape(""), _on_tape(file.tape), table)


def _on_tape(state: str) -> str:
    return f"{TAPE_WORD}{state or 'none'}"


Events = Mapping[int, Sequence[Event]]


def _by_owner(events: Iterable[Event]) -> tuple[Events, Events, Events]:
    """Part events into those of tasks, of chunks and of groups."""
    of_tasks: dict[int, list[Event]] = defaultdict(list)
    of_chunks: dict[int, list[Event]] = defaultdict(list)
    of_groups: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        if event.chunk is not None:
            of_chunks[event.chunk].append(event)
        elif event.group is not None:
            of_groups[event.group].append(event)
        elif event.run is None:
            of_tasks[event.task].append(event)
    return of_tasks, of_chunks, of_groups


def transfer_gaps(made: Production) -> Iterator[str]:
    """The same of each file of each request to a storage; every request has come to its end."""
    moves: dict[int, list[Move]] = defaultdict(list)
    for move in made.moves:
        moves[move.transfer].append(move)
    for one in made.transfers:
        table = TRANSFER_MOVES[TransferKind(one.kind)]
        name = f"{one.kind} {one.id} of {one.lfn}"
        yield from _way(name, moves[one.id][1:], TransferState.REQUESTED.value, one.state, table)
        if [move.before for move in moves[one.id][:1]] != [""]:
            yield f"{name} has no beginning"
    for request in made.requests:
        if request.state == "open":
            yield f"request {request.id} ({request.kind}) is open"


def _way(
    name: str, events: Sequence[Event] | Sequence[Move], first: str, last: str, table: Iterable[tuple[Any, Any]]
) -> Iterator[str]:
    known = {(str(before), str(after)) for before, after in table}
    at = first
    for number, event in enumerate(events):
        if number == 0 and (event.before, event.after) == ("", first):  # its beginning was written down
            continue
        if event.before == event.after == at:  # a note, and no move
            continue
        if event.before != at:
            yield f"{name}: it was {at}, and the next move is from {event.before} to {event.after}"
        elif (event.before, event.after) not in known:
            yield f"{name}: there is no move from {event.before} to {event.after}"
        at = event.after
    if at != last:
        yield f"{name} is {last}, and its moves end with {at}"


class Counted(NamedTuple):
    """Events of one run of a task: what goes in, what its chunks have made, what is in the merged files."""

    task: str
    run: int
    into: int
    made: int
    out: int


def counted(made: Production, into: Mapping[tuple[str, int], int], out: Mapping[tuple[str, int], int]) -> list[Counted]:
    """Put the numbers of each run side by side.

    Args:
        made: The rows, from which it is known what chunks have made.
        into: Events by task and run, as ordered or as raw files have them.
        out: Events by task and run that are in the files on tape, as they were read there.
    """
    done: dict[tuple[str, int], int] = defaultdict(int)
    for chunk in made.chunks:
        done[made.name(chunk.task), chunk.run] += chunk.done or 0
    return [Counted(*key, number, done.get(key, 0), out.get(key, 0)) for key, number in sorted(into.items())]


def lost_events(table: Sequence[Counted], made: Production) -> Iterator[str]:
    """What went into a run came out of it: generations make what was ordered; merges have what their chunks made.

    What a person has accepted may be missing, to the last event.
    """
    accepted = {
        (made.name(check.task), check.run): (check.expected or 0) - (check.found or 0)
        for check in made.checks
        if check.kind == CheckKind.MDST and check.verdict == Verdict.ACCEPTED
    }
    generations = {task.name for task in made.tasks if task.type == "mc_generation"}
    for one in table:
        if one.task in generations and one.made != one.into:
            yield f"run {one.run} of {one.task}: {one.into} events were ordered, {one.made} were made"
        if one.out != one.made - accepted.get((one.task, one.run), 0) or not one.out:
            yield f"run {one.run} of {one.task}: its chunks have {one.made} events, on tape there are {one.out}"
        if one.made > one.into:
            yield f"run {one.run} of {one.task}: {one.made} events were made of {one.into}"


@dataclass(frozen=True)
class Ordered:
    """A task as it was ordered: the parts of its names, and the number of chunks of each run."""

    name: str
    names: Names
    runs: Mapping[int, int]


def not_as_ordered(orders: Sequence[Ordered], made: Production) -> Iterator[str]:
    """Each run has the chunks that were ordered, once, and there is no other."""
    there: dict[tuple[str, int], list[int]] = defaultdict(list)
    for chunk in made.chunks:
        there[made.name(chunk.task), chunk.run].append(chunk.number)
    wanted = {(order.name, run): chunks for order in orders for run, chunks in order.runs.items()}
    for (task, run), chunks in sorted(wanted.items()):
        found = sorted(there.pop((task, run), []))
        if found != list(range(1, chunks + 1)):
            yield f"run {run} of {task} has {len(found)} chunks, {found}, and {chunks} were ordered"
    yield from (f"run {run} of {task} was not ordered" for task, run in sorted(there))


def expected_files(orders: Sequence[Ordered], made: Production) -> set[str]:
    """Name all files that must be on tape, below the storage's folder; rows tell only whether any event was dumped."""
    found: set[str] = set()
    dumped = {
        (made.name(one.task), one.run)
        for one in made.outputs
        if one.kind == OutputKind.DUMP and one.size > EMPTY_DUMP_SIZE
    }
    for order in orders:
        for run, chunks in order.runs.items():
            found.add(_merged(order, MergeKind.LOGS, OutputKind.PACKED_LOGS, run))
            if order.names.type == "mc_generation":
                folder = order.names.dataset(OutputKind.GENERATED)
                found |= {f"{folder}/{naming.generated(run, chunk)}" for chunk in range(1, chunks + 1)}
                continue
            kinds = [
                (MergeKind.MDST, OutputKind.MERGED_MDST),
                (MergeKind.HISTOGRAMS, OutputKind.MERGED_HISTOGRAMS),
                *([(MergeKind.DUMP, OutputKind.MERGED_DUMP)] if (order.name, run) in dumped else []),
            ]
            found |= {_merged(order, kind, to, run) for kind, to in kinds}
    return found


def _merged(order: Ordered, kind: MergeKind, into: OutputKind, run: int) -> str:
    return f"{order.names.dataset(into)}/{order.names.merged_file(kind, run, 0)}"


def not_on_tape(
    expected: Iterable[str], made: Production, on_tape: Mapping[str, Stored], besides: Iterable[str] = ()
) -> Iterator[str]:
    """Every file is on tape with the bytes that the catalogue knows, and nothing is there that nobody wants.

    Args:
        expected: What must be there.
        made: The rows.
        on_tape: What is there.
        besides: What lies there, too: raw files.
    """
    wanted, rows = set(expected), {f"{one.dataset}/{one.lfn}": one for one in made.outputs}
    for name in sorted(wanted):
        if name not in on_tape:
            yield f"{name} is not on tape"
        elif name not in rows:
            yield f"{name} is on tape, and in no row"
        else:
            yield from _differs(name, rows[name], on_tape[name])
    for name in sorted(set(besides) - on_tape.keys()):
        yield f"{name} has gone from the tape"
    for name in sorted(on_tape.keys() - wanted - set(besides)):
        yield f"{name} is on tape, and nobody wants it there"


def _differs(name: str, row: Output, there: Stored) -> Iterator[str]:
    if (there.size, there.checksum) != (row.size, row.checksum):
        made_with = f"{row.size}, {row.checksum}"
        yield f"{name} has {there.size} bytes, {there.checksum} on tape; it was made with {made_with}"
    if row.tape != TapeState.FINISHED:
        yield f"{name} is said to be {row.tape or 'nowhere'} on its way to tape"


def missing_logs(made: Production, packed: Mapping[tuple[str, int], Iterable[str]]) -> Iterator[str]:
    """The log of every chunk and merge of a run is in its packed logs.

    Args:
        made: The rows, which know every log that was stored.
        packed: The names of the files in the packed logs on tape, as they were read there, by task and run.
    """
    there = {key: set(names) for key, names in packed.items()}
    for one in made.outputs:
        key = (made.name(one.task), one.run)
        own = next((group.kind for group in made.groups if group.id == one.group), "")
        # What packs logs writes one, too, which comes too late for that.
        if one.kind == OutputKind.LOG and own != MergeKind.LOGS and one.lfn not in there.get(key, ()):
            yield f"{one.lfn} is not in the packed logs of run {one.run} of {key[0]}"


def leftovers(orders: Sequence[Ordered], made: Production, on_disk: Mapping[str, Stored]) -> Iterator[str]:
    """Of archived tasks only results are left on the disk: merged files, packed logs, and what packing has logged.

    Logs of tries that came to nothing stay, too: see `former_logs`.
    """
    results = {name for name in expected_files(orders, made) if not name.endswith(GENERATED)}
    rows = {f"{one.dataset}/{one.lfn}": one for one in made.outputs}
    for name in sorted(on_disk.keys() - results - former_logs(made, on_disk)):
        if not _of_packing(orders, name):
            yield f"{name} is left on the disk"
    for name in sorted(results):
        if name not in on_disk:
            yield f"{name} has gone from the disk"
    for name, row in sorted(rows.items()):
        if (row.removed is None) != (name in on_disk):
            yield f"{name} is {'' if name in on_disk else 'not '}on the disk, and its row says something else"


def former_logs(made: Production, on_disk: Iterable[str]) -> set[str]:
    """Name the logs of tries whose pilot was lost, and of jobs in whose place others came: no row has them.

    What was made in the end has a log of the same name, but for the number of the try.
    """
    known = {f"{one.dataset}/{one.lfn}" for one in made.outputs if one.kind == OutputKind.LOG}
    bare = {_without_try(name) for name in known}
    return {name for name in on_disk if name not in known and _without_try(name) in bare}


def _without_try(log: str) -> str:
    return re.sub(r"(\.tgz)\.[0-9]+$", r"\1", log)


def _of_packing(orders: Sequence[Ordered], name: str) -> bool:
    """Say whether a file is the log of a job that packs logs, of any attempt."""
    folder, _, lfn = name.rpartition("/")
    logs = (
        order.names.merging_log(MergeKind.LOGS, run, 0)
        for order in orders
        for run in order.runs
        if order.names.dataset(OutputKind.LOG) == folder
    )
    return any(re.fullmatch(rf"{re.escape(log)}(\.[0-9]+)?", lfn) for log in logs)


def _named(made: Production, piece: Chunk | Group) -> str:
    what = f"chunk {piece.number}" if isinstance(piece, Chunk) else f"{piece.kind} merge {piece.number}"
    return f"{what} of run {piece.run} of {made.name(piece.task)}"
