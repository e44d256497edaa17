"""What a look says, and what follows from it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from server.dataservice.limits import Limits
from server.dataservice.states import Answer
from server.dataservice.truth import Expected, Then, Wanted, follow, judge
from server.storage.base import Fault, FaultKind, Found, Locality

SUM = "adler32:0000000a"
GONE = Fault(FaultKind.ABSENT, "no such file")
A = Answer


@pytest.mark.parametrize(
    ("expected", "found", "wanted", "answer", "words"),
    [
        (Expected(10, SUM), Found(10, Locality.TAPE, SUM), Wanted.TAPE, A.RIGHT, ""),
        (Expected(10, SUM), Found(10, Locality.TAPE, SUM.upper()), Wanted.TAPE, A.RIGHT, ""),
        (Expected(None, ""), Found(10, Locality.DISK), Wanted.DISK, A.RIGHT, ""),
        (Expected(0, ""), Found(0, Locality.DISK), Wanted.DISK, A.RIGHT, ""),
        (Expected(10, SUM), GONE, Wanted.TAPE, A.ABSENT, "it is not there: no such file"),
        (Expected(10, SUM, seen=True), GONE, Wanted.TAPE, A.DELETED, "it was there and is not any more: no such file"),
        (Expected(10, SUM), Found(0, Locality.TAPE, SUM), Wanted.TAPE, A.EMPTY, "it has size 0"),
        (Expected(None, SUM), Found(0, Locality.TAPE, SUM), Wanted.TAPE, A.EMPTY, "it has size 0"),
        (Expected(10, SUM), Found(9, Locality.TAPE, SUM), Wanted.TAPE, A.SIZE, "it has 9 bytes instead of 10"),
        (
            Expected(10, SUM),
            Found(10, Locality.TAPE, "adler32:0000000b"),
            Wanted.TAPE,
            A.CHECKSUM,
            "it has adler32:0000000b instead of adler32:0000000a",
        ),
        (
            Expected(10, SUM),
            Found(10, Locality.TAPE),
            Wanted.TAPE,
            A.NO_CHECKSUM,
            (
                "the storage does not tell its adler32: it is on tape only; "
                "have it brought to disk, then this request tried again"
            ),
        ),
        (
            Expected(10, SUM),
            Found(10, Locality.DISK_AND_TAPE),
            Wanted.TAPE,
            A.NO_CHECKSUM,
            "the storage does not tell its adler32",
        ),
        (
            Expected(10, "md5:ff"),
            Found(10, Locality.TAPE, SUM),
            Wanted.TAPE,
            A.NO_CHECKSUM,
            "the storage does not tell its md5",
        ),
        (Expected(10, SUM), Found(10, Locality.DISK, SUM), Wanted.TAPE, A.NOT_ON_TAPE, "it is not on tape yet"),
        (Expected(10, SUM), Found(10, Locality.DISK_AND_TAPE, SUM), Wanted.TAPE, A.RIGHT, ""),
        (Expected(10, SUM), Found(10, Locality.TAPE, SUM), Wanted.DISK, A.OFFLINE, "it is not on disk"),
        (Expected(10, SUM), Found(10, Locality.TAPE, SUM), Wanted.ANYWHERE, A.RIGHT, ""),
        (
            Expected(10, SUM),
            Found(10, Locality.LOST, SUM),
            Wanted.DISK,
            A.NO_BYTES,
            "the storage has its name, and nowhere its bytes",
        ),
        (Expected(10, SUM), Fault(FaultKind.FORBIDDEN, "not yours"), Wanted.DISK, A.REFUSED, "forbidden: not yours"),
    ],
)
def test_each_case_has_an_answer_of_its_own(expected, found, wanted, answer, words):
    looked = judge(expected, found, wanted=wanted, checksums=True)
    assert (looked.answer, looked.words) == (answer, words)


def test_a_checksum_that_was_not_asked_for_is_not_missed():
    assert judge(Expected(10, SUM), Found(10, Locality.TAPE), wanted=Wanted.TAPE).answer is A.RIGHT


@pytest.mark.parametrize(
    ("answer", "age", "then"),
    [
        (A.RIGHT, timedelta(0), Then.GO_ON),
        (A.ABSENT, timedelta(minutes=59), Then.WAIT),
        (A.ABSENT, timedelta(hours=1), Then.AGAIN),
        (A.EMPTY, timedelta(hours=11, minutes=59), Then.WAIT),
        (A.EMPTY, timedelta(hours=12), Then.AGAIN),
        # A day and a minute is more than 12 hours, though its seconds alone are 60.
        (A.EMPTY, timedelta(days=1, minutes=1), Then.AGAIN),
        (A.ABSENT, timedelta(days=3, seconds=5), Then.AGAIN),
        (A.NOT_ON_TAPE, timedelta(days=1, hours=23), Then.WAIT),
        (A.NOT_ON_TAPE, timedelta(days=2), Then.AGAIN),
        (A.DELETED, timedelta(0), Then.AGAIN),
        (A.SIZE, timedelta(0), Then.AGAIN),
        (A.CHECKSUM, timedelta(0), Then.AGAIN),
        (A.NO_BYTES, timedelta(0), Then.AGAIN),
        (A.REFUSED, timedelta(minutes=5), Then.WAIT),
        (A.NO_CHECKSUM, timedelta(hours=2), Then.AGAIN),
        (A.OFFLINE, timedelta(minutes=5), Then.WAIT),
    ],
)
def test_what_follows_depends_on_the_whole_time_that_an_answer_has_lasted(answer, age, then):
    assert follow(answer, age, Limits()) is then
