"""All writes of staging: files are registered and asked for, chunks move with them, what nobody needs is let go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from server.dataservice import logic as dataservice
from server.dataservice.lookups import Holding
from server.dataservice.queries import dataset_named
from server.dataservice.states import DatasetKind, DatasetState
from server.production.door import BATCH, move_all
from server.production.files import SCOPE
from server.production.models import Chunk, RawFile, Task
from server.production.staging.models import Prestage, StagedFile
from server.production.staging.rules import THERE, Verdict
from server.production.staging.sources import shared
from server.production.staging.states import StagedState
from server.production.states import ACTIVE, ChunkState, values

#: What many rows have in common.
ALIKE = ("prestage_id", "endpoint", "state", "since", "due", "on_disk_until", "attempts", "words")


def register(
    chunks: Sequence[Chunk],
    known: Mapping[tuple[str, str], Holding],
    endpoint: str,
    *,
    by: str,
    now: datetime,
) -> dict[int, int]:
    """Have the catalogue know the raw files of chunks to be on tape; answer the files' numbers, by chunk.

    What it knows there already is left as it is, so that it may be repeated, and nobody's dataset changes hands.

    Raises:
        DatasetRefused: a dataset is a user's, or frozen, or a file cannot be written down.
    """
    numbers: dict[int, int] = {}
    new: dict[str, list[Chunk]] = defaultdict(list)
    for chunk in chunks:
        file = known.get((chunk.raw.dataset, chunk.raw.lfn))
        if file is not None and file.replicas.get(endpoint) in THERE:
            numbers[chunk.pk] = file.number
        else:
            new[chunk.raw.dataset].append(chunk)
    for name, some in sorted(new.items()):
        keys = _register([chunk.raw for chunk in some], name, endpoint, by, now)
        numbers.update(zip([chunk.pk for chunk in some], keys, strict=True))
    return numbers


@transaction.atomic
def _register(files: Sequence[RawFile], name: str, endpoint: str, by: str, now: datetime) -> list[int]:
    dataset = dataset_named(name, SCOPE)
    if dataset is None or dataset.owner != "":
        dataset = dataservice.register_dataset(name, kind=DatasetKind.INPUT, by=by, scope=SCOPE, now=now)
    if dataset.state == DatasetState.CLOSED:
        dataservice.reopen(dataset, by=by, words="raw files of it are asked for on tape", now=now)
    rows = [dataservice.NewFile(one.lfn, one.size, one.checksum, events=one.events) for one in files]
    return dataservice.add_files(dataset, rows, by=by, endpoint=endpoint, on_tape=True, now=now)


@transaction.atomic
def ask(
    task: Task,
    chunks: Sequence[Chunk],
    numbers: Mapping[int, int],
    endpoint: str,
    *,
    lifetime: int,
    by: str,
    now: datetime,
) -> int:
    """Ask for the files of a task's chunks in one request, and move these to staging; answer how many.

    Request, rows and moves are one transaction: there is no request without its chunks. Chunks that were moved
    meanwhile are left out. What was asked for before is let go.

    Raises:
        RequestRefused: the data service does not take it; nothing was done.
    """
    if Task.objects.select_for_update().get(pk=task.pk).state not in values(ACTIVE):
        return 0
    still = _locked([chunk.pk for chunk in chunks], ChunkState.DEFINED)
    asked = [chunk for chunk in chunks if chunk.pk in still]
    if not asked:
        return 0
    files = [numbers[chunk.pk] for chunk in asked]
    request = dataservice.request_prestage(files, endpoint, lifetime, by, now=now)
    former = _rows(still)
    others = {key for some in _batches(former) for key in shared(some)}
    alone = [row for key, row in former.items() if key not in others]
    let_go(alone, by=by, why="it is asked for anew", now=now)
    made = Prestage.objects.create(
        task=task,
        request=request.pk,
        endpoint=endpoint,
        runs=sorted({chunk.run.number for chunk in asked}),
        files=len(asked),
        at=now,
        by=by[:250],
    )
    rows = [
        StagedFile(
            chunk=chunk,
            prestage=made,
            endpoint=endpoint,
            file=numbers[chunk.pk],
            state=StagedState.ASKED,
            since=now,
            attempts=_attempts(chunk, former.get(chunk.pk)),
        )
        for chunk in asked
    ]
    _write(rows, _files(former))
    moved = move_chunks(
        still, ChunkState.DEFINED, ChunkState.STAGING, by=by, words=f"request {request.pk} at {endpoint}"
    )
    Task.objects.filter(pk=task.pk, started=None).update(started=now)
    return moved


@transaction.atomic
def join(
    task: Task,
    chunks: Sequence[Chunk],
    numbers: Mapping[int, int],
    brought: Mapping[int, Prestage],
    *,
    by: str,
    now: datetime,
) -> int:
    """Move chunks to staging whose files are brought for other chunks already; answer how many.

    Args:
        task: Their task.
        chunks: The chunks.
        numbers: The files' numbers, by chunk.
        brought: The requests that bring them, by the number of the file.
        by: Who does.
        now: The time.
    """
    if Task.objects.select_for_update().get(pk=task.pk).state not in values(ACTIVE):
        return 0
    still = _locked([chunk.pk for chunk in chunks], ChunkState.DEFINED)
    former, rows, alike = _rows(still), [], defaultdict[str, list[int]](list)
    for chunk in (one for one in chunks if one.pk in still):
        file = numbers[chunk.pk]
        prestage = brought[file]
        rows.append(
            StagedFile(
                chunk=chunk,
                prestage=prestage,
                endpoint=prestage.endpoint,
                file=file,
                state=StagedState.ASKED,
                since=now,
                attempts=_attempts(chunk, former.get(chunk.pk)),
            )
        )
        words = f"request {prestage.request} at {prestage.endpoint}, which brings it for {prestage.task.name}"
        alike[words].append(chunk.pk)
    _write(rows, _files(former))
    moved = 0
    for words, keys in sorted(alike.items()):
        moved += move_chunks(keys, ChunkState.DEFINED, ChunkState.STAGING, by=by, words=words)
    Task.objects.filter(pk=task.pk, started=None).update(started=now)
    return moved


def _attempts(chunk: Chunk, former: StagedFile | None) -> int:
    """Count a file that was on disk, and that a job could not read there, as one in vain."""
    if former is None or former.state in (StagedState.FAILED, StagedState.LET_GO):
        return 0
    return former.attempts + (former.state == StagedState.ON_DISK and bool(getattr(chunk, "sent_since", False)))


@transaction.atomic
def set_staged(keys: Collection[int], files: Mapping[int, tuple[str, int]], *, by: str, now: datetime) -> int:
    """Call chunks staged whose files are on disk; answer how many.

    Args:
        keys: The chunks.
        files: Storage and number of the file, of those that a storage with tapes has.
        by: Who does.
        now: The time.
    """
    still = _locked(keys, ChunkState.DEFINED)
    former, rows = _rows(still), []
    there = _files(former)
    for key in sorted(still & files.keys()):
        row = former.get(key) or StagedFile(chunk_id=key)
        row.endpoint, row.file = files[key]
        row.state, row.since, row.due, row.words = StagedState.ON_DISK.value, now, None, ""
        rows.append(row)
    _write(rows, there)
    return move_chunks(still, ChunkState.DEFINED, ChunkState.STAGED, by=by)


@transaction.atomic
def go_on(keys: Collection[int], *, by: str) -> int:
    """Move chunks back to staging whose files are still coming."""
    still = _locked(keys, ChunkState.DEFINED)
    return move_chunks(still, ChunkState.DEFINED, ChunkState.STAGING, by=by, words="its file is still coming")


@transaction.atomic
def hold(chunks: Iterable[Chunk], held: Mapping[int, Verdict], *, by: str, now: datetime) -> None:
    """Write down of chunks that wait why their files are not asked for now; a person looks at some of them."""
    mine = {chunk.pk: chunk for chunk in chunks if chunk.pk in held}
    still = _locked(mine, ChunkState.DEFINED)
    former, rows = _rows(still), []
    there = _files(former)
    for key in sorted(still):
        row = former.get(key) or StagedFile(chunk_id=key, endpoint=mine[key].raw.endpoint)
        _judged(row, held[key], now)
        rows.append(row)
    _write(rows, there)
    for words in sorted({held[key].words for key in still if held[key].chunk is ChunkState.MANUAL_CHECK}):
        some = [key for key in still if held[key].words == words and held[key].chunk is ChunkState.MANUAL_CHECK]
        move_chunks(some, ChunkState.DEFINED, ChunkState.MANUAL_CHECK, by=by, words=words)


@dataclass(frozen=True)
class Judged:
    """A file with what becomes of it, and until when it stays on disk, if that is known."""

    row: StagedFile
    verdict: Verdict
    on_disk_until: datetime | None = None


@transaction.atomic
def follow(judged: Sequence[Judged], before: ChunkState, *, by: str, now: datetime) -> int:
    """Move chunks from a state to where their files have brought them; answer how many."""
    found = {one.row.pk: one for one in judged}
    still = _locked(found, before)
    alike: dict[tuple[ChunkState, str], list[int]] = defaultdict(list)
    for key in sorted(still):
        one = found[key]
        _judged(one.row, one.verdict, now)
        one.row.on_disk_until = one.on_disk_until
        alike[one.verdict.chunk, one.verdict.words].append(key)
    rows = {key: found[key].row for key in still}
    _write(list(rows.values()), _files(rows))
    return sum(move_chunks(keys, before, after, by=by, words=words) for (after, words), keys in alike.items())


def _judged(row: StagedFile, verdict: Verdict, now: datetime) -> None:
    row.state, row.since, row.due = verdict.file.value, now, verdict.due
    row.attempts, row.words = verdict.attempts, verdict.words[:500]


def let_go(rows: Iterable[StagedFile], *, by: str, why: str, now: datetime) -> None:
    """Tell the data service that the files of these rows need not be kept on disk for their requests any more."""
    by_request: dict[int, list[int]] = defaultdict(list)
    for row in rows:
        if row.prestage is not None and row.file is not None and row.state != StagedState.LET_GO:
            by_request[row.prestage.request].append(row.file)
    for request, files in sorted(by_request.items()):
        dataservice.let_go(request, files, by=by, why=why, now=now)


@transaction.atomic
def release(keys: Collection[int], *, by: str, now: datetime) -> int:
    """Let go of the files of these chunks, of which none is needed any more; answer how many."""
    rows = {key: row for key, row in _rows(keys).items() if row.state != StagedState.LET_GO}
    let_go(rows.values(), by=by, why="its chunk needs it no more", now=now)
    for batch in _batches(rows):
        StagedFile.objects.filter(pk__in=batch).update(state=StagedState.LET_GO, since=now, due=None)
    return len(rows)


def ask_anew(keys: Collection[int], now: datetime) -> None:
    """Have the files of chunks asked for again, whatever became of the last request, and as if for the first time.

    Belongs into the transaction that brings the chunks back to where they wait for their input.
    """
    for batch in _batches(keys):
        StagedFile.objects.filter(pk__in=batch).update(
            state=StagedState.WAITING, since=now, due=now, attempts=0, words="a person had it asked for anew"
        )


def move_chunks(keys: Collection[int], before: ChunkState, after: ChunkState, *, by: str, words: str = "") -> int:
    """Move chunks with one event each, some hundred in a few statements; answer how many."""
    moved = 0
    for batch in _batches(keys):
        rows = Chunk.objects.filter(pk__in=batch)
        rows.filter(state=before).update(words=words[:500])
        moved += move_all(rows, before, after, by=by, words=words)
    return moved


def _locked(keys: Collection[int], state: ChunkState) -> set[int]:
    """Answer which of these chunks are in a state, and hold them in it until the transaction ends."""
    found: set[int] = set()
    for batch in _batches(keys):
        rows = Chunk.objects.select_for_update().filter(pk__in=batch, state=state).order_by("pk")
        found.update(rows.values_list("pk", flat=True))
    return found


def _rows(keys: Collection[int]) -> dict[int, StagedFile]:
    found: dict[int, StagedFile] = {}
    for batch in _batches(keys):
        found.update({row.pk: row for row in StagedFile.objects.filter(pk__in=batch).select_related("prestage")})
    return found


def _files(rows: Mapping[int, StagedFile]) -> dict[int, int | None]:
    """Answer the files of rows before these are changed."""
    return {key: row.file for key, row in rows.items()}


def _write(rows: Sequence[StagedFile], there: Mapping[int, int | None]) -> None:
    """Write rows; those that are there, given with their files, with one statement for all that become the same."""
    StagedFile.objects.bulk_create([row for row in rows if row.pk not in there], batch_size=BATCH)
    alike: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for row in rows:
        if row.pk in there:
            alike[tuple(getattr(row, name) for name in ALIKE)].append(row.pk)
    for same, keys in alike.items():
        for batch in _batches(keys):
            StagedFile.objects.filter(pk__in=batch).update(**dict(zip(ALIKE, same, strict=True)))
    others = [row for row in rows if row.pk in there and row.file != there[row.pk]]
    StagedFile.objects.bulk_update(others, ["file"], batch_size=BATCH)


def _batches(keys: Collection[int]) -> Iterable[list[int]]:
    ordered = sorted(keys)
    return (ordered[start : start + BATCH] for start in range(0, len(ordered), BATCH))
