"""The tables of moves: every pair of states is in one or is refused, and each table leads to its ends."""

from __future__ import annotations

from itertools import product

import pytest

from server.dataservice import door
from server.dataservice.door import Step
from server.dataservice.models import Dataset, Lane, Transfer, TransferEvent, TransferRequest
from server.dataservice.states import (
    DATASET_MOVES,
    FILE_MOVES,
    LIVING,
    REPLICA_MOVES,
    TRANSFER_MOVES,
    DatasetState,
    FileState,
    ReplicaState,
    TransferKind,
    TransferState,
)
from server.lib.moves import IllegalMove
from tests.server.dataservice.conftest import START, filled

S = TransferState
#: Written down a second time, as words: whoever changes the table has to mean it.
EXPECTED = {
    "prestage": """
        requested: queued expired failed
        queued: active on_disk requested expired failed
        active: on_disk requested expired failed
        on_disk: pinned requested expired failed
        pinned: expired
        expired: requested
        failed: requested""",
    "archive": """
        requested: queued on_disk failed
        queued: active on_disk requested failed
        active: on_disk requested failed
        on_disk: on_tape requested failed
        on_tape: verified requested failed
        failed: requested""",
    "replicate": """
        requested: queued on_disk failed
        queued: active on_disk requested failed
        active: on_disk requested failed
        on_disk: verified requested failed
        failed: requested""",
    "delete": """
        requested: active failed
        active: verified requested failed
        failed: requested""",
}


def table(text: str) -> set[tuple[str, str]]:
    lines = [line.split(":") for line in text.strip().splitlines()]
    return {(before.strip(), after) for before, afters in lines for after in afters.split()}


@pytest.mark.parametrize("kind", list(TransferKind))
def test_every_move_of_a_transfer_is_meant(kind):
    assert {(a.value, b.value) for a, b in TRANSFER_MOVES[kind]} == table(EXPECTED[kind.value])


def transfer_in(file, kind, state):
    request = TransferRequest.objects.create(kind=kind, endpoint="TAPE", files=1, by="test", created=START)
    lane, _ = Lane.objects.get_or_create(kind=kind, endpoint="TAPE")
    return Transfer.objects.create(
        request=request, file_id=file, kind=kind, endpoint="TAPE", lane=lane, state=state, allowed=5, tries=2,
        created=START, since=START, due=START, busy="x" if state in LIVING else None,
    )  # fmt: skip


def test_the_door_lets_every_move_of_the_tables_through_and_no_other(world):
    (file,) = filled(world)
    for kind, before, after in product(TransferKind, S, S):
        Transfer.objects.all().delete()
        one = transfer_in(file, kind, before)
        if (before, after) not in TRANSFER_MOVES[kind]:
            with pytest.raises(IllegalMove):
                door.move_all([Step(one, after)], by="test", now=START)
            assert not TransferEvent.objects.exists()
            continue
        door.move_all([Step(one, after, "words", {"due": world.now})], by="test", now=world.now)
        one.refresh_from_db()
        assert (one.state, one.since, one.words) == (after, world.now, "words")
        event = TransferEvent.objects.get()
        assert (event.before, event.after, event.by, event.words, event.tries) == (before, after, "test", "words", 2)
        assert (one.busy is None) == (after not in LIVING or before not in LIVING)


def test_a_row_that_was_moved_meanwhile_is_left_out(world):
    one = transfer_in(filled(world)[0], TransferKind.PRESTAGE, S.QUEUED)
    assert door.locked([one.pk], [S.REQUESTED]) == []
    assert door.locked([one.pk], [S.QUEUED, S.ACTIVE]) == [one]


def test_a_request_is_over_when_its_last_file_is(world):
    one = transfer_in(filled(world)[0], TransferKind.DELETE, S.ACTIVE)
    door.move_all([Step(one, None, "still trying")], by="test", now=START)
    assert TransferRequest.objects.get().state == "open"
    door.move_all([Step(one, S.FAILED)], by="test", now=START)
    assert TransferRequest.objects.get().state == "failed"


def ends(moves, states):
    return {state.value for state in states if not any(before is state for before, _ in moves)}


def test_nothing_of_the_catalogue_is_ever_at_its_end():
    assert ends(DATASET_MOVES, DatasetState) == set()
    assert ends(FILE_MOVES, FileState) == set()
    assert ends(REPLICA_MOVES, ReplicaState) == set()


def test_every_state_of_the_catalogue_can_be_reached():
    for moves, states, first in (
        (DATASET_MOVES, DatasetState, DatasetState.OPEN),
        (FILE_MOVES, FileState, FileState.EXPECTED),
        (REPLICA_MOVES, ReplicaState, ReplicaState.COPYING),
    ):
        assert {after for _, after in moves} | {first} == set(states)


@pytest.mark.parametrize(("before", "after"), list(product(DatasetState, DatasetState)))
def test_a_dataset_moves_by_its_table(db, before, after):
    dataset = Dataset.objects.create(name="d", kind="input", state=before, created=START, changed=START)
    if (before, after) in DATASET_MOVES:
        assert door.move_dataset(dataset, after, by="test", now=START, words="why")
        assert list(dataset.moves.values_list("before", "after", "words")) == [(before, after, "why")]
        dataset.state = before.value  # as somebody else has read it
        assert not door.move_dataset(dataset, after, by="test", now=START)
    else:
        with pytest.raises(IllegalMove):
            door.move_dataset(dataset, after, by="test", now=START)
