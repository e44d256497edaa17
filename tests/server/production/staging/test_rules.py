"""Which runs are brought, what is done with each chunk, and what its storage's answers mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from server.dataservice.states import ReplicaState, TransferState
from server.production.staging.rules import (
    Room,
    Then,
    Told,
    Tries,
    Waiting,
    choose,
    in_vain,
    judge_arrival,
    judge_loss,
    pause,
    place,
    slip_of_file,
)
from server.production.staging.states import StagedState
from server.production.states import CHUNK_MOVES, ChunkState

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TRIES = Tries(0, allowed=3, delay=3600)


def runs(*sizes, at="CTA"):
    return [Waiting(278473 + number, [at] * size) for number, size in enumerate(sizes)]


def test_whole_runs_come_in_their_order_as_many_as_there_is_room_for():
    choice = choose(runs(3, 4, 2), Room(10, 10, {"CTA": 2}))
    assert list(choice.taken) == [3, 4]
    assert choice.room.held == {"CTA": 9}
    assert choice.words == (
        "9 chunks come from tape or wait on disk for their jobs, of at most 10: run 278475 waits until some of them "
        "are sent"
    )


def test_no_run_overtakes_one_that_has_no_room():
    assert list(choose(runs(3, 8, 1), Room(10, 10)).taken) == [3]


def test_all_that_fits_comes_and_nothing_is_said():
    choice = choose(runs(3, 4), Room(7, 7))
    assert (list(choice.taken), choice.words) == ([3, 4], "")


def test_a_run_that_is_larger_than_all_that_may_be_there_comes_in_parts():
    assert list(choose(runs(25), Room(10, 10, {"CTA": 4})).taken) == [6]
    assert list(choose(runs(25), Room(10, 10, {"CTA": 10})).taken) == [0]


def test_one_storage_that_is_full_is_named():
    choice = choose(runs(5), Room(100, 10, {"CTA": 10, "FAR": 20}))
    assert list(choice.taken) == []
    assert choice.words.startswith("10 chunks come from CTA or wait on its disk, of at most 10: run 278473 waits")


def test_another_storage_has_room_of_its_own():
    assert list(choose(runs(5, at="FAR"), Room(100, 10, {"CTA": 10})).taken) == [5]


def test_neither_cap_is_ever_passed_and_only_the_last_run_is_in_part():
    some_runs = ([], ["CTA"], ["CTA", "CTA"], ["CTA", "FAR"], ["FAR"] * 3)
    for storages, cap, each, here, far in product(product(some_runs, repeat=3), range(6), range(4), (0, 2), (0, 1)):
        held = {"CTA": here, "FAR": far}
        waiting = [Waiting(number, names) for number, names in enumerate(storages)]
        choice = choose(waiting, Room(cap, each, held))
        taken = [name for run, number in zip(waiting, choice.taken, strict=False) for name in run.storages[:number]]
        for name in ("CTA", "FAR"):
            assert not taken.count(name) or taken.count(name) + held[name] <= each
        assert not taken or len(taken) + here + far <= cap
        whole = [number == len(run.storages) for run, number in zip(waiting, choice.taken, strict=False)]
        assert all(whole[:-1])
        assert bool(choice.words) == (len(choice.taken) < len(waiting) or not all(whole))


@pytest.mark.parametrize(
    ("state", "on_disk", "sent_since", "then"),
    [
        (None, True, False, Then.STAGE),
        (None, False, False, Then.ASK),
        (StagedState.LET_GO, True, True, Then.STAGE),
        (StagedState.LET_GO, False, True, Then.ASK),
        # It was paused and goes on.
        (StagedState.ASKED, False, False, Then.GO_ON),
        (StagedState.ON_DISK, True, False, Then.STAGE),
        (StagedState.ON_DISK, False, False, Then.ASK),
        # Its job could not read what is said to be on disk.
        (StagedState.ON_DISK, True, True, Then.ASK),
        (StagedState.WAITING, True, False, Then.ASK),
        (StagedState.FAILED, True, False, Then.ASK),
    ],
)
def test_a_chunk_is_staged_goes_on_or_has_its_file_asked_for(state, on_disk, sent_since, then):
    assert place(state, on_disk=on_disk, sent_since=sent_since) is then


@pytest.mark.parametrize("state", ["requested", "queued", "active", "on_disk"])
def test_while_a_file_is_on_its_way_nothing_moves(state):
    assert judge_arrival(Told(TransferState(state)), TRIES, request=7, now=NOW) is None


def test_what_is_pinned_is_staged():
    verdict = judge_arrival(Told(TransferState.PINNED), TRIES, request=7, now=NOW)
    assert (verdict.chunk, verdict.file) == (ChunkState.STAGED, StagedState.ON_DISK)


def test_what_did_not_come_is_asked_for_later_each_time_and_then_a_person_looks():
    told, seen = Told(TransferState.FAILED, "after 5 tries: drive broken"), []
    for attempts in range(3):
        seen.append(judge_arrival(told, Tries(attempts, 3, 3600), request=7, now=NOW))
    assert [(one.chunk.value, one.attempts) for one in seen] == [("defined", 1), ("defined", 2), ("manual_check", 3)]
    assert [one.due for one in seen] == [NOW + timedelta(hours=1), NOW + timedelta(hours=2), None]
    assert seen[0].words == "request 7: after 5 tries: drive broken"
    assert seen[2].words == (
        "after 3 requests: request 7: after 5 tries: drive broken; when that is mended, resend staging"
    )


def test_what_a_person_let_go_while_it_came_is_asked_for_at_once():
    verdict = judge_arrival(Told(TransferState.EXPIRED, "released by ada"), TRIES, request=7, now=NOW)
    assert (verdict.chunk, verdict.due, verdict.attempts) == (ChunkState.DEFINED, NOW, 0)
    assert verdict.words == "request 7: released by ada"


def test_a_request_that_nobody_knows_any_more_is_made_anew():
    verdict = judge_arrival(Told(None), TRIES, request=7, now=NOW)
    assert (verdict.chunk, verdict.due) == (ChunkState.DEFINED, NOW)
    assert "does not know request 7" in verdict.words


def test_after_its_time_even_of_days_a_file_is_asked_for_as_if_for_the_first_time():
    over = Told(TransferState.EXPIRED, "its time is over", NOW - timedelta(days=3, hours=1))
    verdict = judge_loss(over, Tries(2, 3, 3600), endpoint="CTA", now=NOW)
    assert (verdict.chunk, verdict.file, verdict.attempts) == (ChunkState.DEFINED, StagedState.WAITING, 0)
    assert verdict.due == NOW
    assert verdict.words == "its file has left the disk of CTA: its time is over"


def test_what_leaves_the_disk_before_its_time_counts_as_in_vain_and_ends_with_a_person():
    early = Told(TransferState.REQUESTED, "its pin has ended before its time", NOW + timedelta(days=3))
    first = judge_loss(early, TRIES, endpoint="CTA", now=NOW)
    assert (first.attempts, first.due) == (1, NOW + timedelta(hours=1))
    assert judge_loss(early, Tries(2, 3, 3600), endpoint="CTA", now=NOW).chunk is ChunkState.MANUAL_CHECK


def test_what_another_request_had_brought_is_asked_for_at_once():
    assert judge_loss(Told(None), TRIES, endpoint="CTA", now=NOW).due == NOW


def test_pauses_double_up_to_a_day():
    hours = [pause(attempts, 3600).total_seconds() / 3600 for attempts in (1, 2, 3, 4, 5, 6, 1000)]
    assert hours == [1, 2, 4, 8, 16, 24, 24]


def test_every_verdict_is_a_move_that_there_is():
    told = [Told(None), *(Told(state, "x", NOW) for state in TransferState)]
    for one in told:
        for attempts in (0, 2):
            tries = Tries(attempts, 3, 1)
            verdict = judge_arrival(one, tries, request=1, now=NOW)
            assert verdict is None or (ChunkState.STAGING, verdict.chunk) in CHUNK_MOVES
            assert (ChunkState.STAGED, judge_loss(one, tries, endpoint="CTA", now=NOW).chunk) in CHUNK_MOVES
            assert in_vain(tries, "x", NOW).chunk in (ChunkState.DEFINED, ChunkState.MANUAL_CHECK)


@pytest.mark.parametrize(
    ("replica", "known", "said", "words"),
    [
        (ReplicaState.ON_TAPE, (10, "adler32:1"), (11, "adler32:2"), ""),
        (None, (None, ""), (10, "adler32:1"), ""),
        (None, (10, "adler32:1"), (None, ""), ""),
        (ReplicaState.LOST, (10, "adler32:1"), (10, "adler32:1"), ""),
        (ReplicaState.REMOVING, (10, ""), (10, ""), "it is being removed from CTA"),
        (
            None,
            (10, ""),
            (11, ""),
            "the catalogue has it with size 10, its list with 11; correct one of them",
        ),
        (
            None,
            (10, "adler32:1"),
            (10, "adler32:2"),
            "the catalogue has it with checksum adler32:1, its list with adler32:2; correct one of them",
        ),
    ],
)
def test_a_file_that_cannot_be_asked_for_says_why(replica, known, said, words):
    assert slip_of_file(replica, endpoint="CTA", known=known, said=said) == words
