"""What becomes of files and replicas; with each change the dataset's counters, and who waits for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

from server.dataservice.door import batches
from server.dataservice.models import Dataset, DatasetFile, Replica, Wait, WaitingJob
from server.dataservice.states import FILE_MOVES, REPLICA_MOVES, THERE, FileState, ReplicaState, values
from server.lib.moves import IllegalMove

#: What a file is when its last replica went so.
_GONE = {ReplicaState.LOST: FileState.LOST, ReplicaState.DELETED: FileState.DELETED}


@dataclass(frozen=True)
class Weight:
    """What one file counts in its dataset."""

    files: int = 0
    expected: int = 0
    available: int = 0
    size: int = 0
    events: int = 0

    def __add__(self, other: Weight) -> Weight:
        return Weight(*(mine + theirs for mine, theirs in zip(self.parts, other.parts, strict=True)))

    def __sub__(self, other: Weight) -> Weight:
        return Weight(*(mine - theirs for mine, theirs in zip(self.parts, other.parts, strict=True)))

    @property
    def parts(self) -> tuple[int, int, int, int, int]:
        return (self.files, self.expected, self.available, self.size, self.events)


def weight_of(file: DatasetFile) -> Weight:
    """Say what a file counts as it stands."""
    if file.state == FileState.AVAILABLE:
        return Weight(1, 0, 1, file.size or 0, file.events or 0)
    return Weight(int(file.state != FileState.REPLACED), int(file.state == FileState.EXPECTED))


def count(changes: Iterable[tuple[int, Weight]], now: datetime) -> None:
    """Add to the counters of datasets. Belongs into the transaction that changes the files."""
    sums: dict[int, Weight] = defaultdict(Weight)
    for dataset, weight in changes:
        sums[dataset] += weight
    for dataset, weight in sorted(sums.items()):
        if weight == Weight():
            continue
        Dataset.objects.filter(pk=dataset).update(
            files=F("files") + weight.files,
            expected=F("expected") + weight.expected,
            available=F("available") + weight.available,
            size=F("size") + weight.size,
            events=F("events") + weight.events,
            changed=now,
        )


def move_files(files: Sequence[DatasetFile], after: FileState, now: datetime) -> None:
    """Move files that were read and locked in this transaction, and count them; one that is there already stays.

    Raises:
        IllegalMove: a file cannot become that; nothing was moved.
    """
    moving = [file for file in files if file.state != after]
    for file in moving:
        if (before := FileState(file.state), after) not in FILE_MOVES:
            raise IllegalMove(before, after)
    changes = []
    for file in moving:
        before_weight = weight_of(file)
        file.state = after.value
        changes.append((file.dataset_id, weight_of(file) - before_weight))
    for batch in batches([file.pk for file in moving]):
        DatasetFile.objects.filter(pk__in=batch).update(state=after.value)
    count(changes, now)


@transaction.atomic
def move_replicas(
    files: Collection[int],
    endpoint: str,
    after: ReplicaState,
    *,
    now: datetime,
    pinned_until: datetime | None = None,
    on_tape: bool | None = None,
    only: Collection[ReplicaState] = tuple(ReplicaState),
) -> list[int]:
    """Bring the replicas of files at one storage into a state, and with them the files and the jobs that wait.

    A replica that the table lets not go there stays as it is.

    Args:
        files: Numbers of files.
        endpoint: The storage.
        after: What the replicas become; being there already, they take the other values.
        now: The time.
        pinned_until: Until when they are kept on disk, if that is known.
        on_tape: Whether they are on tape; ``None`` leaves what was known.
        only: Replicas in other states than these stay as they are.

    Returns:
        The files whose replicas are in that state now.
    """
    allowed = {before for before, target in REPLICA_MOVES if target is after} | {after}
    changed: list[int] = []
    for batch in batches(sorted(files)):
        rows = Replica.objects.select_for_update().filter(file_id__in=batch, endpoint=endpoint)
        found = list(rows.filter(state__in=values(allowed & set(only))).order_by("pk").values_list("pk", "file_id"))
        there = {"seen": now} if after in THERE else {}
        tape = {} if on_tape is None else {"on_tape": on_tape}
        Replica.objects.filter(pk__in=[key for key, _ in found]).update(
            state=after.value, pinned_until=pinned_until, **there, **tape
        )
        numbers = [file for _, file in found]
        changed += numbers
        _follow(numbers, after, now)
        tell_waiting(numbers)
    return changed


def _follow(numbers: Sequence[int], after: ReplicaState, now: datetime) -> None:
    """Let files be what their replicas make them: the last one to go says whether it was lost or deleted."""
    replicas = Replica.objects.filter(file=OuterRef("pk"))
    there = Exists(replicas.filter(state__in=values(THERE)))
    still = Exists(replicas.filter(state__in=values((*THERE, ReplicaState.REMOVING))))
    rows = DatasetFile.objects.select_for_update().filter(pk__in=numbers).order_by("pk")
    marked = list(rows.annotate(is_there=there, is_still_there=still))
    move_files(
        [file for file in marked if file.is_there and file.state != FileState.REPLACED], FileState.AVAILABLE, now
    )
    gone = [file for file in marked if not file.is_still_there and file.state == FileState.AVAILABLE]
    if after in _GONE:
        move_files(gone, _GONE[after], now)


@transaction.atomic
def tell_waiting(files: Collection[int]) -> None:
    """Say to jobs that wait for these files which of them are ready, and which will not come.

    A few statements for all of them, however many jobs wait.
    """
    for batch in batches(sorted(files)):
        waits = Wait.objects.filter(file_id__in=batch)
        if not waits.exists():
            continue
        waits.filter(is_readable(), ready=False).update(ready=True)
        waits.filter(ready=True).exclude(is_readable()).update(ready=False)
        concerned = WaitingJob.objects.filter(Exists(Wait.objects.filter(job=OuterRef("pk"), file_id__in=batch)))
        concerned.update(missing=missing_count())
        lost = DatasetFile.objects.filter(pk__in=batch, state=FileState.LOST).values_list("pk", "lfn")
        for number, lfn in lost:
            tell_hopeless([number], f"input {lfn} is lost: no storage has it any more")


def is_readable() -> Q:
    """Say of a `Wait` that its file can be read where the job wants it."""
    anywhere = Replica.objects.filter(file=OuterRef("file"), state=ReplicaState.AVAILABLE)
    return Q(Exists(anywhere.filter(endpoint=OuterRef("endpoint")))) | (Q(endpoint="") & Q(Exists(anywhere)))


def missing_count() -> Coalesce:
    """Count what a waiting job still lacks, for an update."""
    lacking = Wait.objects.filter(job=OuterRef("pk"), ready=False).order_by().values("job").annotate(n=Count("*"))
    return Coalesce(Subquery(lacking.values("n")), 0)


def tell_hopeless(files: Collection[int], words: str) -> None:
    """Say to the jobs that still wait for these files that they will not come."""
    still = Wait.objects.filter(job=OuterRef("pk"), file_id__in=files, ready=False)
    WaitingJob.objects.filter(Exists(still), hopeless="").update(hopeless=words[:500])
