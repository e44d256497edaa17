"""Step: what storages say has come, or is on tape, is looked at; what is right goes on, what is wrong is told apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from django.db import transaction

from server.dataservice import door
from server.dataservice.door import Step
from server.dataservice.limits import limits
from server.dataservice.logic.consequences import follow_failures
from server.dataservice.logic.files import move_replicas
from server.dataservice.models import Transfer
from server.dataservice.states import TO_BE_LOOKED_AT, ReplicaState, TransferKind, TransferState
from server.dataservice.steps.contact import Silent, ask, checked, silent_before
from server.dataservice.steps.due import Line, due, lines
from server.dataservice.steps.tries import again, expected_of, paths_of, seconds
from server.dataservice.truth import Looked, Then, Wanted, follow, judge
from server.dataservice.where import Rims
from server.storage.base import Fault, FaultKind, Found

SERVICE = "dataservice.look"
K, S = TransferKind, TransferState

#: Where bytes should be, and whether checksums are compared, by what is looked at.
_LOOKS = {
    (K.PRESTAGE, S.ON_DISK): (Wanted.DISK, False),
    (K.REPLICATE, S.ON_DISK): (Wanted.DISK, True),
    (K.ARCHIVE, S.ON_DISK): (Wanted.TAPE, False),
    (K.ARCHIVE, S.ON_TAPE): (Wanted.TAPE, True),
}
_NEXT = {
    (K.PRESTAGE, S.ON_DISK): S.PINNED,
    (K.REPLICATE, S.ON_DISK): S.VERIFIED,
    (K.ARCHIVE, S.ON_DISK): S.ON_TAPE,
    (K.ARCHIVE, S.ON_TAPE): S.VERIFIED,
}


def look(rims: Rims, *, now: datetime, keep: Callable[[], None]) -> int:
    """Look at files that are said to be there; answer how many have moved.

    Storages that were silent last time are asked when the others have been.
    """
    moved, silent, before, most = 0, set[str](), silent_before(), limits().calls_per_cycle
    while most:
        most -= 1
        keep()
        ready = [line for line in lines(tuple(K), TO_BE_LOOKED_AT, now) if line.lane.endpoint not in silent]
        if not ready:
            break
        group = _group(min(ready, key=lambda line: line.lane.endpoint in before), ready, now)
        if not group:
            break
        try:
            moved += _look_at(group, rims, now)
        except Silent:
            silent.add(group[0].endpoint)
    return moved


def _group(first: Line, ready: Sequence[Line], now: datetime) -> list[Transfer]:
    """Answer the files of one look: of one kind and state, at one storage, also of several lanes."""
    _, checksums = _LOOKS[K(first.lane.kind), first.state]
    bulk = limits(first.lane.kind).bulk
    # To tell a checksum many storages read the file: fewer at once, so that there is a sign of life between.
    most = max(bulk // 10, 1) if checksums else bulk
    keys: list[int] = []
    for line in ready:
        if len(keys) < most and _asked_as(line) == _asked_as(first):
            keys += due(line, now, most=most - len(keys))
    return [one for batch in door.batches(keys) for one in Transfer.objects.filter(pk__in=batch).order_by("pk")]


def _asked_as(line: Line) -> tuple[str, str, TransferState]:
    return line.lane.endpoint, line.lane.kind, line.state


def _look_at(transfers: Sequence[Transfer], rims: Rims, now: datetime) -> int:
    """Look at some files and write down what was found.

    Raises:
        Silent: the storage did not answer.
    """
    first = transfers[0]
    wanted, checksums = _LOOKS[K(first.kind), S(first.state)]
    paths, expected = paths_of(transfers), expected_of(transfers)
    names = list(paths.values())

    def question() -> Mapping[str, Found | Fault]:
        return checked(rims.storage_of(first.endpoint).look(names, checksums=checksums), Found, Fault)

    found = ask(first.endpoint, question, now)
    nowhere = Fault(FaultKind.ABSENT, "the storage says nothing of it")
    said = {one.pk: found.get(paths.get(one.pk, ""), nowhere) for one in transfers}
    looked = {key: judge(expected[key], one, wanted=wanted, checksums=checksums) for key, one in said.items()}
    with transaction.atomic():
        here = door.locked(looked, [S(first.state)])
        steps = [_step(one, looked[one.pk], now) for one in here]
        late = looked.keys() - {one.pk for one in here}
        door.note_late({key: looked[key].words or looked[key].answer.label for key in late}, by=SERVICE, now=now)
        door.move_all(steps, by=SERVICE, now=now)
        follow_failures(steps, now)
        _tell_catalogue(steps, now)
    return sum(step.after is not None for step in steps)


def _step(transfer: Transfer, looked: Looked, now: datetime) -> Step:
    bounds = limits(transfer.kind)
    since = min(transfer.answer_since, now) if transfer.answer == looked.answer and transfer.answer_since else now
    told = {"answer": looked.answer.value, "answer_since": since}
    then = follow(looked.answer, now - since, bounds)
    if then is Then.WAIT:
        return Step(transfer, None, looked.words, {**told, "due": now + seconds(bounds.look_every)})
    if then is Then.AGAIN:
        return again(transfer, looked.words, now, answer=looked.answer)
    after = _NEXT[K(transfer.kind), S(transfer.state)]
    # A pin that is lost later begins anew, with as many tries as at first.
    more = {"allowed": transfer.tries + bounds.tries} if after is S.PINNED else {}
    return Step(transfer, after, "", {**told, "due": now, **more})


def _tell_catalogue(steps: Sequence[Step], now: datetime) -> None:
    """Let replicas be what was seen; files and jobs follow."""
    alike: dict[tuple[str, ReplicaState, datetime | None], list[int]] = defaultdict(list)
    for step in steps:
        one = step.transfer
        if step.after is S.PINNED:
            alike[one.endpoint, ReplicaState.AVAILABLE, one.pinned_until].append(one.file_id)
        elif step.after is S.VERIFIED:
            state = ReplicaState.ON_TAPE if one.kind == K.ARCHIVE else ReplicaState.AVAILABLE
            alike[one.endpoint, state, None].append(one.file_id)
    for (endpoint, state, pinned_until), files in alike.items():
        on_tape = None if state is ReplicaState.AVAILABLE else True
        move_replicas(files, endpoint, state, now=now, pinned_until=pinned_until, on_tape=on_tape)
